"""What pruning takes from the record, and what it never does."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import DEFAULT_DB_ALIAS, OperationalError, connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dealpurge.models import InventoryDeal, PurgeRun, PurgeRunDeal
from dealpurge.runs import database, pruning
from dealpurge.runs.log import log_pruning
from dealpurge.runs.pruning import DRY_RUNS, INVENTORY_DEALS, LIVE_DEALS, LIVE_RUNS, PREVIEW_DEALS, Pruning
from tests.support.databases import locked_database

pytestmark = pytest.mark.django_db(transaction=True)

DAY = timedelta(days=1)
YEAR = 400 * DAY


def run_of(age: timedelta, *, deals: int = 0, holds: int = 0, **fields: Any) -> PurgeRun:
    """A run that was asked for so long ago, with rows of deals, and those that an inventory found."""
    values = {"source": "command", "mode": "all", "status": "completed", "created_at": timezone.now() - age}
    run = PurgeRun.objects.create(**values | fields)
    rows = (PurgeRunDeal(run=run, org_id="acme", deal_id=f"d{n}", outcome="purged") for n in range(deals))
    PurgeRunDeal.objects.bulk_create(rows)
    held = (InventoryDeal(run=run, org_id="acme", deal_id=f"d{n}", keys=1, families={}) for n in range(holds))
    InventoryDeal.objects.bulk_create(held)
    return run


def live(age: timedelta, **fields: Any) -> PurgeRun:
    return run_of(age, dry_run=False, **fields)


def prune(older_than: timedelta = YEAR, *, dry_run: bool = False, live_runs: bool = False) -> dict[str, int]:
    """What was dropped, by what it was, without zeros."""
    work = Pruning(older_than, live_runs=live_runs)
    for _ in work.steps(dry_run=dry_run):
        pass
    return {name: count for name, count in work.rows.items() if count}


def left() -> tuple[int, int, int]:
    return PurgeRun.objects.count(), PurgeRunDeal.objects.count(), InventoryDeal.objects.count()


def test_rows_of_deals_go_and_the_purge_stays() -> None:
    old = live(YEAR + DAY, deals=3, reason="why")
    live(YEAR - DAY, deals=2)

    assert prune() == {LIVE_DEALS: 3}

    assert left() == (2, 2, 0)
    assert PurgeRun.objects.get(pk=old.pk).reason == "why"


@pytest.mark.parametrize(
    ("age", "gone"),
    [(YEAR + timedelta(minutes=1), True), (YEAR - timedelta(minutes=1), False)],
    ids=["past", "not yet"],
)
@pytest.mark.parametrize("live_runs", [False, True])
def test_the_age_is_that_of_the_request(age: timedelta, gone: bool, live_runs: bool) -> None:
    run_of(age, holds=1, inventory=True)
    live(age, deals=1)

    prune(live_runs=live_runs)

    runs = 0 if live_runs else 1
    assert left() == ((runs, 0, 0) if gone else (2, 1, 1))


def test_rows_of_deals_of_dry_runs_go_after_a_week() -> None:
    run_of(8 * DAY, deals=2)
    run_of(6 * DAY, deals=3)
    live(8 * DAY, deals=4)

    assert prune() == {PREVIEW_DEALS: 2}
    assert left() == (3, 7, 0)


def test_or_sooner_where_nothing_is_kept_for_so_long() -> None:
    run_of(3 * DAY, deals=2)

    assert prune(2 * DAY) == {PREVIEW_DEALS: 2, DRY_RUNS: 1}


def test_dry_runs_and_inventories_go_whole() -> None:
    run_of(YEAR + DAY, deals=1)
    run_of(YEAR + DAY, holds=2, inventory=True)
    run_of(YEAR + DAY, status="failed")
    run_of(YEAR - DAY, holds=1, inventory=True)

    assert prune() == {PREVIEW_DEALS: 1, INVENTORY_DEALS: 2, DRY_RUNS: 3}
    assert left() == (1, 0, 1)


@pytest.mark.parametrize("status", ["queued", "running"])
@pytest.mark.parametrize("dry_run", [False, True])
def test_what_is_not_over_stays(status: str, dry_run: bool) -> None:
    run_of(2 * YEAR, deals=1, holds=1, status=status, dry_run=dry_run)

    assert prune(live_runs=True) == {}
    assert left() == (1, 1, 1)


@pytest.mark.parametrize("status", ["completed", "partial", "cancelled", "failed"])
def test_purges_go_only_if_asked_for(status: str) -> None:
    live(YEAR + DAY, status=status, deals=1)

    assert prune() == {LIVE_DEALS: 1}
    assert prune(live_runs=True) == {LIVE_RUNS: 1}
    assert left() == (0, 0, 0)


def test_a_preview_stays_as_long_as_what_it_became() -> None:
    preview = run_of(YEAR + DAY)
    live(YEAR + DAY, preview=preview)

    assert prune() == {}
    assert prune(live_runs=True) == {LIVE_RUNS: 1, DRY_RUNS: 1}


def test_also_where_that_is_just_young_enough() -> None:
    preview = run_of(YEAR + timedelta(minutes=5))
    applied = live(YEAR - timedelta(minutes=5), preview=preview)

    assert prune(live_runs=True) == {}
    assert {preview.pk, applied.pk} == {*PurgeRun.objects.values_list("pk", flat=True)}


@pytest.mark.parametrize("live_runs", [False, True])
def test_a_dry_run_tells_what_would_go_and_takes_nothing(live_runs: bool) -> None:
    preview = run_of(YEAR + DAY, deals=1)
    live(YEAR + DAY, preview=preview, deals=5)
    run_of(YEAR + DAY, holds=4, inventory=True)
    run_of(9 * DAY, deals=7)
    live(DAY, deals=9)
    before = left()

    told = prune(dry_run=True, live_runs=live_runs)

    assert left() == before
    assert told == {PREVIEW_DEALS: 8, LIVE_DEALS: 5, INVENTORY_DEALS: 4} | (
        {LIVE_RUNS: 1, DRY_RUNS: 2} if live_runs else {DRY_RUNS: 1}
    )
    assert prune(live_runs=live_runs) == told
    assert prune(live_runs=live_runs) == {}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "ROWS_AT_ONCE", 3)
    monkeypatch.setattr(pruning, "RUNS_AT_ONCE", 2)
    monkeypatch.setattr(pruning, "RUNS_LISTED", 4)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("runs", [1, 3, 4, 5, 8, 9])
def test_batches_take_all_of_many_runs(runs: int) -> None:
    moment = timezone.now() - YEAR - DAY
    for number in range(runs):
        live(DAY, deals=number + 1, created_at=moment)  # a moment that they share

    assert prune(dry_run=True) == {LIVE_DEALS: runs * (runs + 1) // 2}
    assert prune() == {LIVE_DEALS: runs * (runs + 1) // 2}
    assert left() == (runs, 0, 0)


@pytest.mark.usefixtures("small")
def test_each_batch_is_committed_and_what_is_left_goes_the_next_time() -> None:
    live(YEAR + DAY, deals=10)
    steps = Pruning(YEAR).steps(dry_run=False)

    next(steps)
    assert left() == (1, 7, 0)
    next(steps)
    assert left() == (1, 4, 0)
    steps.close()  # type: ignore[attr-defined]

    assert prune() == {LIVE_DEALS: 4}


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("live_runs", [False, True])
def test_two_at_once_do_no_harm(live_runs: bool, before_deletes: Callable[[Callable[[], object]], None]) -> None:
    live(YEAR + DAY, deals=10)
    run_of(YEAR + DAY)
    other = Pruning(YEAR, live_runs=live_runs)
    steps = other.steps(dry_run=False)
    before_deletes(lambda: next(steps, None))  # what has been found by then, the other one may take

    dropped = Counter(prune(live_runs=live_runs))

    expected = {LIVE_DEALS: 10, DRY_RUNS: 1} | ({LIVE_RUNS: 1} if live_runs else {})
    assert +(dropped + other.rows) == expected
    assert left() == ((0, 0, 0) if live_runs else (1, 0, 0))


@pytest.fixture
def before_deletes(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Something happens in front of each batch, once its rows are known."""

    def happen(what: Callable[[], object]) -> None:
        durable = database.durable
        inside: list[bool] = []

        @contextmanager
        def delayed() -> Iterator[None]:
            if not inside:
                inside.append(True)
                what()
                inside.clear()
            with durable():
                yield

        monkeypatch.setattr(database, "durable", delayed)

    return happen


def test_a_preview_that_is_applied_meanwhile_stays(before_deletes: Callable[[Callable[[], object]], None]) -> None:
    previews = [run_of(YEAR + DAY) for _ in range(7)]
    chosen = previews[4]
    before_deletes(lambda: PurgeRun.objects.filter(preview=chosen).exists() or live(DAY, preview=chosen))
    work = Pruning(YEAR)

    for _ in work.steps(dry_run=False):
        pass

    assert (work.rows[DRY_RUNS], work.kept) == (6, 1)
    assert set(PurgeRun.objects.filter(dry_run=True)) == {chosen}


@pytest.fixture
def notes() -> Iterator[Callable[[PurgeRun], None]]:
    """A table of the host's, of notes on runs, as of a model whose ``on_delete`` is ``DO_NOTHING``."""
    kind = {"sqlite": "char(32)", "postgresql": "uuid"}[connection.vendor]

    def note(run: PurgeRun) -> None:
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO host_note VALUES (%s)", [run.pk.hex])

    with connection.cursor() as cursor:
        refers = "REFERENCES dealpurge_purgerun (id) DEFERRABLE INITIALLY DEFERRED"
        cursor.execute(f"CREATE TABLE host_note (run_id {kind} {refers})")
    yield note
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE host_note")


@pytest.mark.parametrize("dry_run", [False, True], ids=["live", "dry"])
def test_runs_that_the_hosts_rows_refer_to_stay_and_the_others_go(
    notes: Callable[[PurgeRun], None], dry_run: bool
) -> None:
    runs = sorted((run_of(YEAR + DAY, dry_run=dry_run, deals=2) for _ in range(9)), key=lambda run: run.pk)
    for number in (0, 5, 8):
        notes(runs[number])
    work = Pruning(YEAR, live_runs=True)

    for _ in work.steps(dry_run=False):
        pass

    name = DRY_RUNS if dry_run else LIVE_RUNS
    assert (work.rows[name], work.kept) == (6, 3)
    assert {*PurgeRun.objects.all()} == {runs[0], runs[5], runs[8]}


def test_the_preview_of_a_purge_that_has_to_stay_stays_too(notes: Callable[[PurgeRun], None]) -> None:
    notes(live(YEAR + DAY, preview=run_of(YEAR + DAY)))
    work = Pruning(YEAR, live_runs=True)

    for _ in work.steps(dry_run=False):
        pass

    assert (+work.rows, work.kept) == ({}, 1)
    assert left() == (2, 0, 0)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="it is about SQLite")
@pytest.mark.usefixtures("small")
def test_others_may_write_for_as_long_as_a_batch_took(monkeypatch: pytest.MonkeyPatch) -> None:
    live(YEAR + DAY, deals=10)
    pauses: list[float] = []
    monkeypatch.setattr(database, "sleep", pauses.append)

    prune()

    assert len(pauses) == 4
    assert all(pauses)


def test_of_what_a_run_says_nothing_is_read() -> None:
    run_of(YEAR + DAY, report={"large": "x"})

    with CaptureQueriesContext(connection) as asked:
        assert prune() == {DRY_RUNS: 1}

    assert [query["sql"] for query in asked if '"report"' in query["sql"]] == []


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("dry_run", [False, True])
def test_runs_without_rows_cost_little_and_whoever_wants_to_stop_is_asked(dry_run: bool) -> None:
    for _ in range(12):
        live(YEAR + DAY)

    with CaptureQueriesContext(connection) as asked:
        steps = sum(1 for _ in Pruning(YEAR).steps(dry_run=dry_run))

    assert not [query for query in asked if "COUNT" in query["sql"] and "purgerundeal" in query["sql"]]
    assert not [query for query in asked if query["sql"].startswith('SELECT "dealpurge_purgerundeal"')]
    assert steps >= 3  # of four runs that are listed at once


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("dry_run", [False, True])
def test_runs_of_one_moment_of_the_database_are_all_found(dry_run: bool) -> None:
    for _ in range(9):
        live(DAY, deals=1)
    PurgeRun.objects.update(created_at=Now())  # in SQLite a text of another form than Python's

    assert prune(-DAY, dry_run=dry_run) == {LIVE_DEALS: 9}


def test_a_database_in_trouble_is_told_of() -> None:
    run_of(YEAR + DAY)

    with locked_database(), pytest.raises(OperationalError):
        prune()

    assert left() == (1, 0, 0)


# Whether anybody prunes


def findings() -> list[Any]:
    return [item for item in run_checks(databases=[DEFAULT_DB_ALIAS]) if item.id == "dealpurge.W009"]


OLD_ROWS: list[tuple[str, timedelta, dict[str, Any]]] = [
    ("more than two weeks", 15 * DAY, {"deals": 1}),
    ("more than two years", 740 * DAY, {}),
    ("more than two years", 740 * DAY, {"dry_run": False, "deals": 1}),
    ("more than two years", 740 * DAY, {"inventory": True, "holds": 1}),
]


@pytest.mark.parametrize(("words", "age", "fields"), OLD_ROWS, ids=["previews", "dry runs", "deals", "inventories"])
def test_what_a_prune_would_have_taken_long_ago_is_found(words: str, age: timedelta, fields: dict[str, Any]) -> None:
    run_of(age - 2 * DAY, **fields)
    assert findings() == []

    run_of(age, **fields)

    (found,) = findings()
    assert words in found.msg
    assert "prune_purge_runs --older-than" in found.hint
    for _ in Pruning(YEAR).steps(dry_run=False):
        pass
    assert findings() == []


def test_who_keeps_two_years_and_prunes_once_a_week_is_told_nothing() -> None:
    age = 2 * 366 * DAY + 6 * DAY
    run_of(age)
    run_of(age, inventory=True, holds=1)
    live(age, deals=1)

    assert findings() == []


def test_what_no_prune_takes_is_not_found() -> None:
    preview = run_of(800 * DAY)
    live(800 * DAY, preview=preview)
    run_of(800 * DAY, deals=1, status="running")

    assert findings() == []


def test_whether_there_are_rows_is_asked_run_by_run() -> None:
    run_of(13 * DAY, deals=1)

    with CaptureQueriesContext(connection) as asked:
        findings()

    queries = [query["sql"] for query in asked if '"dealpurge_' in query["sql"]]
    assert len(queries) == 5  # the archives' own among them
    assert all(query.partition(' FROM "')[2].startswith('dealpurge_purgerun"') for query in queries)


def test_other_databases_are_not_asked(django_assert_num_queries: Any) -> None:
    run_of(900 * DAY)

    with django_assert_num_queries(0):
        assert not [item for item in run_checks() if item.id == "dealpurge.W009"]


def test_a_database_without_tables_is_no_finding() -> None:
    run_of(15 * DAY, deals=1)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE dealpurge_purgerundeal RENAME TO elsewhere")
    try:
        assert findings() == []
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO dealpurge_purgerundeal")
    assert len(findings()) == 1


def test_the_log_is_told_what_went(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="dealpurge"):
        log_pruning({LIVE_DEALS: 3})

    (record,) = caplog.records
    assert (record.getMessage(), vars(record)["rows"]) == ("record pruned", {LIVE_DEALS: 3})
