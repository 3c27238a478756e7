"""What a run writes of itself while it goes on."""

from __future__ import annotations

from unittest.mock import Mock

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from dealpurge.exceptions import RunLost
from dealpurge.models import PurgeRun
from dealpurge.runs import heartbeat, store, termination
from dealpurge.runs.heartbeat import Heartbeat
from tests.support.databases import locked_database
from tests.support.runs import DRY, ORIGIN, report_of

pytestmark = pytest.mark.django_db(transaction=True)


def due(run: PurgeRun) -> Heartbeat:
    """A heartbeat whose last one was more than a second ago."""
    beat = Heartbeat(run)
    beat._tried -= 2 * heartbeat.HEARTBEAT_SECONDS
    return beat


def test_a_heartbeat_is_written_once_a_second() -> None:
    run = store.create(DRY, ORIGIN)
    beat = due(run)

    with CaptureQueriesContext(connection) as queries:
        assert all(beat(scanned=count, total=10, deleted=0) for count in range(1, 6))

    run.refresh_from_db()
    assert (run.keys_scanned, run.keys_total) == (1, 10)
    assert len([query for query in queries if query["sql"].startswith("UPDATE")]) == 1


def test_a_heartbeat_learns_of_a_cancellation() -> None:
    run = store.create(DRY, ORIGIN)
    beat = due(run)

    assert termination.request_cancel(run.pk)

    assert not beat(scanned=1, total=2, deleted=0)
    assert not beat(scanned=1, total=2, deleted=0)


def test_a_heartbeat_of_a_run_that_is_over_is_refused() -> None:
    run = store.create(DRY, ORIGIN)
    beat = due(run)
    store.finish(run, report_of(run))

    with pytest.raises(RunLost):
        beat(scanned=1, total=2, deleted=0)


def test_a_heartbeat_bears_a_locked_database() -> None:
    run = store.create(DRY, ORIGIN)
    beat = due(run)

    with locked_database():
        assert beat(scanned=1, total=2, deleted=0)

    beat._tried -= 2 * heartbeat.HEARTBEAT_SECONDS
    assert beat(scanned=2, total=2, deleted=0)
    run.refresh_from_db()
    assert run.keys_scanned == 2


def test_in_trouble_the_database_is_not_asked_on_every_page(monkeypatch: pytest.MonkeyPatch) -> None:
    beat = due(store.create(DRY, ORIGIN))
    monkeypatch.setattr(heartbeat, "update", update := Mock(side_effect=OperationalError))

    assert all(beat(scanned=1, total=2, deleted=0) for _ in range(5))

    assert update.call_count == 1


def test_a_heartbeat_gives_up_before_others_take_the_run_for_lost() -> None:
    beat = due(store.create(DRY, ORIGIN))
    beat._written -= store.RETRY_FOR_SECONDS + 1

    with locked_database(), pytest.raises(RunLost) as caught:
        beat(scanned=1, total=2, deleted=0)

    assert isinstance(caught.value.__cause__, OperationalError)
