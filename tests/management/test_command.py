"""manage.py purge_deals, from its options to its exit codes."""

from __future__ import annotations

import io
import json
import os
import pwd
import socket
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.management import call_command
from django.utils import timezone
from pytest_django.fixtures import Settings

from dealpurge.engine import purging
from dealpurge.engine.sweep.tally import Tally
from dealpurge.keys.families import Keyspace
from dealpurge.management.commands import purge_deals
from dealpurge.models import PurgeRun
from dealpurge.runs import store
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from tests.conftest import PointCacheAt
from tests.support.commands import Outcome, Purge
from tests.support.seeding import seed_deal
from tests.support.servers import RedisServer, free_port

pytestmark = pytest.mark.django_db(transaction=True)

LIVE_ALL = ("--mode", "all", "--no-dry-run", "--no-input")
LONG_AGO = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
RECENTLY = datetime.now(UTC)


@pytest.fixture
def deals(valkey_settings: Settings, valkey_client: redis.Redis) -> redis.Redis:
    """Two deals of two organisations, an old and a fresh one, checkpoints, and a bystander."""
    for org_id, deal_id, moment in (("acme", "deal-1", LONG_AGO), ("birch", "deal-2", RECENTLY)):
        seed_deal(valkey_client, org_id, deal_id, at=moment, locks=0, canvas_sessions=1, image_crops=2, checkpoints=1)
    valkey_client.set("session:of:somebody", b"")
    return valkey_client


class Terminal:
    """Somebody at a terminal who has typed ahead."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch

    def types(self, text: str) -> None:
        stdin = io.StringIO(text)
        stdin.isatty = lambda: True  # type: ignore[method-assign]
        self.monkeypatch.setattr(sys, "stdin", stdin)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(monkeypatch)


def latest() -> PurgeRun:
    return PurgeRun.objects.latest("created_at")


# Dry run


DRY_RUN = """\
Family              Would be deleted
canvas_sessions                    1
locks                              0
presence                           0
events                             1
image_crops                        2
digitization_cache                 0
intake_summaries                   0
doc_readiness                      0
deal_intel                         0
brush_findings                     0
checkpoints                        0
all families                       4

Would be skipped, because active: 1 deal
birch deal-2  last active {now}

Kept: 2 checkpoint keys (--include-checkpoints takes them too).

Dry run: a purge would delete 4 keys of 1 deal and skip 1 active deal.
"""


def test_a_dry_run_says_what_would_go(deals: redis.Redis, purge: Purge) -> None:
    before = deals.dbsize()

    outcome = purge("--mode", "all", "--exclude-active-within-secs", "86400")

    assert outcome == Outcome(0, DRY_RUN.format(now=RECENTLY.strftime("%Y-%m-%dT%H:%M:%SZ")), "")
    assert deals.dbsize() == before


def test_a_dry_run_never_says_deleted(deals: redis.Redis, purge: Purge) -> None:
    assert "eleted " not in purge("--mode", "all", "--verbosity", "3").out.replace("Would be deleted", "")


def test_the_record_names_the_user_of_the_system(
    deals: redis.Redis, purge: Purge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "somebody-else")

    purge("--mode", "all", "--reason", "ticket 7")

    run = latest()
    assert (run.source, run.actor, run.reason) == ("command", None, "ticket 7")
    assert run.actor_name == pwd.getpwuid(os.getuid()).pw_name


# Live


LIVE = """\
Family              Deleted
canvas_sessions           2
locks                     0
presence                  0
events                    2
image_crops               4
digitization_cache        0
intake_summaries          0
doc_readiness             0
deal_intel                0
brush_findings            0
checkpoints               0
all families              8

Kept: 2 checkpoint keys (--include-checkpoints takes them too).

Deleted 8 keys of 2 deals.
"""


def test_a_live_run_says_what_went(deals: redis.Redis, purge: Purge) -> None:
    outcome = purge(*LIVE_ALL)

    assert outcome == Outcome(0, LIVE, "")
    checkpoints = [f"checkpoint:deal-{number}:__empty__:1".encode() for number in (1, 2)]
    assert sorted(deals.keys()) == [*checkpoints, b"session:of:somebody"]


def test_no_input_does_not_scan_first(deals: redis.Redis, purge: Purge) -> None:
    purge(*LIVE_ALL)

    assert [run.dry_run for run in PurgeRun.objects.all()] == [False]


def test_deals_are_named_one_by_one(deals: redis.Redis, purge: Purge) -> None:
    deals.hset("canvas:session:acme:deal-3:s1", "user", "ann")

    options = ("--mode", "by_deal", "--deal-id", "deal-1", "--deal-id", "deal-3", "--org-id", "acme")
    outcome = purge(*options, "--include-checkpoints", "--no-dry-run", "--no-input", "--verbosity", "0")

    assert outcome.out == "Deleted 6 keys of 2 deals.\n"
    assert latest().deals == [["acme", "deal-1"], ["acme", "deal-3"]]
    assert not deals.keys("*deal-1*")
    assert len(deals.keys("*deal-2*")) == 5


def test_json_is_the_report_and_nothing_else(deals: redis.Redis, purge: Purge) -> None:
    outcome = purge(*LIVE_ALL, "--format", "json")

    assert json.loads(outcome.out) == latest().report
    assert outcome.err == ""


def test_verbosity_0_is_the_sentence(deals: redis.Redis, purge: Purge) -> None:
    outcome = purge("--mode", "all", "--verbosity", "0")

    assert outcome == Outcome(0, "Dry run: a purge would delete 8 keys of 2 deals.\n", "")


def test_verbosity_2_names_the_run(deals: redis.Redis, purge: Purge) -> None:
    outcome = purge("--mode", "all", "--verbosity", "2")

    *_, details, sentence = outcome.out.splitlines()
    assert details.startswith(f"Run {latest().pk}: 11 keys scanned in ")
    assert sentence == "Dry run: a purge would delete 8 keys of 2 deals."


def test_colour_is_a_matter_of_djangos_options(deals: redis.Redis, purge: Purge) -> None:
    assert "\x1b[" in purge("--mode", "all", "--force-color").out
    assert "\x1b[" not in purge("--mode", "all", "--no-color").out


def test_from_code(deals: redis.Redis) -> None:
    out = io.StringIO()

    call_command("purge_deals", mode="by_deal", deal_id="deal-1", dry_run=False, interactive=False, stdout=out)

    assert out.getvalue().endswith("\nDeleted 4 keys of 1 deal.\n")


# Asking


QUESTION = """\
Dry run: a purge would delete 8 keys of 2 deals.

High risk: live work would be lost
1  deal active in the last hour would be purged too: the guard is off.
2  deals of all organisations.

Purge 2 deals?
Why you're asked: 2 deals, guard off
Type "purge 2" to confirm: """


def test_a_live_run_shows_the_numbers_and_asks(deals: redis.Redis, purge: Purge, terminal: Terminal) -> None:
    terminal.types("purge 2\n")

    outcome = purge("--mode", "all", "--no-dry-run", "--verbosity", "0")

    assert outcome == Outcome(0, "Deleted 8 keys of 2 deals.\n", QUESTION)
    live, preview = PurgeRun.objects.order_by("dry_run")
    assert (live.dry_run, preview.dry_run, live.preview) == (False, True, preview)


@pytest.mark.parametrize("answer", ["", "\n", "yes\n", "all\n", "2\n", "purge\n", "purge 3\n", "no\n"])
def test_other_words_than_those_asked_for_purge_nothing(
    deals: redis.Redis, purge: Purge, terminal: Terminal, answer: str
) -> None:
    terminal.types(answer)
    before = deals.dbsize()

    outcome = purge("--mode", "all", "--no-dry-run")

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.endswith('CommandError: That is not "purge 2". Nothing was deleted.\n')
    assert deals.dbsize() == before
    assert [run.dry_run for run in PurgeRun.objects.all()] == [True]


def test_a_few_deals_with_the_guard_on_want_a_yes(deals: redis.Redis, purge: Purge, terminal: Terminal) -> None:
    guarded = ("--mode", "by_deal", "--deal-id", "deal-1", "--exclude-active-within", "1h", "--no-dry-run")
    terminal.types("y\n")
    assert purge(*guarded).err.endswith('CommandError: That is not "yes". Nothing was deleted.\n')

    terminal.types("yes\n")
    outcome = purge(*guarded, "--format", "json")

    assert outcome.code == 0
    assert outcome.err.endswith('\n\nPurge 1 deal?\nType "yes" to confirm: ')
    assert json.loads(outcome.out)["keys"]["deleted"] == 4
    assert "Would be deleted" in outcome.err


def test_where_there_is_nothing_to_purge_nobody_is_asked(deals: redis.Redis, purge: Purge, terminal: Terminal) -> None:
    terminal.types("")

    outcome = purge("--mode", "all", "--org-id", "nobody", "--no-dry-run", "--verbosity", "0")

    assert outcome == Outcome(0, "Dry run: a purge would delete 0 keys of 0 deals.\n", "")


def test_numbers_that_are_too_old_are_not_applied(
    deals: redis.Redis, purge: Purge, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answer_late() -> str:
        PurgeRun.objects.update(finished_at=timezone.now() - timedelta(minutes=16))
        return "purge 2"

    terminal.types("")
    monkeypatch.setattr("dealpurge.management.question.answer", answer_late)
    before = deals.dbsize()

    outcome = purge("--mode", "all", "--no-dry-run")

    assert outcome.code == 1
    assert "too old" in outcome.err
    assert deals.dbsize() == before


@pytest.mark.parametrize("stdin", [None, io.StringIO("all\n")], ids=["closed", "a file"])
def test_without_a_terminal_it_refuses(
    deals: redis.Redis, purge: Purge, monkeypatch: pytest.MonkeyPatch, stdin: io.StringIO | None
) -> None:
    monkeypatch.setattr(sys, "stdin", stdin)

    outcome = purge("--mode", "all", "--no-dry-run")

    assert outcome == Outcome(
        2, "", "CommandError: There is no terminal to ask at. With --no-input it purges without asking.\n"
    )
    assert not PurgeRun.objects.exists()


# Progress


def test_progress_is_painted_on_a_terminal(deals: redis.Redis, purge: Purge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    outcome = purge(*LIVE_ALL)

    first, *_, last = outcome.err.split("\r")[1:]
    assert first.rstrip() == "[........................] 0 of 11 keys scanned, 0 deleted"
    assert last == ""
    assert outcome.out == LIVE


def test_verbosity_0_paints_no_progress(deals: redis.Redis, purge: Purge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    assert purge(*LIVE_ALL, "--verbosity", "0").err == ""


# What goes wrong


def test_another_purge_of_all_deals(deals: redis.Redis, purge: Purge) -> None:
    other = store.create(PurgeScope(mode="all", dry_run=False), Origin(source="api"))

    outcome = purge(*LIVE_ALL)

    assert outcome == Outcome(1, "", f"CommandError: Another purge of all deals is in progress (run {other.pk}).\n")


def test_a_run_that_could_not_remove_everything(purge: Purge, monkeypatch: pytest.MonkeyPatch) -> None:
    def stubborn(
        scope: PurgeScope, keyspace: Keyspace, tally: Tally, keep_going: Callable[[], bool], *rest: Any
    ) -> None:
        tally.deleted, tally.not_removed = 5, 1

    monkeypatch.setattr(purging, "purge", stubborn)

    outcome = purge(*LIVE_ALL, "--verbosity", "0")

    assert outcome == Outcome(
        1,
        "Deleted 5 keys of 0 deals and could not remove 1 key.\n",
        f"CommandError: Run {latest().pk} could not purge everything.\n",
    )


def test_a_run_that_somebody_cancelled(purge: Purge, monkeypatch: pytest.MonkeyPatch) -> None:
    def obedient(
        scope: PurgeScope, keyspace: Keyspace, tally: Tally, keep_going: Callable[[], bool], *rest: Any
    ) -> None:
        tally.deleted, tally.cancelled = 5, True

    monkeypatch.setattr(purging, "purge", obedient)

    outcome = purge(*LIVE_ALL, "--verbosity", "0")

    assert outcome == Outcome(
        1,
        "The purge was cancelled, having deleted 5 keys.\n",
        f"CommandError: Run {latest().pk} was cancelled before its end.\n",
    )


def test_a_run_that_was_taken_for_lost(purge: Purge, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(scope: PurgeScope, keyspace: Keyspace, tally: Tally, keep_going: Callable[[], bool], *rest: Any) -> None:
        tally.deleted = 5
        PurgeRun.objects.update(status="failed")

    monkeypatch.setattr(purging, "purge", absent)

    outcome = purge(*LIVE_ALL)

    run = latest()
    words = f"Run {run.pk} was ended by somebody else. Deleted 5 keys of 0 deals."
    assert outcome == Outcome(1, "", f"CommandError: {words}\n")


def test_a_setting_that_cannot_be_used(purge: Purge, settings: Settings) -> None:
    settings.DEALPURGE_KEY_FAMILIES = {"notes": "notes"}

    outcome = purge("--mode", "all", "--skip-checks")

    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("CommandError: ")
    assert not PurgeRun.objects.exists()


def test_an_id_that_the_terminal_cannot_show(deals: redis.Redis) -> None:
    deals.xadd("canvas:events:acme:caf\u00e9", {"kind": "moved"})
    raw = io.BytesIO()

    with io.TextIOWrapper(raw, encoding="ascii", write_through=True) as out:
        call_command("purge_deals", mode="all", exclude_active_within_secs=86400, stdout=out)
        text = raw.getvalue()

    assert rb"acme caf\u00e9" in text


def test_a_redis_that_is_down(cache_at: PointCacheAt, purge: Purge, settings: Settings) -> None:
    settings.DEALPURGE_RETRY_SECONDS = 0.1
    cache_at(f"redis://127.0.0.1:{free_port()}/0")

    outcome = purge(*LIVE_ALL)

    run = latest()
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err == f"CommandError: {run.error} The purge failed, having deleted 0 keys. (Run {run.pk}.)\n"
    assert run.error == "Redis cannot be reached (tried for 0.1 s)."


def test_a_certificate_that_is_not_there(cache_at: PointCacheAt, purge: Purge) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        cache_at(f"rediss://:canary@127.0.0.1:{server.getsockname()[1]}/0?ssl_ca_certs=/nowhere.pem")
        outcome = purge(*LIVE_ALL)

    run = latest()
    assert outcome.code == 1
    told = f"CommandError: {run.error} The purge failed, having deleted 0 keys. (Run {run.pk}.)\n"
    assert outcome.err.endswith(told)
    assert run.error.startswith("TLS cannot be set up")


def test_what_nobody_expected_names_the_run(deals: redis.Redis, purge: Purge, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(self: Tally) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(Tally, "add_up_children", failing)
    told = list[str]()
    monkeypatch.setattr(purge_deals.Command, "tell", lambda self, text, ending="": told.append(text))
    with pytest.raises(ValueError, match="a bug"):
        purge(*LIVE_ALL)

    assert str(latest().pk) in "".join(told)
    assert "The purge failed" in "".join(told)


def test_json_of_a_failed_run(cache_at: PointCacheAt, purge: Purge, settings: Settings) -> None:
    settings.DEALPURGE_RETRY_SECONDS = 0.1
    cache_at(f"redis://127.0.0.1:{free_port()}/0")

    outcome = purge(*LIVE_ALL, "--format", "json")

    assert outcome.code == 1
    assert json.loads(outcome.out) == latest().report
    assert json.loads(outcome.out)["status"] == "failed"


def test_a_wrong_password(cache_at: PointCacheAt, purge: Purge, tmp_path: Path) -> None:
    server = RedisServer(kind="valkey", directory=tmp_path).start()
    try:
        server.client().config_set("requirepass", "right")
        cache_at(f"redis://:canary-wrong@127.0.0.1:{server.port}/0")
        outcome = purge(*LIVE_ALL)
    finally:
        server.stop()

    assert outcome.code == 1
    assert outcome.err.startswith("CommandError: Redis refused the password or the user.")
    assert "canary" not in outcome.err + repr(vars(latest()))


def test_a_replica(cache_at: PointCacheAt, purge: Purge, tmp_path: Path, valkey_server: RedisServer) -> None:
    replica = RedisServer(kind="valkey", directory=tmp_path).start()
    try:
        replica.follow(valkey_server)
        cache_at(replica.url)
        outcome = purge(*LIVE_ALL)
    finally:
        replica.stop()

    assert outcome.code == 1
    assert "replica" in outcome.err
    assert latest().status == "failed"
