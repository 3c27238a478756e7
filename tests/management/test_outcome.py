"""A line of JSON whatever happens, and an outcome that cannot be printed."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import sys
from typing import Any, NoReturn
from unittest.mock import Mock

import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import OperationalError
from pytest_django.fixtures import Settings

from dealpurge.engine.sweep.tally import Tally
from dealpurge.management.commands import purge_deals
from dealpurge.management.terminal.progress import ProgressLine
from dealpurge.runs import store
from dealpurge.runs.database import unwritable
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from tests.support.commands import Outcome, Purge

from .conftest import CALLED, LIVE_ALL, Engine, EngineDoes, be_cancelled_by_ann, latest, leave_one

pytestmark = pytest.mark.django_db(transaction=True)


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
    assert data["error"] == 'That is not "purge 2". Nothing was deleted.'


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
        monkeypatch.setattr(ProgressLine, "show", lambda *_: signal.raise_signal(signal.SIGTERM))
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


class Unread(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


@pytest.mark.parametrize("format", ["text", "json", "jsonl"])
def test_code_that_calls_the_command_is_told_of_a_reader_that_has_left(deals: redis.Redis, format: str) -> None:
    with pytest.raises(
        CommandError, match=r"The outcome cannot be printed: Broken pipe. Deleted .* of 2 deals"
    ) as told:
        call_command("purge_deals", *LIVE_ALL, "--format", format, stdout=Unread())

    assert told.value.returncode == 141


def test_a_reader_that_leaves_a_stream_of_pythons_own_is_none_to_fall_over(
    purge: Purge, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone(io.StringIO):
        def flush(self) -> None:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", Gone())
        code = purge("--explain", "canvas:lock:acme:1").code

    assert code == 141
