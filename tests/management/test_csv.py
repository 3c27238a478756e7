"""--csv: what became of each deal, in a file or on the standard output, whatever became of the run."""

from __future__ import annotations

import csv
import io
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.management import call_command
from django.db import OperationalError, connection

from dealpurge.console.runs.csv_export import deals_file
from dealpurge.management.commands import purge_deals
from dealpurge.management.terminal.progress import ProgressLine
from dealpurge.models import PurgeRun, PurgeRunDeal
from dealpurge.runs.deals import export
from dealpurge.runs.deals.queries import DealFilter
from tests.support.commands import Outcome, Purge
from tests.support.seeding import seed_deal

from .conftest import LIVE_ALL, LONG_AGO, Engine, EngineDoes, be_cancelled_by_ann, latest, leave_one

pytestmark = pytest.mark.django_db(transaction=True)

GUARDED = ("--exclude-active-within", "1h")
HEADER = "run_id,org_id,deal_id,outcome,keys_deleted,keys_left,last_active_at\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deals.csv"


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_standard_output_has_the_deals_and_nothing_else(deals: redis.Redis, purge: Purge) -> None:
    outcome = purge(*LIVE_ALL, *GUARDED, "--csv", "-")

    run = latest()
    (active,) = PurgeRunDeal.objects.filter(run=run, outcome="skipped_active")
    assert active.last_active_at is not None
    assert outcome == Outcome(
        0,
        f"{HEADER}{run.pk},birch,deal-2,skipped_active,0,5,{active.last_active_at:%Y-%m-%dT%H:%M:%SZ}\n"
        f"{run.pk},acme,deal-1,purged,5,0,2020-01-02T03:04:05Z\n",
        "",
    )


@pytest.mark.parametrize("options", [LIVE_ALL, ("--mode", "all")], ids=["purge", "dry run"])
def test_it_is_what_the_page_of_the_run_saves(deals: redis.Redis, purge: Purge, options: tuple[str, ...]) -> None:
    seed_deal(deals, "acme", "=1+1", at=LONG_AGO, image_crops=3)
    seed_deal(deals, "acme", "caf\u00e9,\u202e", at=LONG_AGO)

    out = purge(*options, *GUARDED, "--csv", "-").out

    run = latest()
    saved = b"".join(deals_file(run, DealFilter().rows(run))).decode()
    assert out == saved.replace("\r\n", "\n")
    assert {row["deal_id"] for row in rows_of(out)} >= {"'=1+1", "caf\u00e9,\\u202e", "deal-1"}


@pytest.mark.parametrize("options", [(), ("--format", "json"), ("--format", "jsonl"), ("--quiet",)], ids=" ".join)
def test_beside_a_file_the_outcome_is_what_it_is_without(
    deals: redis.Redis, purge: Purge, path: Path, options: tuple[str, ...]
) -> None:
    path.write_text("of yesterday\n" * 1000)
    usual = purge("--mode", "all", *GUARDED, *options)

    outcome = purge("--mode", "all", *GUARDED, *options, "--csv", str(path))

    assert (outcome.code, outcome.err) == (0, "")
    assert len(outcome.out.splitlines()) == len(usual.out.splitlines())
    assert {row["outcome"]: row["deal_id"] for row in rows_of(path.read_text())} == {
        "would_be_purged": "deal-1",
        "would_be_skipped": "deal-2",
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--mode all --csv - --format json", "--csv - does not go with --format json: both go to the standard output"),
        (
            "--mode all --csv - --format jsonl",
            "--csv - does not go with --format jsonl: both go to the standard output",
        ),
        ("--mode all --csv - --quiet", "--csv - does not go with --quiet: name a file"),
        ("--explain canvas:lock:a:b --csv -", "--explain goes with --format alone: it purges nothing."),
        ("--mode all --csv /nowhere/x", "argument --csv: /nowhere/x cannot be written: No such file or directory"),
        ("--mode all --csv /", "argument --csv: / cannot be written: Is a directory"),
        ("--mode all --csv=", "argument --csv:  cannot be written: Is a directory"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_purged(purge: Purge, options: str, message: str) -> None:
    assert purge(*options.split()) == Outcome(2, "", f"CommandError: {message}\n")
    assert not PurgeRun.objects.exists()


def test_a_file_that_may_not_be_written_is_refused_likewise(
    purge: Purge, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write all

    words = f"argument --csv: {path} cannot be written: Permission denied"
    assert purge("--mode", "all", "--csv", str(path)) == Outcome(2, "", f"CommandError: {words}\n")
    assert not path.exists()


# Ends other than the usual


@pytest.mark.parametrize("engine", [leave_one, be_cancelled_by_ann])
def test_a_run_that_did_not_do_all_leaves_a_file(
    purge: Purge, engine_does: EngineDoes, engine: Engine, path: Path
) -> None:
    engine_does(engine)

    assert purge(*LIVE_ALL, "--csv", str(path)).code == 1
    assert path.read_text() == HEADER


def test_a_run_that_failed_leaves_a_file(purge: Purge, redis_away: None, path: Path) -> None:
    assert purge(*LIVE_ALL, "--csv", str(path)).code == 1
    assert path.read_text() == HEADER


def test_a_run_that_a_signal_stopped_leaves_a_file_with_what_it_did(
    deals: redis.Redis, purge: Purge, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ProgressLine, "show", lambda *_: signal.raise_signal(signal.SIGTERM))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(purge_deals.Command, "say_stopping", lambda self: None)

    outcome = purge(*LIVE_ALL, "--csv", str(path), "--no-color")

    assert outcome.code == 143
    assert len(rows_of(path.read_text())) == PurgeRunDeal.objects.count()
    assert path.read_text().startswith(HEADER)


def test_where_nothing_was_run_a_file_stays_as_it_was(
    deals: redis.Redis, purge: Purge, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = io.StringIO("no\n")
    stdin.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", stdin)
    path.write_text("of yesterday\n")

    assert purge("--mode", "all", "--no-dry-run", "--csv", str(path)).code == 1
    assert path.read_text() == "of yesterday\n"


@pytest.mark.parametrize("name", ["/dev/full", "-"])
def test_what_was_deleted_is_told_where_the_deals_cannot_be_written(
    deals: redis.Redis, purge: Purge, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def fail(rows: Any) -> Iterator[Any]:
        raise OperationalError("canary")

    if name == "-":
        monkeypatch.setattr("dealpurge.management.deals_csv.in_batches", fail)

    outcome = purge(*LIVE_ALL, "--csv", name)

    told = "The deals cannot be read from the record" if name == "-" else "/dev/full cannot be written: No space left"
    assert outcome.code == 1
    assert outcome.err.startswith(f"CommandError: {told}")
    assert outcome.err.endswith(f". Deleted 10 keys of 2 deals. (Run {latest().pk}.)\n")


def test_from_code_it_takes_a_path(deals: redis.Redis, path: Path) -> None:
    call_command("purge_deals", mode="all", csv=path, stdout=io.StringIO())

    assert len(rows_of(path.read_text())) == 2


# The record


def test_while_somebody_looks_at_the_lines_others_may_write(
    deals: redis.Redis, purge: Purge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "ROWS_AT_ONCE", 1)
    purge(*LIVE_ALL)
    found = export.in_batches(DealFilter().rows(latest()))
    first = next(found)

    other = connection.copy()
    other.settings_dict["OPTIONS"] = {**other.settings_dict["OPTIONS"], **({"timeout": 0.1} if is_sqlite() else {})}
    try:
        with other.cursor() as cursor:
            cursor.execute("UPDATE dealpurge_purgerun SET reason = 'written meanwhile'")
    finally:
        other.close()

    assert latest().reason == "written meanwhile"
    assert [first.deal_id, *(deal.deal_id for deal in found)] == ["deal-1", "deal-2"]


def is_sqlite() -> bool:
    return connection.vendor == "sqlite"
