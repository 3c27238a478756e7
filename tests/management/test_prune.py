"""``manage.py prune_purge_runs``: what it takes, says, and ends with."""

from __future__ import annotations

import json
import logging
import os
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from dealpurge.models import PurgeRun, PurgeRunDeal
from dealpurge.runs import database
from dealpurge.runs.pruning import Pruning
from tests.support.databases import locked_database

pytestmark = pytest.mark.django_db(transaction=True)

DAYS = timedelta(days=1)
OLD = "--older-than=400d"


@pytest.fixture(autouse=True)
def _record() -> None:
    """Rows of five deals of an old purge, an old dry run, and a run of today."""
    old = timezone.now() - 401 * DAYS
    purge = PurgeRun.objects.create(source="command", mode="all", status="completed", dry_run=False, created_at=old)
    PurgeRunDeal.objects.bulk_create(
        PurgeRunDeal(run=purge, org_id="acme", deal_id=f"d{n}", outcome="purged") for n in range(5)
    )
    PurgeRun.objects.create(source="command", mode="all", status="completed", created_at=old)
    PurgeRun.objects.create(source="command", mode="all", status="completed")


def prune(*options: str) -> str:
    out = StringIO()
    call_command("prune_purge_runs", *options, stdout=out, no_color=True)
    return out.getvalue()


def rows() -> tuple[int, int]:
    return PurgeRun.objects.count(), PurgeRunDeal.objects.count()


def test_it_says_what_it_would_drop() -> None:
    assert prune(OLD) == (
        "Rows                  Would be dropped\n"
        "deals of dry runs                    0\n"
        "deals of purges                      5\n"
        "deals of inventories                 0\n"
        "dry runs                             1\n"
        "\n"
        "Dry run: 6 rows would be dropped. Runs that purged stay.\n"
    )
    assert rows() == (3, 5)


def test_it_drops_them_if_told_to(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="dealpurge"):
        said = prune(OLD, "--no-dry-run")

    assert said.endswith("\nDropped 6 rows. Runs that purged stay.\n")
    assert rows() == (2, 0)
    (record,) = caplog.records
    assert record.getMessage() == "record pruned"
    assert vars(record)["rows"] == {
        "deals of dry runs": 0, "deals of purges": 5, "deals of inventories": 0, "dry runs": 1,
    }  # fmt: skip


def test_of_nothing_the_log_is_told_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="dealpurge"):
        prune("--older-than=500d", "--no-dry-run")
        prune(OLD)

    assert caplog.records == []


def test_runs_that_purged_go_only_if_asked_for() -> None:
    said = prune(OLD, "--include-live-runs", "--no-dry-run")

    assert "\npurges                      1\n" in said
    assert said.endswith("\nDropped 7 rows.\n")
    assert rows() == (1, 0)


def test_quiet() -> None:
    assert prune(OLD, "--quiet") == prune(OLD, "--quiet", "--no-dry-run", "--format=json") == ""
    assert rows() == (2, 0)


def test_json() -> None:
    assert json.loads(prune(OLD, "--format=json")) == {
        "dry_run": True,
        "older_than_secs": 400 * 86400,
        "rows": {"deals of dry runs": 0, "deals of purges": 5, "deals of inventories": 0, "dry runs": 1},
        "kept": 0,
    }


@pytest.mark.parametrize(("number", "words"), [(1, "1 run stayed"), (1200, "1,200 runs stayed")])
def test_runs_that_have_to_stay_are_told_of(number: int, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def steps(self: Pruning, *, dry_run: bool) -> Iterator[None]:
        self.kept = number
        yield

    monkeypatch.setattr(Pruning, "steps", steps)

    assert prune(OLD, "--no-dry-run").endswith(
        f"\nDropped 0 rows. Runs that purged stay. Of what was to go, {words}, to which rows of other tables refer.\n"
    )
    assert json.loads(prune(OLD, "--no-dry-run", "--format=json"))["kept"] == number


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "--older-than"),
        (["--older-than=400"], "'400' has no unit"),
        (["--older-than=x"], "'x' is no duration"),
        (["--older-than=23h"], "a day at least"),
        (["--older-than=0d"], "a day at least"),
        ([OLD, "--no-dry"], "--no-dry"),
        ([OLD, "extra"], "extra"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_makes_no_sense_drops_nothing(options: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words) as caught:
        prune(*options, *(["--no-dry-run"] if options else []))

    assert caught.value.returncode in (1, 2)  # an error of argparse is a CommandError where code calls the command
    assert rows() == (3, 5)


def test_code_may_give_the_options_by_their_names() -> None:
    call_command("prune_purge_runs", older_than="400d", dry_run=False, quiet=True)

    assert rows() == (2, 0)


def test_a_day_is_the_least() -> None:
    assert "7 rows would be dropped" in prune("--older-than=24h", "--include-live-runs")


def test_an_age_that_no_calendar_has() -> None:
    assert "0 rows would be dropped" in prune(f"--older-than={10**15}w")


@pytest.fixture
def in_batches(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], object]], None]:
    """Deals go by twos, and something happens behind each batch."""

    def happen(what: Callable[[int], object]) -> None:
        steps = Pruning.steps

        def watched(self: Pruning, *, dry_run: bool) -> Iterator[None]:
            for number, step in enumerate(steps(self, dry_run=dry_run)):
                yield step
                what(number)

        monkeypatch.setattr(database, "ROWS_AT_ONCE", 2)
        monkeypatch.setattr(Pruning, "steps", watched)

    return happen


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_it_stops_behind_its_batch(in_batches: Any, number: int, code: int) -> None:
    numbers = [number]
    in_batches(lambda batch: os.kill(os.getpid(), numbers.pop()) if numbers else None)

    with pytest.raises(CommandError, match=r"Interrupted\. Dropped 2 rows\.") as caught:
        prune(OLD, "--no-dry-run")

    assert caught.value.returncode == code
    assert rows() == (3, 3)
    assert prune(OLD, "--no-dry-run").endswith("Dropped 4 rows. Runs that purged stay.\n")


def test_a_count_that_was_stopped_is_not_told_as_the_whole(in_batches: Any) -> None:
    numbers = [signal.SIGINT]
    in_batches(lambda batch: os.kill(os.getpid(), numbers.pop()) if numbers else None)

    with pytest.raises(CommandError) as caught:
        prune(OLD)

    assert str(caught.value) == "Interrupted. Dry run: 5 rows counted so far. Runs that purged stay."


def test_trouble_in_the_middle_is_told_with_what_went(
    in_batches: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from django.db import OperationalError

    def fail(batch: int) -> None:
        if batch == 1:
            raise OperationalError("the disk is on fire")

    in_batches(fail)

    with caplog.at_level(logging.INFO, logger="dealpurge"), pytest.raises(CommandError) as caught:
        prune(OLD, "--no-dry-run")

    assert caught.value.returncode == 1
    assert "cannot be written" in str(caught.value)
    assert str(caught.value).endswith("Dropped 2 rows. Runs that purged stay. Run it again.")
    assert "fire" not in str(caught.value)
    assert [record.getMessage() for record in caplog.records][-1] == "record pruned"


def test_a_database_that_is_locked_ends_it_in_words() -> None:
    with locked_database(), pytest.raises(CommandError, match="The record of runs cannot be written") as caught:
        prune(OLD, "--no-dry-run")

    assert caught.value.returncode == 1
    assert PurgeRun.objects.count() == 3
