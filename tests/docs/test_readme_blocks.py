"""Every block of the README is run by some test: here the Python, in test_readme_shell.py what a shell is given."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from threading import Thread
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import redis
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.core.checks import run_checks
from django.core.management import CommandError
from django.utils.module_loading import import_string
from pytest_django.fixtures import Settings

from dealpurge import explain, families, purge_deals, purge_finished, services
from dealpurge.exceptions import RedisUnavailable
from dealpurge.models import PurgeRun
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from tests.security.test_telemetry import counting_module
from tests.support.readme_blocks import BLOCKS, KINDS, README, ROOT, Block, blocks_of, kinds_of, of_kind
from tests.support.seeding import HOUR, names, seed_deal
from tests.support.servers import free_port

DAY = 24 * HOUR
SEEDED = PurgeScope(mode="by_deal", deals=(("acme", "deal-1"),), dry_run=False)


def containing(words: str) -> Block:
    """The one block that has these words."""
    (block,) = [block for block in BLOCKS if words in block.text]
    return block


# That none is forgotten


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_it_is_known_who_runs_it(block: Block) -> None:
    assert len(kinds_of(block)) == 1, f"{block} is run by nobody, or by several"


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_something_of_every_kind(kind: str) -> None:
    assert of_kind(kind)


def test_no_fence_escapes() -> None:
    assert README.read_text().count("```") == 2 * len(BLOCKS)


def test_a_block_that_nobody_would_run_is_found() -> None:
    (block,) = blocks_of("## Elsewhere\n\n```bash\nrm -r .\n```\n")

    assert (kinds_of(block), block.section, block.line) == ([], "Elsewhere", 3)


# Settings and modules of a host


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[Callable[[Block], None]]:
    """Write a block's modules where they can be imported, and put its settings in force."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def build(block: Block) -> None:
        for name, text in block.files.items():
            if name == "settings.py":
                apply(text)
                continue
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(f"urlpatterns = []\n{text}" if name == "urls.py" else text)

    def apply(text: str) -> None:
        names: dict[str, Any] = {"INSTALLED_APPS": [], "REST_FRAMEWORK": {**settings.REST_FRAMEWORK}}
        exec(compile(text, "settings.py", "exec"), names)  # noqa: S102 - our own README
        assert set(names.pop("INSTALLED_APPS")) <= set(settings.INSTALLED_APPS)
        for name, value in names.items():
            if name.isupper():
                setattr(settings, name, value)

    yield build
    for name in [name for name in sys.modules if name.partition(".")[0] == "myproject"]:
        del sys.modules[name]


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins of Celery and RQ that carry out at once what they are given, its arguments as JSON."""

    def shared_task(function: Callable[..., Any]) -> SimpleNamespace:
        return SimpleNamespace(delay=lambda *args: function(*json.loads(json.dumps(args))))

    def crontab(*, hour: int, minute: int) -> SimpleNamespace:
        return SimpleNamespace(hour=hour, minute=minute)

    def enqueue(path: str, *args: Any) -> None:
        import_string(path)(*json.loads(json.dumps(args)))

    for name, function in (("celery", shared_task), ("celery.schedules", crontab), ("django_rq", enqueue)):
        module = ModuleType(name)
        setattr(module, function.__name__, function)
        monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.parametrize("block", of_kind("files"), ids=str)
def test_a_host_with_it_passes_the_system_checks(host: Callable[[Block], None], queues: None, block: Block) -> None:
    host(block)

    for name in set(block.files) - {"settings.py"}:
        import_module(name.removesuffix(".py").replace("/", "."))
    # The certificates that it names are nobody's.
    names_file = any("/etc/ssl/private-ca.pem" in text for text in block.files.values())
    assert [message.id for message in run_checks()] == ["dealpurge.W008"] * names_file


@pytest.mark.parametrize("block", [block for block in of_kind("files") if "KEY_FAMILIES" in block.text], ids=str)
def test_families_in_it_claim_the_keys_that_they_make(
    host: Callable[[Block], None], settings: Settings, block: Block
) -> None:
    host(block)

    for name, texts in settings.DEALPURGE_KEY_FAMILIES.items():
        if not texts:
            assert name not in families()
            continue
        key = families()[name].key("x", org_id="acme", deal_id="deal-1")
        assert (explain(key).family, explain(key).deal_id) == (name, "deal-1")


def test_a_hash_tag_is_where_the_text_says(host: Callable[[Block], None]) -> None:
    host(containing("{{{org_id}:{deal_id}}}"))

    key = families()["locks"].key(org_id="acme", deal_id="deal-1").decode()
    assert f"`{key}`" in README.read_text()


@pytest.mark.django_db(transaction=True)
def test_a_key_that_djangos_cache_wrote_is_purged(
    host: Callable[[Block], None], valkey_settings: Settings, valkey_client: redis.Redis
) -> None:
    host(containing(":1:digitization"))
    cache.set("digitization:cache:acme:deal-1", "page")
    assert valkey_client.dbsize() == 1

    report = purge_deals(mode="by_deal", deals=[("acme", "deal-1")], dry_run=False)

    assert (report.families["digitization_cache"], valkey_client.dbsize()) == (1, 0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("words", ["purge.delay(run_id)", "import django_rq"])
def test_a_queue_of_the_host_carries_a_purge_out(
    host: Callable[[Block], None],
    queues: None,
    valkey_settings: Settings,
    valkey_client: redis.Redis,
    words: str,
) -> None:
    host(containing(words))
    keys = seed_deal(valkey_client, "acme", "deal-1")

    run = services.queue(SEEDED, Origin(source="api"))

    run.refresh_from_db()
    assert (run.status, run.keys_deleted) == ("completed", len(keys))


@pytest.mark.django_db(transaction=True)
def test_the_tasks_of_the_readme_wait_for_a_worker(host: Callable[[Block], None], valkey_settings: Settings) -> None:
    host(containing("django_tasks_db.DatabaseBackend"))

    assert services.queue(SEEDED, Origin(source="api")).status == "queued"


@pytest.mark.django_db(transaction=True)
def test_celery_beat_purges_idle_deals(
    host: Callable[[Block], None],
    queues: None,
    settings: Settings,
    valkey_settings: Settings,
    valkey_client: redis.Redis,
) -> None:
    host(containing("CELERY_BEAT_SCHEDULE"))
    seed_deal(valkey_client, "acme", "idle", age=91 * DAY)
    recent = seed_deal(valkey_client, "acme", "recent", age=89 * DAY)
    never_opened = seed_deal(valkey_client, "acme", "never-opened")
    (entry,) = settings.CELERY_BEAT_SCHEDULE.values()

    import_string(entry["task"]).delay()

    assert names(valkey_client) == {*recent, *never_opened}
    assert (PurgeRun.objects.get().reason, entry["schedule"].hour) == ("nightly", 4)


@pytest.mark.django_db(transaction=True)
def test_a_celery_task_fails_with_the_words_of_the_command(
    host: Callable[[Block], None], queues: None, settings: Settings
) -> None:
    settings.DEALPURGE_RETRY_SECONDS = 0.1
    host(containing("CELERY_BEAT_SCHEDULE"))
    (entry,) = settings.CELERY_BEAT_SCHEDULE.values()

    with pytest.raises(CommandError, match=r"purge_deals --mode all \(nightly\): Redis cannot be reached"):
        import_string(entry["task"]).delay()


def test_the_extra_is_one_of_the_package() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

    for block in of_kind("extra"):
        (name,) = re.fullmatch(r'pip install "\.\[(\w+)\]"\n', block.text).groups()  # type: ignore[union-attr]
        assert name in extras


# Snippets


@pytest.fixture
def run_snippet(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Block], dict[str, Any]]]:
    """Execute a block by itself; receivers that it connects are taken off again."""
    monkeypatch.setitem(sys.modules, "prometheus_client", counting_module())
    receivers = purge_finished.receivers[:]

    def run(block: Block) -> dict[str, Any]:
        names: dict[str, Any] = {}
        exec(compile(block.text, str(block), "exec"), names)  # noqa: S102 - our own README
        return names

    yield run
    purge_finished.receivers = receivers
    purge_finished.sender_receivers_cache.clear()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("block", of_kind("snippet"), ids=str)
def test_a_snippet_runs_by_itself(
    run_snippet: Callable[[Block], dict[str, Any]],
    valkey_settings: Settings,
    valkey_client: redis.Redis,
    block: Block,
) -> None:
    seed_deal(valkey_client, "acme", "deal-1")

    run_snippet(block)


@pytest.mark.django_db(transaction=True)
def test_the_purge_from_python_purges_and_is_written_down(
    run_snippet: Callable[[Block], dict[str, Any]], valkey_settings: Settings, valkey_client: redis.Redis
) -> None:
    keys = seed_deal(valkey_client, "acme", "deal-1")

    report = run_snippet(containing("from dealpurge import ScopeError"))["report"]

    assert report.keys.deleted == len(keys)
    assert valkey_client.dbsize() == 0
    assert (PurgeRun.objects.get().actor_name, PurgeRun.objects.get().reason) == ("nightly", "closed")


@pytest.mark.django_db(transaction=True)
def test_who_purged_a_deal_is_found(
    run_snippet: Callable[[Block], dict[str, Any]], valkey_settings: Settings, valkey_client: redis.Redis
) -> None:
    seed_deal(valkey_client, "acme", "deal-1")
    report = purge_deals(mode="all", dry_run=False)
    (line,) = [line for line in containing("run_deals__deal_id").text.splitlines() if "filter" in line]

    assert [run.pk for run in eval(line, {"PurgeRun": PurgeRun})] == [report.run_id]  # noqa: S307 - our own README


@pytest.mark.django_db
def test_the_group_may_purge(run_snippet: Callable[[Block], dict[str, Any]]) -> None:
    user = User.objects.create_user("on-call", is_staff=True)

    permission = run_snippet(containing("from django.contrib.auth.models import Group"))["permission"]

    user.groups.add(Group.objects.get(name="On call"))
    assert user.has_perm("dealpurge.purge_deals")
    assert f"*{permission}*".casefold() in " ".join(README.read_text().split()).casefold()


@pytest.fixture
def chat() -> Iterator[tuple[str, list[Any]]]:
    """The address of a chat's webhook, and what it was posted."""
    posted: list[Any] = []

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Webhook) as server:
        Thread(target=server.serve_forever, args=(0.01,)).start()
        yield f"http://127.0.0.1:{server.server_port}/hooks/on-call", posted
        server.shutdown()


@pytest.mark.django_db(transaction=True)
def test_a_purge_is_told_to_the_chat_and_a_dry_run_is_not(
    run_snippet: Callable[[Block], dict[str, Any]],
    valkey_settings: Settings,
    valkey_client: redis.Redis,
    chat: tuple[str, list[Any]],
) -> None:
    seed_deal(valkey_client, "acme", "deal-1")
    module = run_snippet(containing("WEBHOOK"))
    module["WEBHOOK"], posted = chat

    purge_deals(mode="all", actor_name="ann")
    purge_deals(mode="all", dry_run=False, actor_name="ann")

    assert posted == [{"text": "Purge by ann: completed, 4 keys of 1 deals."}]


@pytest.mark.django_db(transaction=True)
def test_a_chat_is_told_why_a_purge_failed(
    run_snippet: Callable[[Block], dict[str, Any]], settings: Settings, chat: tuple[str, list[Any]]
) -> None:
    settings.DEALPURGE_RETRY_SECONDS = 0.1
    module = run_snippet(containing("WEBHOOK"))
    module["WEBHOOK"], posted = chat

    with pytest.raises(RedisUnavailable):
        purge_deals(mode="all", dry_run=False, actor_name="ann")

    words = "Redis cannot be reached (tried for 0.1 s)."
    assert posted == [{"text": f"Purge by ann: failed, 0 keys of 0 deals. {words}"}]


@pytest.mark.django_db(transaction=True)
def test_a_chat_that_is_away_harms_no_purge(
    run_snippet: Callable[[Block], dict[str, Any]], valkey_settings: Settings, valkey_client: redis.Redis
) -> None:
    module = run_snippet(containing("WEBHOOK"))
    module["WEBHOOK"] = f"http://127.0.0.1:{free_port()}/hooks/on-call"

    assert purge_deals(mode="all", dry_run=False).status == "completed"
