"""What a run writes of itself while it goes on, and how the rows of its deals keep up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import Mock

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from dealpurge import clock
from dealpurge.engine.sweep.deal_log import DealNote
from dealpurge.exceptions import RunLost
from dealpurge.models import PurgeRun
from dealpurge.runs import database, retry, store, termination
from dealpurge.runs import record as record_module
from dealpurge.runs.deals import rows as deal_rows
from dealpurge.runs.record import HEARTBEAT_SECONDS, RunRecord
from tests.support.databases import locked_database
from tests.support.runs import DRY, ONE, ORIGIN, report_of

pytestmark = pytest.mark.django_db(transaction=True)


def due(run: PurgeRun) -> RunRecord:
    """A heartbeat whose last one was more than a second ago."""
    beat = RunRecord(run)
    beat._tried -= 2 * HEARTBEAT_SECONDS
    return beat


def test_a_heartbeat_is_written_once_a_second() -> None:
    run = store.create(DRY, ORIGIN)
    beat = due(run)

    with CaptureQueriesContext(connection) as queries:
        assert all(beat.keep_up(scanned=count, total=10, deleted=0) for count in range(1, 6))

    run.refresh_from_db()
    assert (run.keys_scanned, run.keys_total) == (1, 10)
    assert len([query for query in queries if query["sql"].startswith("UPDATE")]) == 1


def test_a_heartbeat_learns_of_a_cancellation() -> None:
    run = store.create(DRY, ORIGIN)
    beat = due(run)

    assert termination.request_cancel(run.pk)

    assert not beat.keep_up(scanned=1, total=2, deleted=0)
    assert not beat.keep_up(scanned=1, total=2, deleted=0)


def test_a_heartbeat_of_a_run_that_is_over_is_refused() -> None:
    run = store.create(DRY, ORIGIN)
    beat = due(run)
    store.finish(run, report_of(run))

    with pytest.raises(RunLost):
        beat.keep_up(scanned=1, total=2, deleted=0)


def test_a_heartbeat_bears_a_locked_database() -> None:
    run = store.create(DRY, ORIGIN)
    beat = due(run)

    with locked_database():
        assert beat.keep_up(scanned=1, total=2, deleted=0)

    beat._tried -= 2 * HEARTBEAT_SECONDS
    assert beat.keep_up(scanned=2, total=2, deleted=0)
    run.refresh_from_db()
    assert run.keys_scanned == 2


def test_in_trouble_the_database_is_not_asked_on_every_page(monkeypatch: pytest.MonkeyPatch) -> None:
    beat = due(store.create(DRY, ORIGIN))
    monkeypatch.setattr(record_module, "durable", durable := Mock(side_effect=OperationalError))

    assert all(beat.keep_up(scanned=1, total=2, deleted=0) for _ in range(5))

    assert durable.call_count == 1


def test_a_heartbeat_gives_up_before_others_take_the_run_for_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    now = clock.seconds()
    monkeypatch.setattr(clock, "seconds", lambda: now)
    beat = due(store.create(DRY, ORIGIN))

    with locked_database():
        assert beat.keep_up(scanned=1, total=2, deleted=0)
        now += retry.RETRY_FOR_SECONDS + 1
        with pytest.raises(RunLost) as caught:
            beat.keep_up(scanned=1, total=2, deleted=0)

    assert isinstance(caught.value.__cause__, OperationalError)


def test_a_connection_that_broke_while_the_process_slept_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    now = clock.seconds()
    monkeypatch.setattr(clock, "seconds", lambda: now)
    run = store.create(DRY, ORIGIN)
    beat = RunRecord(run)
    now += retry.RETRY_FOR_SECONDS + 1

    with locked_database():
        assert beat.keep_up(scanned=1, total=2, deleted=0)
    now += 2 * HEARTBEAT_SECONDS
    assert beat.keep_up(scanned=2, total=2, deleted=0)

    run.refresh_from_db()
    assert run.keys_scanned == 2


# The rows of deals


def rows_of(run: PurgeRun) -> list[tuple[str | None, str, str]]:
    """In the order of their names."""
    return sorted(run.run_deals.values_list("org_id", "deal_id", "outcome"), key=str)


def many(number: int, outcome: str) -> list[tuple[bytes, DealNote]]:
    return [(f"acme:deal-{place}".encode(), DealNote(outcome)) for place in range(number)]


def test_rows_are_written_once_a_second_or_when_a_batch_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deal_rows, "BATCH", 10)
    run = store.create(ONE, ORIGIN)
    record = RunRecord(run)

    assert record.keep_up(many(9, "interrupted"), scanned=1, total=9, deleted=3)
    assert run.run_deals.count() == 0

    assert record.keep_up(many(25, "interrupted"), scanned=1, total=9, deleted=7)
    run.refresh_from_db()
    assert (run.run_deals.count(), run.keys_deleted) == (20, 7)

    record._tried -= 2 * HEARTBEAT_SECONDS
    assert record.keep_up(scanned=1, total=9, deleted=7)
    assert run.run_deals.count() == 25


def test_the_end_changes_what_differs_by_the_rows_keys() -> None:
    run = store.create(ONE, ORIGIN)
    record = RunRecord(run)
    record.write_down(many(2 * deal_rows.BATCH + 1, "interrupted"))
    notes = dict(many(2 * deal_rows.BATCH + 1, "purged")) | {
        b"acme:deal-3": DealNote("interrupted"),
        b"acme:new": DealNote("not_removed"),
    }

    with CaptureQueriesContext(connection) as queries:
        record.finish(report_of(run), total=1, error="", notes=notes)

    assert dict(run.run_deals.values_list("deal_id", "outcome")) == {
        token.decode().partition(":")[2]: note.outcome for token, note in notes.items()
    }
    assert run.run_deals.count() == len(notes)
    assert run.status == "completed"
    assert len([query for query in queries if "dealpurge_purgerundeal" in query["sql"]]) < 30


def test_org_less_tokens_that_turn_out_to_be_no_deals_have_no_row() -> None:
    run = store.create(ONE, ORIGIN)
    record = RunRecord(run)
    record.write_down(
        [
            (b"deal-1", DealNote("interrupted")),
            (b"acme:deal-1", DealNote("interrupted")),
            (b"acme:active", DealNote("skipped_active")),
        ]
    )

    record.finish(
        report_of(run), total=1, error="", notes={b"acme:deal-1": DealNote("purged"), b"deal-2": DealNote("purged")}
    )

    assert rows_of(run) == [
        ("acme", "active", "skipped_active"),
        ("acme", "deal-1", "purged"),
        (None, "deal-2", "purged"),
    ]


@pytest.mark.parametrize("before", ["purged", "interrupted", "not_removed"])
def test_a_deal_that_lost_keys_is_never_merely_skipped(before: str) -> None:
    run = store.create(ONE, ORIGIN)
    record = RunRecord(run)
    record.write_down([(b"acme:deal-1", DealNote(before))])

    record.write_down([(b"acme:deal-1", DealNote("skipped_active"))])

    assert rows_of(run) == [("acme", "deal-1", "interrupted")]


@pytest.mark.parametrize("keys", [True, False], ids=["", "of a database that does not tell new keys"])
def test_deals_whose_commit_was_not_heard_of_have_one_row_each(monkeypatch: pytest.MonkeyPatch, keys: bool) -> None:
    monkeypatch.setattr(retry, "sleep", lambda seconds: None)
    if not keys:
        monkeypatch.setattr(type(connection.features), "can_return_rows_from_bulk_insert", False)
    run = store.create(ONE, ORIGIN)
    record = RunRecord(run)
    deals = (b"acme:deal-1", b"deal-1", b"acme:Deal-1")

    @contextmanager
    def unheard() -> Iterator[None]:
        monkeypatch.setattr(record_module, "durable", database.durable)
        with database.durable():
            yield
        raise OperationalError("server closed the connection unexpectedly")

    for outcome in ("skipped_active", "interrupted", "purged"):
        monkeypatch.setattr(record_module, "durable", unheard)
        record.write_down((deal, DealNote(outcome)) for deal in deals)

        rows = [("acme", "Deal-1", outcome), ("acme", "deal-1", outcome), (None, "deal-1", outcome)]
        assert rows_of(run) == rows


def test_rows_that_the_database_lost_are_written_again_at_the_end() -> None:
    run = store.create(ONE, ORIGIN)
    record = RunRecord(run)
    record.write_down(many(5, "purged"))
    run.run_deals.filter(deal_id__in=["deal-1", "deal-2"]).delete()  # as a replica that was behind never had them
    run.run_deals.filter(deal_id="deal-3").update(outcome="interrupted")

    record.finish(report_of(run), total=1, error="", notes=dict(many(5, "purged")))

    assert rows_of(run) == [("acme", f"deal-{number}", "purged") for number in range(5)]


def test_an_interruption_between_a_commit_and_its_note_leaves_deals_one_row_each() -> None:
    run = store.create(ONE, ORIGIN)
    record = RunRecord(run)

    class Interrupted(dict[bytes, DealNote | None]):
        def __delitem__(self, token: bytes) -> None:
            if len(self) == 2:
                raise KeyboardInterrupt
            super().__delitem__(token)

    record._deals._waiting = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        record.write_down(many(3, "interrupted"))
    record._deals._waiting = dict(record._deals._waiting)
    record.finish(report_of(run, "failed"), total=1, error="", notes=dict(many(3, "purged")))

    assert rows_of(run) == [("acme", f"deal-{number}", "purged") for number in range(3)]


def test_a_cancelled_run_still_writes_what_became_of_its_deals() -> None:
    run = store.create(ONE, ORIGIN)
    record = RunRecord(run)
    record.write_down(many(2, "interrupted"))
    termination.request_cancel(run.pk)
    record._tried -= 2 * HEARTBEAT_SECONDS

    assert not record.keep_up(many(3, "interrupted"), scanned=1, total=2, deleted=1)
    record.finish(report_of(run, "cancelled"), total=2, error="", notes=dict(many(4, "interrupted")))

    assert (run.run_deals.count(), run.status) == (4, "cancelled")


def test_rows_of_a_run_that_is_somebody_elses_are_not_written() -> None:
    run = store.create(ONE, ORIGIN)
    record = RunRecord(run)
    store.finish(run, report_of(run))

    with pytest.raises(RunLost):
        record.write_down(many(1, "skipped_active"))

    assert not run.run_deals.exists()
