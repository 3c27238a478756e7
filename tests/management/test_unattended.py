"""The command where nobody sits at a terminal: how recent, --quiet, words for a mail."""

from __future__ import annotations

import io
import json
import sys
from typing import NoReturn
from unittest.mock import Mock

import pytest
import redis
from django.db import IntegrityError, OperationalError

from dealpurge.engine.pass_warnings import UNVERIFIED_WARNING
from dealpurge.engine.sweep.tally import Tally
from dealpurge.exceptions import RedisUnavailable
from dealpurge.models import PurgeRun
from dealpurge.runs import store
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from tests.support.commands import Outcome, Purge

from .conftest import CALLED, LIVE_ALL, EngineDoes, be_cancelled_by_ann, latest, leave_one, warn

pytestmark = pytest.mark.django_db(transaction=True)


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
    stdin = io.StringIO("purge 2\n")
    stdin.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", stdin)

    outcome = purge("--mode", "all", "--no-dry-run", "--quiet")

    assert (outcome.code, outcome.out) == (0, "")
    assert " 10\n\nDry run: a purge would delete 10 keys of 2 deals.\n" in outcome.err
    assert outcome.err.endswith('Type "purge 2" to confirm: ')
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
