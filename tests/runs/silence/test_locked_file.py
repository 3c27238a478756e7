"""A SQLite that somebody else has locked: it is not waited for as long as its host would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from django.db import connection

from dealpurge import clock, services
from dealpurge.exceptions import AuditUnavailable, RunLost
from dealpurge.runs import database, record, retry, silence, store
from tests.support.runs import ONE, ORIGIN, report_of

from .trouble import TOO_LONG, ended_after, note_params, sqlite_only

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def patient_host() -> Iterator[None]:
    """Whoever finds the database locked waits for ten minutes."""
    options, before = connection.settings_dict["OPTIONS"], dict(connection.settings_dict["OPTIONS"])
    options["timeout"] = 600
    connection.close()
    yield
    options |= before
    connection.close()


def busy_timeout() -> Any:
    with connection.cursor() as cursor:
        return cursor.execute("PRAGMA busy_timeout").fetchone()[0]


@contextmanager
def locked_file() -> Iterator[None]:
    with closing(connection.copy()) as other:
        other.inc_thread_sharing()
        with other.cursor() as cursor:
            cursor.execute("BEGIN IMMEDIATE")
        with ended_after(TOO_LONG, lambda: other.connection.rollback()):
            yield


@sqlite_only
@pytest.mark.parametrize("connected", [True, False], ids=["connected before", "connecting"])
def test_a_locked_file_is_not_waited_for_as_long_as_its_host_would(patient_host: None, connected: bool) -> None:
    if connected:
        connection.ensure_connection()

    with locked_file(), pytest.raises(AuditUnavailable):
        store.create(ONE, ORIGIN)

    assert busy_timeout() == 600_000


@sqlite_only
def test_an_end_on_a_locked_file_is_given_up(patient_host: None) -> None:
    run = store.create(ONE, ORIGIN)

    with locked_file(), pytest.raises(RunLost):
        store.finish(run, report_of(run))

    assert busy_timeout() == 600_000


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> clock.Deadline:
    """Somebody waits for a run, and will not for long."""
    monkeypatch.setattr(silence, "SQLITE_SECONDS", 600)
    monkeypatch.setattr(retry, "RETRY_FOR_SECONDS", 600)
    monkeypatch.setattr(retry, "GRACE_SECONDS", 0.2)
    monkeypatch.setattr(retry, "LAST_TRY_SECONDS", 0.2)
    return clock.Deadline(0)


@sqlite_only
def test_a_locked_file_is_not_waited_for_longer_than_somebody_waits_for_the_run(
    patient_host: None, hurry: clock.Deadline
) -> None:
    run = store.create(ONE, ORIGIN)
    kept = record.RunRecord(run, hurry)

    with locked_file():
        assert kept.keep_up(scanned=1, total=1, deleted=1)
        with pytest.raises(RunLost):
            kept.finish(report_of(run), total=1, error="", notes={})


@sqlite_only
def test_nor_is_a_queued_run_that_somebody_waits_for(patient_host: None, hurry: clock.Deadline) -> None:
    run = store.create(ONE, ORIGIN, queued=True)

    with locked_file(), clock.waited_for(hurry), pytest.raises(RunLost):
        services.run(run.pk)


@sqlite_only
def test_a_host_that_waits_shorter_still_does() -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 100")

    with database.bounded():
        assert busy_timeout() == 100
    assert busy_timeout() == 100
    connection.close()


@sqlite_only
@pytest.mark.parametrize(("command", "after"), [("", 600_000), ("PRAGMA busy_timeout = 7000", 7_000)])
def test_a_connection_is_not_waited_for_either(
    patient_host: None, monkeypatch: pytest.MonkeyPatch, command: str, after: int
) -> None:
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "init_command", command)
    used: list[dict[str, Any]] = []
    note_params(monkeypatch, used)

    with database.bounded():
        assert busy_timeout() == 200

    assert [params["timeout"] for params in used] == [silence.SQLITE_SECONDS]
    assert busy_timeout() == after
