"""The client that openapi-python-client makes, at a live server: it sends bodies and reads answers by attribute."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import pytest
import redis
from django.contrib.auth.models import User
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from dealpurge.models import PurgeRun
from dealpurge.runs import store
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from dealpurge.servers import backoff
from tests.support.published import operations
from tests.support.seeding import HOUR, existing, seed_deal

from .tools import run

pytestmark = [
    pytest.mark.generators,
    pytest.mark.xdist_group("generators"),
    pytest.mark.django_db(transaction=True),
]

PACKAGE = "purge_client"

Part = Callable[[str], Any]


class Call(Protocol):
    def __call__(self, operation: str = ..., *, token: str = ..., **arguments: Any) -> tuple[int, Any]: ...


@pytest.fixture(scope="module")
def part(document: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Part]:
    """Imports a module of the client."""
    folder = tmp_path_factory.mktemp("python")
    settings = folder / "settings.json"
    settings.write_text(json.dumps({"post_hooks": []}))  # nobody reads the code, so it need not be formatted
    options = {"path": document, "output-path": folder / PACKAGE, "config": settings, "meta": "none"}
    words = [f"--{name}={value}" for name, value in options.items()]
    run("openapi-python-client", "generate", *words, "--fail-on-warning", cwd=folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield lambda name: import_module(f"{PACKAGE}.{name}")


@pytest.fixture
def models(part: Part) -> Any:
    return part("models")


@pytest.fixture
def call(part: Part, live_server: LiveServer, superuser: User, bearer: Callable[[User], dict[str, str]]) -> Call:
    """Call an operation as a superuser; the status, and what was read."""
    good = bearer(superuser)["Authorization"].removeprefix("Bearer ")

    def send(operation: str = "purge_deals", *, token: str = good, **arguments: Any) -> tuple[int, Any]:
        client = part("client").AuthenticatedClient(
            base_url=live_server.url, token=token, httpx_args={"trust_env": False}
        )
        with client:
            answer = part(f"api.superadmin.{operation}").sync_detailed(client=client, **arguments)
        return int(answer.status_code), answer.parsed

    return send


def test_a_dry_run(call: Call, models: Any, valkey_client: redis.Redis, valkey_settings: Settings) -> None:
    keys = seed_deal(valkey_client, "acme", "deal-1")

    status, report = call(body=models.PurgeDealsBody(mode=models.PurgeMode.ALL, dry_run=True))

    assert (status, report.status, report.dry_run) == (200, "completed", True)
    assert (report.deals.purged, report.keys.matched, report.keys.deleted) == (1, 4, 0)
    assert (report.families["locks"], report.families["image_crops"]) == (1, 3)
    assert existing(valkey_client, keys) == 4


def test_nothing_but_a_mode_is_a_dry_run(
    call: Call, models: Any, valkey_client: redis.Redis, valkey_settings: Settings
) -> None:
    keys = seed_deal(valkey_client, "acme", "deal-1")

    status, report = call(body=models.PurgeDealsBody(mode=models.PurgeMode.ALL))

    assert (status, report.dry_run, report.include_checkpoints) == (200, True, False)
    assert (report.deal_id, report.org_id, report.exclude_active_within_secs) == (None, None, None)
    assert existing(valkey_client, keys) == 4


def test_a_purge(call: Call, models: Any, valkey_client: redis.Redis, valkey_settings: Settings) -> None:
    mine, other = (seed_deal(valkey_client, "acme", name) for name in ("deal-1", "deal-2"))

    status, report = call(
        body=models.PurgeDealsBody(
            mode=models.PurgeMode.BY_DEAL, deal_id="deal-1", org_id="acme", include_checkpoints=True, dry_run=False
        )
    )

    assert (status, report.mode, report.deal_id, report.org_id) == (200, models.PurgeMode.BY_DEAL, "deal-1", "acme")
    assert (report.deals.purged, report.keys.deleted, report.keys.unclaimed) == (1, 4, 0)
    assert PurgeRun.objects.get().pk == report.run_id
    assert datetime.now(UTC) > report.started_at
    assert (existing(valkey_client, mine), existing(valkey_client, other)) == (0, 4)


def test_deals_that_stay(call: Call, models: Any, valkey_client: redis.Redis, valkey_settings: Settings) -> None:
    seed_deal(valkey_client, "acme", "busy", age=0)
    seed_deal(valkey_client, "acme", "idle", age=2 * HOUR)

    status, report = call(
        body=models.PurgeDealsBody(mode=models.PurgeMode.ALL, exclude_active_within_secs=HOUR, dry_run=False)
    )

    (stayed,) = report.skipped
    assert (status, report.deals.purged, report.deals.skipped_active) == (200, 1, 1)
    assert (stayed.org_id, stayed.deal_id) == ("acme", "busy")
    assert abs((report.started_at - stayed.last_active_at).total_seconds()) < HOUR


def test_a_purge_by_a_worker(call: Call, models: Any, valkey_client: redis.Redis, valkey_settings: Settings) -> None:
    seed_deal(valkey_client, "acme", "deal-1")

    status, queued = call(
        body=models.PurgeDealsBody(mode=models.PurgeMode.ALL, dry_run=False),
        prefer=models.PurgeDealsPrefer.RESPOND_ASYNC,
    )
    later, done = call("purge_run", run_id=queued.run_id)

    assert (status, queued.mode) == (202, models.PurgeMode.ALL)
    assert (later, done.run_id, done.status) == (200, queued.run_id, "completed")
    assert (done.report.deals.purged, done.report.keys.deleted, done.progress.deleted) == (1, 4, 4)


def test_a_run_is_cancelled(call: Call, superuser: User) -> None:
    waiting = store.create(PurgeScope(mode="all"), Origin(source=PurgeRun.Source.API, actor=superuser), queued=True)

    status, ended = call("cancel_purge_run", run_id=waiting.pk)

    assert (status, ended.run_id, ended.status, ended.cancel_requested) == (200, waiting.pk, "cancelled", True)


def test_another_purge_is_under_way(call: Call, models: Any) -> None:
    other = store.create(PurgeScope(mode="all", dry_run=False), Origin(source="command", actor_name="ann"))

    status, error = call(body=models.PurgeDealsBody(mode=models.PurgeMode.ALL, dry_run=False))

    assert (status, error.run_id) == (409, other.pk)
    assert "in progress" in error.detail


def test_a_refused_body(call: Call, models: Any) -> None:
    status, error = call(body=models.PurgeDealsBody(mode=models.PurgeMode.BY_DEAL))

    (item,) = error.detail
    assert (status, item.loc, item.type_, item.msg) == (422, ["body", "deal_id"], "missing", "Field required")


def test_a_wrong_token(call: Call, models: Any) -> None:
    status, error = call(body=models.PurgeDealsBody(mode=models.PurgeMode.ALL), token="wrong")

    assert (status, type(error)) == (401, models.PurgeError)
    assert error.detail


def test_no_redis(call: Call, models: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "FIRST_SECONDS", 0.0)

    status, error = call(body=models.PurgeDealsBody(mode=models.PurgeMode.ALL, dry_run=False))

    assert (status, error.report.status, error.report.deals.purged, error.deleted) == (503, "failed", 0, 0)
    assert error.run_id == error.report.run_id == PurgeRun.objects.get().pk


def test_fields_of_a_later_version(models: Any, document: Path) -> None:
    (example, *_) = [value for name, (_, value) in examples(document).items() if name.startswith("purge_deals 200")]

    report = models.PurgeReport.from_dict(example | {"later": 1, "deals": example["deals"] | {"later": 2}})

    assert report.deals.purged == example["deals"]["purged"]
    assert (report.additional_properties, report.deals.additional_properties) == ({"later": 1}, {"later": 2})


def test_every_example_of_an_answer_is_read_and_written_the_same(models: Any, document: Path) -> None:
    found = examples(document)

    assert len(found) > 20
    for name, (model, value) in found.items():
        written = json.dumps(getattr(models, model).from_dict(value).to_dict())
        assert json.loads(written.replace("+00:00", "Z")) == value, name


def examples(document: Path) -> dict[str, tuple[str, Any]]:
    """By operation, status and name: the component, and the value."""
    return {
        f"{name} {status} {key}": (content["schema"]["$ref"].rpartition("/")[2], example["value"])
        for name, operation in operations(json.loads(document.read_text())).items()
        for status, answer in operation["responses"].items()
        for content in answer["content"].values()
        for key, example in content["examples"].items()
    }
