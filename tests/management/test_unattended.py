"""The command where nobody sits at a terminal: --quiet, a line of JSON, words for a mail, calls from Python."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Thread
from typing import Any, NoReturn
from unittest.mock import Mock

import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import IntegrityError, OperationalError, connections
from pytest_django.fixtures import Settings

from dealpurge.engine import passes
from dealpurge.engine.pass_warnings import UNVERIFIED_WARNING
from dealpurge.engine.sweep.tally import Tally
from dealpurge.exceptions import RedisUnavailable
from dealpurge.keys.families import Keyspace
from dealpurge.management import output
from dealpurge.management.commands import purge_deals
from dealpurge.models import PurgeRun
from dealpurge.runs import store
from dealpurge.runs.database import unwritable
from dealpurge.runs.store import Origin
from dealpurge.runs.termination import request_cancel
from dealpurge.scope import PurgeScope
from tests.conftest import PointCacheAt
from tests.support.commands import Outcome, Purge
from tests.support.seeding import seed_deal
from tests.support.servers import free_port

pytestmark = pytest.mark.django_db(transaction=True)

LIVE_ALL = ("--mode", "all", "--no-dry-run", "--no-input", "--reason", "nightly")
CALLED = "purge_deals --mode all (nightly)"
LONG_AGO = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)

Engine = Callable[[Tally], object]
EngineDoes = Callable[[Engine], None]


@pytest.fixture
def deals(valkey_settings: Settings, valkey_client: redis.Redis) -> redis.Redis:
    """An old and a fresh deal."""
    seed_deal(valkey_client, "acme", "deal-1", at=LONG_AGO)
    seed_deal(valkey_client, "birch", "deal-2", at=datetime.now(UTC))
    return valkey_client


@pytest.fixture
def engine_does(monkeypatch: pytest.MonkeyPatch) -> EngineDoes:
    """Put something in place of the engine."""

    def put(engine: Engine) -> None:
        def engaged(scope: PurgeScope, keyspace: Keyspace, tally: Tally, *rest: Any) -> None:
            engine(tally)

        monkeypatch.setattr(passes, "purge", engaged)

    return put


@pytest.fixture
def redis_away(cache_at: PointCacheAt, settings: Settings) -> None:
    settings.DEALPURGE_RETRY_SECONDS = 0.1
    cache_at(f"redis://127.0.0.1:{free_port()}/0")


def leave_one(tally: Tally) -> None:
    tally.deleted, tally.not_removed = 5, 1


def warn(tally: Tally) -> None:
    tally.deleted = 5
    tally.warn(UNVERIFIED_WARNING)


def be_cancelled_by_ann(tally: Tally) -> None:
    request_cancel(PurgeRun.objects.get().pk, "ann")
    tally.deleted, tally.cancelled = 5, True


def latest() -> PurgeRun:
    return PurgeRun.objects.latest("created_at")


# How recent, in words


def test_a_duration_says_how_recent(deals: redis.Redis, purge: Purge) -> None:
    purge("--mode", "all", "--exclude-active-within", "1d12h")

    assert latest().exclude_active_within_secs == 129600


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--exclude-active-within 90", "argument --exclude-active-within: '90' has no unit: write it as 90d, "),
        ("--exclude-active-within 3y", "argument --exclude-active-within: '3y' is no duration: write it as 90d, "),
        (
            "--exclude-active-within 1h --exclude-active-within-secs 0",
            "--exclude-active-within and --exclude-active-within-secs say the same: give one of them",
        ),
        ("--quiet --verbosity 0", "--quiet does not go with --verbosity 0: both say how much is printed"),
        ("--quiet --verbosity 2", "--quiet does not go with --verbosity 2: both say how much is printed"),
    ],
)
@pytest.mark.parametrize("format", ["text", "jsonl"])
def test_options_that_make_no_sense(purge: Purge, options: str, words: str, format: str) -> None:
    outcome = purge("--mode", "all", "--format", format, *options.split())

    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"CommandError: {words}")
    assert not PurgeRun.objects.exists()


def test_a_duration_comes_before_a_file_is_read(purge: Purge) -> None:
    outcome = purge("--mode", "by_deal", "--deals-from", "/nowhere", "--exclude-active-within", "1")

    assert "'1' has no unit" in outcome.err


# --quiet


@pytest.mark.parametrize("options", [LIVE_ALL, ("--mode", "all")], ids=["live", "dry"])
def test_quiet_says_nothing_where_all_went_well(
    deals: redis.Redis, purge: Purge, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    outcome = purge(*options, "--exclude-active-within", "1h", "--quiet")

    assert outcome == Outcome(0, "", "")
    assert latest().status == "completed"


@pytest.mark.parametrize("format", ["json", "jsonl"])
def test_quiet_leaves_the_data_that_was_asked_for(deals: redis.Redis, purge: Purge, format: str) -> None:
    outcome = purge(*LIVE_ALL, "--quiet", "--format", format)

    assert (outcome.code, outcome.err) == (0, "")
    assert json.loads(outcome.out)["keys"]["deleted"] == 10


def test_quiet_tells_of_warnings(purge: Purge, engine_does: EngineDoes) -> None:
    engine_does(warn)

    outcome = purge(*LIVE_ALL, "--quiet")

    run = latest()
    assert run.report is not None
    (warning,) = run.report["warnings"]
    told = f"{CALLED}: Deleted 5 keys of 0 deals. (Run {run.pk}.)\nWarning: {warning}\n"
    assert outcome == Outcome(0, "", told)


def test_quiet_says_what_was_left_and_what_to_do(purge: Purge, engine_does: EngineDoes) -> None:
    engine_does(leave_one)

    outcome = purge(*LIVE_ALL, "--quiet")

    run = latest().pk
    assert outcome.code == 1
    assert outcome.out == ""
    assert outcome.err.splitlines() == [
        f"{CALLED}: Deleted 5 keys of 0 deals and could not remove 1 key. (Run {run}.)",
        f"CommandError: {CALLED}: Run {run} could not purge everything. Run the command again: it takes what is left.",
    ]


def test_quiet_tells_of_the_warnings_of_a_run_that_failed(purge: Purge, engine_does: EngineDoes) -> None:
    def fail(tally: Tally) -> NoReturn:
        warn(tally)
        raise RedisUnavailable("unreachable", "Redis is gone.")

    engine_does(fail)

    outcome = purge(*LIVE_ALL, "--quiet")

    warning, error = outcome.err.splitlines()
    assert warning == f"Warning: {UNVERIFIED_WARNING}"
    assert error.startswith(f"CommandError: {CALLED}: Redis is gone. The purge failed, having deleted 5 keys. ")


def test_quiet_shows_the_numbers_in_front_of_the_question(
    deals: redis.Redis, purge: Purge, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = io.StringIO("all\n")
    stdin.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", stdin)

    outcome = purge("--mode", "all", "--no-dry-run", "--quiet")

    assert (outcome.code, outcome.out) == (0, "")
    assert " 10\n\nDry run: a purge would delete 10 keys of 2 deals.\n" in outcome.err
    assert outcome.err.endswith("anything else to leave all as it is: ")
    assert deals.dbsize() == 0


# What a mail says


def test_another_purge_is_under_way(deals: redis.Redis, purge: Purge) -> None:
    other = store.create(PurgeScope(mode="all", dry_run=False), Origin(source="api"))

    outcome = purge(*LIVE_ALL, "--quiet")

    words = (
        f"{CALLED}: Another purge of all deals is in progress (run {other.pk}). Nothing was purged. "
        "When that run is over, run the command again; the admin shows how far it is."
    )
    assert outcome == Outcome(1, "", f"CommandError: {words}\n")


def test_more_would_go_than_the_limit_allows(deals: redis.Redis, purge: Purge) -> None:
    outcome = purge(*LIVE_ALL, "--at-most-deals", "1", "--quiet")

    assert outcome.code == 1
    assert outcome.err.startswith(f"CommandError: {CALLED}: 2 deals would go, 1 more than the limit of 1: ")
    assert outcome.err.endswith(" if that is right, run the command with a higher limit.\n")
    assert deals.dbsize() == 10


def test_redis_is_away(purge: Purge, redis_away: None) -> None:
    outcome = purge(*LIVE_ALL, "--quiet")

    words = (
        f"{CALLED}: Redis cannot be reached (tried for 0.1 s). The purge failed, having deleted 0 keys. "
        f"(Run {latest().pk}.) When Redis answers, run the command again: it takes what is left."
    )
    assert outcome == Outcome(1, "", f"CommandError: {words}\n")


def test_a_dry_run_leaves_nothing_to_take(purge: Purge, redis_away: None) -> None:
    outcome = purge("--mode", "all", "--quiet")

    assert outcome.err.endswith(" When Redis answers, run the command again.\n")


@pytest.mark.parametrize(
    ("trouble", "step"),
    [
        (OperationalError("away"), "When the database answers, run the command again: it takes what is left."),
        (IntegrityError("odd"), "The log has what the database said."),
    ],
)
def test_the_database_is_away(
    deals: redis.Redis, purge: Purge, monkeypatch: pytest.MonkeyPatch, trouble: Exception, step: str
) -> None:
    monkeypatch.setattr(PurgeRun, "save", Mock(side_effect=trouble))

    outcome = purge(*LIVE_ALL, "--quiet")

    words = f"{CALLED}: The record of runs cannot be written, and nothing is purged without it. {step}"
    assert outcome.err.splitlines()[-1] == f"CommandError: {words}"
    assert deals.dbsize() == 10


def test_a_run_that_was_taken_for_lost(purge: Purge, engine_does: EngineDoes) -> None:
    engine_does(lambda tally: PurgeRun.objects.update(status="failed"))

    outcome = purge(*LIVE_ALL, "--quiet")

    words = f"{CALLED}: Run {latest().pk} was ended by somebody else. Deleted 0 keys of 0 deals. "
    step = "Look at the run in the admin, and run the command again: it takes what is left."
    assert outcome == Outcome(1, "", f"CommandError: {words}{step}\n")


def test_who_cancelled_a_run_is_named(purge: Purge, engine_does: EngineDoes) -> None:
    engine_does(be_cancelled_by_ann)

    outcome = purge(*LIVE_ALL, "--verbosity", "0")

    assert outcome == Outcome(
        1,
        "The purge was cancelled, having deleted 5 keys.\n",
        f"CommandError: Run {latest().pk} was cancelled by ann before its end.\n",
    )


def test_a_database_that_does_not_tell_who_cancelled_changes_nothing(
    purge: Purge, engine_does: EngineDoes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dealpurge.runs.termination.stored", Mock(side_effect=OperationalError("away")))
    engine_does(lambda tally: setattr(tally, "cancelled", True))
    monkeypatch.setattr(store, "fail_lost_runs", lambda: 0)

    outcome = purge(*LIVE_ALL, "--verbosity", "0")

    assert outcome.err == f"CommandError: Run {latest().pk} was cancelled before its end.\n"


def test_a_reason_is_no_line_of_its_own(purge: Purge, redis_away: None) -> None:
    outcome = purge("--mode", "all", "--quiet", "--reason", "one\ntwo")

    assert outcome.err.startswith(r"CommandError: purge_deals --mode all (one\ntwo): Redis ")


# --format jsonl


def line_of(outcome: Outcome) -> Any:
    """The one line, as data; what is said on the standard error is said in it."""
    (line,) = outcome.out.splitlines()
    data = json.loads(line)
    assert outcome.err == (f"CommandError: {data['error']}\n" if data["error"] else "")
    assert (data["error"] != "") == (outcome.code != 0)
    return data


def test_a_line_is_the_report_without_an_error(deals: redis.Redis, purge: Purge) -> None:
    data = line_of(purge(*LIVE_ALL, "--format", "jsonl"))

    assert data == {**(latest().report or {}), "error": ""}


@pytest.mark.parametrize(("engine", "status"), [(leave_one, "partial"), (be_cancelled_by_ann, "cancelled")])
def test_a_line_of_a_run_that_did_not_do_all(
    purge: Purge, engine_does: EngineDoes, engine: Engine, status: str
) -> None:
    engine_does(engine)

    data = line_of(purge(*LIVE_ALL, "--format", "jsonl"))

    assert data == {**(latest().report or {}), "error": data["error"]}
    assert data["status"] == status
    assert data["error"].startswith(f"{CALLED}: Run {latest().pk} ")


def test_a_line_of_a_run_that_failed(purge: Purge, redis_away: None) -> None:
    data = line_of(purge(*LIVE_ALL, "--format", "jsonl"))

    assert data == {**(latest().report or {}), "error": data["error"]}
    assert data["status"] == "failed"


def test_a_line_of_a_purge_that_did_not_begin(deals: redis.Redis, purge: Purge) -> None:
    store.create(PurgeScope(mode="all", dry_run=False), Origin(source="api"))

    data = line_of(purge(*LIVE_ALL, "--format", "jsonl", "--exclude-active-within", "1h"))

    assert (data["run_id"], data["status"], data["mode"]) == (None, "failed", "all")
    assert (data["dry_run"], data["exclude_active_within_secs"]) == (False, 3600)


def test_a_line_of_a_record_that_cannot_be_written(
    deals: redis.Redis, purge: Purge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "fail_lost_runs", Mock(side_effect=unwritable(OperationalError("away"))))

    data = line_of(purge(*LIVE_ALL, "--format", "jsonl"))

    assert (data["run_id"], data["status"]) == (None, "failed")


def test_a_line_of_settings_that_cannot_be_used(purge: Purge, settings: Settings) -> None:
    settings.DEALPURGE_KEY_FAMILIES = {"notes": "notes"}

    for options in ((), ("--skip-checks",)):  # the checks refuse it before the command begins
        outcome = purge(*LIVE_ALL, "--format", "jsonl", *options)
        data = json.loads(outcome.out)
        assert (outcome.code, outcome.out.count("\n")) == (1, 1)
        assert (data["run_id"], data["status"]) == (None, "failed")
        assert "Template 'notes' must have {deal_id} once." in data["error"]


def test_a_line_of_a_question_that_was_answered_no(
    deals: redis.Redis, purge: Purge, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = io.StringIO("no\n")
    stdin.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", stdin)

    outcome = purge("--mode", "all", "--no-dry-run", "--format", "jsonl")

    data = json.loads(outcome.out)
    assert (outcome.code, outcome.out.count("\n"), data["run_id"], data["dry_run"]) == (1, 1, None, False)
    assert data["error"] == "Not confirmed: nothing was purged."


def test_a_line_of_what_nobody_expected_has_no_secrets(purge: Purge, engine_does: EngineDoes) -> None:
    def fail(tally: Tally) -> NoReturn:
        raise ValueError("canary")

    engine_does(fail)
    out = io.StringIO()
    with pytest.raises(ValueError, match="canary"):
        call_command("purge_deals", *LIVE_ALL, "--format", "jsonl", stdout=out, stderr=io.StringIO())

    (line,) = out.getvalue().splitlines()
    data = json.loads(line)
    assert (data["run_id"], data["status"]) == (str(latest().pk), "failed")
    assert data["error"] == "Unexpected error: ValueError."


def test_a_line_of_a_run_that_was_broken_off(purge: Purge, engine_does: EngineDoes) -> None:
    def break_off(tally: Tally) -> NoReturn:
        tally.deleted = 5
        raise KeyboardInterrupt

    engine_does(break_off)

    data = line_of(purge(*LIVE_ALL, "--format", "jsonl"))

    assert data == {**(latest().report or {}), "error": data["error"]}
    assert (data["status"], data["keys"]["deleted"]) == ("failed", 5)


@pytest.mark.parametrize("at", ["during the run", "before it"])
def test_a_line_of_a_run_that_a_signal_stopped(
    deals: redis.Redis, purge: Purge, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    if at == "before it":
        monkeypatch.setattr(purge_deals, "scope_of", lambda options: signal.raise_signal(signal.SIGTERM))
    else:
        monkeypatch.setattr(output.ProgressLine, "show", lambda *_: signal.raise_signal(signal.SIGTERM))
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        monkeypatch.setattr(purge_deals.Command, "say_stopping", lambda self: None)

    outcome = purge(*LIVE_ALL, "--format", "jsonl", "--no-color")

    data = json.loads(outcome.out)
    assert (outcome.code, outcome.out.count("\n")) == (143, 1)
    if at == "before it":
        assert (data["run_id"], data["status"], data["error"]) == (None, "failed", "Interrupted by SIGTERM.")
    else:
        words = "Interrupted by SIGTERM. Run the command again: it takes what is left."
        assert (data["run_id"], data["status"]) == (str(latest().pk), "cancelled")
        assert data["error"] == f"{CALLED}: {words}"


def test_explanations_are_a_line_each(purge: Purge) -> None:
    keys = ("canvas:lock:acme:deal-1", "canvas:lock:acme:deal-2")

    outcome = purge("--explain", keys[0], "--explain", keys[1], "--format", "jsonl")

    assert [json.loads(line)["key"] for line in outcome.out.splitlines()] == [*keys]


# From Python


OPTIONS = ("--mode", "all", "--exclude-active-within", "90d", "--no-dry-run", "--no-input", "--reason", "nightly")


def test_called_with_words(deals: redis.Redis) -> None:
    out = io.StringIO()

    call_command("purge_deals", *OPTIONS, stdout=out)

    assert out.getvalue().endswith("\nDeleted 5 keys of 1 deal and skipped 1 active deal.\n")
    assert latest().reason == "nightly"


def test_called_by_the_names_of_options(deals: redis.Redis) -> None:
    out = io.StringIO()

    call_command(
        "purge_deals",
        mode="all",
        exclude_active_within="90d",
        dry_run=False,
        interactive=False,
        reason="nightly",
        format="jsonl",
        stdout=out,
    )

    data = json.loads(out.getvalue())
    assert (data["keys"]["deleted"], data["exclude_active_within_secs"], data["error"]) == (5, 7776000, "")


def test_called_with_a_file_as_a_path(deals: redis.Redis, tmp_path: Any) -> None:
    (tmp_path / "deals.txt").write_text("acme:deal-1\n")

    call_command(
        "purge_deals",
        mode="by_deal",
        deals_from=tmp_path / "deals.txt",
        deal_ids=["deal-2"],
        dry_run=False,
        interactive=False,
        quiet=True,
    )

    assert deals.dbsize() == 0


@pytest.mark.parametrize(
    ("options", "words", "returncode"),
    [
        ({"exclude_active_within": "90"}, "argument --exclude-active-within: '90' has no unit", 2),
        ({"exclude_active_within": 90}, "argument --exclude-active-within: '90' has no unit", 2),
        ({"dry_run": False, "no_input": True}, "There is no terminal to ask at", 2),  # Django takes it for interactive
        ({"quiet": True}, "Redis cannot be reached", 1),
    ],
)
def test_called_in_vain_it_raises(
    redis_away: None, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], words: str, returncode: int
) -> None:
    monkeypatch.setattr(sys, "stdin", None)

    with pytest.raises(CommandError, match=words) as raised:
        call_command("purge_deals", mode="all", **options)

    assert raised.value.returncode == returncode


def test_called_in_a_thread_of_a_worker_it_leaves_signals_alone(
    deals: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched = Mock(side_effect=AssertionError)
    monkeypatch.setattr(signal, "signal", touched)
    out = io.StringIO()

    def work() -> None:
        try:
            call_command("purge_deals", *OPTIONS, "--format", "jsonl", stdout=out)
        finally:
            connections.close_all()

    thread = Thread(target=work)
    thread.start()
    thread.join()

    assert json.loads(out.getvalue())["status"] == "completed"
    assert not touched.called


# Where the outcome cannot be printed


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def fail_to_print(format: str, *options: str) -> str:
    """The words of a live purge of all deals."""
    with pytest.raises(CommandError) as caught:
        call_command("purge_deals", *LIVE_ALL, "--format", format, *options, stdout=Full())
    assert caught.value.returncode == 1
    return str(caught.value)


@pytest.mark.parametrize("format", ["text", "json", "jsonl"])
def test_what_was_deleted_is_told_where_the_output_is_full(deals: redis.Redis, format: str) -> None:
    words = fail_to_print(format)
    report = latest().report
    assert report is not None
    deleted = report["keys"]["deleted"]
    assert (deals.dbsize(), latest().status) == (0, "completed")
    assert words == (
        "The outcome cannot be printed: No space left on device. "
        f"Deleted {deleted} keys of 2 deals. (Run {latest().pk}.)"
    )


@pytest.mark.parametrize("format", ["text", "json", "jsonl"])
def test_an_error_is_told_before_an_output_that_is_full(deals: redis.Redis, format: str) -> None:
    assert "1 more than the limit of 1" in fail_to_print(format, "--at-most-deals", "1")


@pytest.mark.parametrize("format", ["text", "json", "jsonl"])
def test_what_was_left_is_told_before_an_output_that_is_full(engine_does: EngineDoes, format: str) -> None:
    engine_does(leave_one)
    assert "could not purge everything" in fail_to_print(format)
