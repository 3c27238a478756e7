"""A database that neither answers nor hangs up: a purge ends all the same, and says what it did."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any
from unittest.mock import Mock

import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import DEFAULT_DB_ALIAS, OperationalError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone
from pytest_django.fixtures import Settings

from dealpurge import clock, services
from dealpurge.exceptions import AuditUnavailable, RunLost, ended_run
from dealpurge.models import PurgeRun
from dealpurge.runs import database, record, retry, silence, store
from dealpurge.runs.checks import check_pruning
from tests.support.commands import Purge
from tests.support.databases import seen_by_others
from tests.support.proxy import SilentProxy
from tests.support.runs import LIVE, ONE, ORIGIN, report_of
from tests.support.seeding import seed_deal

pytestmark = pytest.mark.django_db(transaction=True)
postgresql_only = pytest.mark.skipif(connection.vendor != "postgresql", reason="it needs a server of its own")
sqlite_only = pytest.mark.skipif(connection.vendor != "sqlite", reason="it is about SQLite")

KEYS = 300
#: Trouble ends by itself after so many seconds: whoever waits for that fails instead of hanging.
TOO_LONG = 20.0

FIRST_ROW, HEARTBEAT = b'INSERT INTO "dealpurge_purgerun" ', b'"keys_scanned"'
ROWS_OF_DEALS, END, COMMIT = b'INSERT INTO "dealpurge_purgerundeal"', b'"finished_at"', b"COMMIT"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    """All of it in a second or two."""
    monkeypatch.setattr(silence, "SECONDS", 0.5)
    monkeypatch.setattr(silence, "SQLITE_SECONDS", 0.2)
    monkeypatch.setattr(retry, "RETRY_FOR_SECONDS", 1)
    monkeypatch.setattr(record, "HEARTBEAT_SECONDS", 0)
    settings.DEALPURGE_SCAN_COUNT = 20


@pytest.fixture
def deals(fake_redis: redis.Redis) -> redis.Redis:
    for number in range(KEYS // 10):
        seed_deal(fake_redis, "acme", f"deal-{number}", locks=0, image_crops=10)
    return fake_redis


@contextmanager
def ended_after(seconds: float, end: Callable[[], None]) -> Iterator[None]:
    """End a trouble if nobody within has come back by then, which is a failure."""
    timer, since = threading.Timer(seconds, end), monotonic()
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
    assert monotonic() - since < seconds


@contextmanager
def silent_after(*words: bytes, last_arrives: bool = False) -> Iterator[SilentProxy]:
    """The test database behind a proxy; it is reached directly again afterwards."""
    settings, before = connection.settings_dict, dict(connection.settings_dict)
    connection.close()
    with SilentProxy(f"{settings['HOST']}/.s.PGSQL.5432", words, last_arrives=last_arrives) as proxy:
        settings |= {"HOST": "127.0.0.1", "PORT": proxy.port}
        try:
            with ended_after(TOO_LONG, proxy.hang_up):
                yield proxy
        finally:
            settings |= before
            connection.close()


def others_wait_for_no_lock() -> bool:
    return seen_by_others("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == [(0,)]


# Where nothing is purged


@postgresql_only
@pytest.mark.parametrize("words", [(), (b"DELETE",), (b"DELETE", COMMIT)], ids=["at once", "a batch", "its commit"])
def test_pruning_ends_in_words(words: tuple[bytes, ...]) -> None:
    old = timezone.now() - timedelta(days=500)
    PurgeRun.objects.create(source="command", mode="all", status="completed", created_at=old)

    with silent_after(*words) as proxy:
        if not words:
            proxy.silence()
        with pytest.raises(CommandError) as caught:
            call_command("prune_purge_runs", "--older-than=400d", "--no-dry-run")

    assert str(caught.value) == f"{database.WORDS} Dropped 0 rows. Runs that purged stay. Run it again."
    assert PurgeRun.objects.count() == 1


@postgresql_only
def test_the_check_whether_anybody_prunes_finds_nothing() -> None:
    with silent_after() as proxy:
        proxy.silence()
        assert check_pruning(databases=[DEFAULT_DB_ALIAS]) == []


# At every step of a run


@postgresql_only
def test_a_database_silent_from_the_start_lets_nothing_be_purged(deals: redis.Redis, purge: Purge) -> None:
    with silent_after() as proxy:
        proxy.silence()
        outcome = purge("--mode", "all", "--no-dry-run", "--no-input")

    assert (outcome.code, outcome.err) == (1, f"CommandError: {database.WORDS}\n")
    assert deals.dbsize() == KEYS


@postgresql_only
@pytest.mark.parametrize(
    ("words", "arrives"),
    [((FIRST_ROW,), False), ((FIRST_ROW,), True), ((FIRST_ROW, COMMIT), True)],
    ids=["the row is lost", "its answer is lost", "the commit's answer is lost"],
)
def test_a_first_row_without_an_answer_lets_nothing_be_purged(
    deals: redis.Redis, words: tuple[bytes, ...], arrives: bool
) -> None:
    with silent_after(*words, last_arrives=arrives), pytest.raises(AuditUnavailable):
        services.start(LIVE, ORIGIN)

    assert deals.dbsize() == KEYS


@postgresql_only
def test_what_stands_in_the_way_of_a_first_row_may_not_be_told(deals: redis.Redis) -> None:
    store.create(LIVE, ORIGIN)

    with silent_after(FIRST_ROW, b"SELECT"), pytest.raises(AuditUnavailable):
        services.start(LIVE, ORIGIN)

    assert deals.dbsize() == KEYS


@postgresql_only
def test_a_worker_that_cannot_read_its_run_purges_nothing(deals: redis.Redis) -> None:
    run = store.create(LIVE, ORIGIN, queued=True)

    with silent_after(b"UPDATE", COMMIT, b"SELECT"), pytest.raises(RunLost):
        services.run(run.pk)

    assert deals.dbsize() == KEYS


@postgresql_only
@pytest.mark.parametrize("arrives", [False, True], ids=["a heartbeat is lost", "its answer is lost"])
def test_a_purge_whose_heartbeats_are_not_heard_stops(deals: redis.Redis, arrives: bool) -> None:
    beats = [HEARTBEAT] * 3

    with silent_after(FIRST_ROW, *beats, last_arrives=arrives), pytest.raises(RunLost) as caught:
        services.start(LIVE, ORIGIN)

    assert caught.value.run_id == PurgeRun.objects.get().pk
    assert caught.value.report.keys.deleted == KEYS - deals.dbsize()
    assert 0 < deals.dbsize() < KEYS


@postgresql_only
def test_a_purge_whose_deals_cannot_be_written_down_says_what_it_did(deals: redis.Redis) -> None:
    with silent_after(FIRST_ROW, ROWS_OF_DEALS), pytest.raises(RunLost) as caught:
        services.start(LIVE, ORIGIN)

    assert caught.value.report.keys.deleted == KEYS - deals.dbsize() > 0


@postgresql_only
def test_a_purge_whose_rows_cannot_be_counted_at_its_end_says_what_it_did(deals: redis.Redis) -> None:
    with silent_after(b"SELECT COUNT(*)"), pytest.raises(RunLost) as caught:
        services.purge_deals(mode="all", dry_run=False)

    assert caught.value.report.keys.deleted == KEYS


@postgresql_only
@pytest.mark.parametrize("arrives", [False, True], ids=["the end is lost", "its answer is lost"])
def test_a_purge_whose_end_cannot_be_written_down_prints_what_it_did(
    deals: redis.Redis, purge: Purge, arrives: bool
) -> None:
    with silent_after(FIRST_ROW, ROWS_OF_DEALS, END, last_arrives=arrives):
        outcome = purge("--mode", "all", "--no-dry-run", "--no-input")

    run = PurgeRun.objects.get()
    assert run.status == "running"
    assert outcome.code == 1
    assert f"Run {run.pk} cannot be written down any more." in outcome.err
    assert f"{KEYS} keys" in outcome.err
    assert deals.dbsize() == 0


@postgresql_only
def test_an_end_whose_commit_was_carried_out_is_found_once_the_network_is_back(deals: redis.Redis) -> None:
    words = (FIRST_ROW, ROWS_OF_DEALS, END, COMMIT)

    with silent_after(*words, last_arrives=True) as proxy:
        healing = threading.Timer(silence.SECONDS / 2, proxy.heal)  # for connections made from then on
        healing.start()
        report = services.start(LIVE, ORIGIN)

    run = PurgeRun.objects.get()
    assert (report.status, run.status, run.keys_deleted) == ("completed", "completed", KEYS)
    assert run.run_deals.count() == KEYS // 10


@postgresql_only
def test_an_end_that_was_committed_is_one_even_if_it_cannot_be_read_again() -> None:
    run = store.create(ONE, ORIGIN)

    with silent_after(END, b"SELECT") as proxy:
        store.finish(run, report_of(run))
        assert proxy.silent

    assert (run.status, PurgeRun.objects.get().status) == ("completed", "completed")
    assert run.finished_at is not None


@postgresql_only
def test_whoever_sees_the_error_of_another_learns_what_was_purged(deals: redis.Redis) -> None:
    def observer(progress: services.Progress) -> bool:
        if progress.deleted:
            proxy.silence()
            raise ZeroDivisionError
        return True

    with silent_after() as proxy, pytest.raises(ZeroDivisionError) as caught:
        services.start(LIVE, ORIGIN, observer=observer)

    run_id, report = ended_run(caught.value)
    assert run_id == PurgeRun.objects.get().pk
    assert report.keys.deleted == KEYS - deals.dbsize() > 0


# Locks


@contextmanager
def row_locked() -> Iterator[None]:
    """Somebody holds the rows of all runs, and does not end."""
    with closing(connection.copy()) as other:
        with other.cursor() as cursor:
            cursor.execute("BEGIN; SELECT 1 FROM dealpurge_purgerun FOR UPDATE")
        with ended_after(TOO_LONG, lambda: other.connection.rollback()):
            yield


@postgresql_only
def test_a_lock_that_is_never_given_ends_a_purge(deals: redis.Redis) -> None:
    def observer(progress: services.Progress) -> bool:
        if progress.deleted and not locked:
            locked.append(lock.enter_context(row_locked()))
        return True

    locked: list[None] = []
    with ExitStack() as lock:
        with pytest.raises(RunLost) as caught:
            services.start(LIVE, ORIGIN, observer=observer)
        assert others_wait_for_no_lock()

    assert caught.value.report.keys.deleted == KEYS - deals.dbsize() > 0


@postgresql_only
def test_a_row_that_was_changed_and_not_committed_is_free_again_within_seconds() -> None:
    run = store.create(ONE, ORIGIN)
    beat = record.RunRecord(run)

    with silent_after(HEARTBEAT, last_arrives=True) as proxy:
        assert beat.keep_up(scanned=1, total=2, deleted=0)

        # The proxy holds the connection to the server: nobody told it that we hung up.
        other = connection.copy()
        other.settings_dict |= {"HOST": str(Path(proxy.path).parent), "PORT": ""}
        with closing(other), other.cursor() as cursor:
            cursor.execute("SET lock_timeout = '5s'")
            cursor.execute("SELECT keys_scanned FROM dealpurge_purgerun FOR UPDATE")
            assert cursor.fetchall() == [(0,)]


# The connection is the host's


def wrapper() -> BaseDatabaseWrapper:
    """What `django.db.connection` stands for."""
    return connections[DEFAULT_DB_ALIAS]


def note_params(monkeypatch: pytest.MonkeyPatch, used: list[dict[str, Any]]) -> None:
    """What connections are made with."""
    connect = wrapper().get_new_connection

    def noting(params: dict[str, Any]) -> Any:
        used.append(params)
        return connect(params)

    monkeypatch.setitem(vars(wrapper()), "get_new_connection", noting)


@postgresql_only
def test_the_connection_serves_its_host_again_after_a_silence(deals: redis.Redis) -> None:
    with silent_after(FIRST_ROW, HEARTBEAT, HEARTBEAT) as proxy:
        with pytest.raises(RunLost):
            services.start(LIVE, ORIGIN)
        proxy.heal()

        assert PurgeRun.objects.get().status == "running"


@postgresql_only
def test_what_the_host_set_is_as_it_was_after_a_write() -> None:
    connection.ensure_connection()
    before = set(vars(wrapper()))

    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '2h'; SET statement_timeout = '10ms'")
        with database.durable():
            cursor.execute("SHOW lock_timeout")
            assert cursor.fetchone() == ("400ms",)
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone() == ("10ms",)
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("2h",)

    assert set(vars(wrapper())) == before
    assert connection.execute_wrappers == []
    assert [thread for thread in threading.enumerate() if thread.name == "dealpurge-silence"] == []
    connection.close()


@postgresql_only
def test_a_host_that_connects_faster_keeps_its_own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "SECONDS", 7)
    used: list[dict[str, Any]] = []
    note_params(monkeypatch, used)

    for options in ({}, {"connect_timeout": 600}, {"connect_timeout": "3"}):
        monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)
        connection.close()
        with database.bounded():
            connection.ensure_connection()

    assert [params["connect_timeout"] for params in used] == [7, 7, 3]


@postgresql_only
def test_a_connection_that_comes_too_late_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved, closed = threading.Event(), threading.Event()
    late = Mock(_pool=None)
    late.close.side_effect = closed.set

    def resolving(params: dict[str, Any]) -> Any:
        resolved.wait(TOO_LONG)  # as a name server may take its time, which no driver bounds
        return late

    connection.close()
    with ended_after(TOO_LONG, resolved.set), monkeypatch.context() as patch:
        patch.setitem(vars(wrapper()), "get_new_connection", resolving)
        with pytest.raises(OperationalError), database.bounded():
            connection.ensure_connection()
    resolved.set()

    assert closed.wait(TOO_LONG)
    assert not PurgeRun.objects.exists()


@postgresql_only
def test_answers_that_keep_coming_are_waited_for() -> None:
    with database.bounded(), connection.cursor() as cursor:
        for _ in range(5):
            cursor.execute("SELECT pg_sleep(0.2)")


@postgresql_only
def test_the_log_says_why_the_connection_was_given_up(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(OperationalError), database.bounded(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(3)")

    assert caplog.messages == ["the database of the record has not answered for 0.5 seconds"]


# SQLite


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
