"""Which run a key belongs to, and since when it is free again."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import Any
from unittest.mock import Mock

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection, connections
from django.db.models import F

from dealpurge import services
from dealpurge.engine.pass_warnings import BROKEN_OFF_WARNING, BROKEN_WARNING
from dealpurge.exceptions import (
    AuditUnavailable,
    PurgeInProgress,
    QueueUnavailable,
    RequestRepeated,
)
from dealpurge.models import PurgeRun
from dealpurge.report import DealCounts, KeyCounts
from dealpurge.runs import database, idempotency, messages, silence, store, termination
from dealpurge.runs.idempotency import digest
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from tests.runs.silence.trouble import FIRST_ROW, postgresql_only, silent_after
from tests.support.databases import ReplicaRouter, locked_database
from tests.support.runs import LIVE, ONE, report_of

pytestmark = pytest.mark.django_db(transaction=True)

KEYED = Origin(source="api", actor_name="ann", idempotency_key=digest("a key", None, "ann"))
OTHER = replace(KEYED, idempotency_key=digest("another key", None, "ann"))


def repeated(scope: PurgeScope = ONE, origin: Origin = KEYED) -> PurgeRun:
    """The run that stands in the way of another one."""
    with pytest.raises(RequestRepeated) as caught:
        store.create(scope, origin)
    run: PurgeRun = caught.value.run
    return run


def age(run: PurgeRun, **time: float) -> None:
    """As if all of it had been so long ago."""
    back = timedelta(**time)
    PurgeRun.objects.filter(pk=run.pk).update(created_at=F("created_at") - back, heartbeat_at=F("heartbeat_at") - back)


@contextmanager
def unheard() -> Iterator[None]:
    """A transaction whose COMMIT is carried out and not answered."""
    with database.durable():
        yield
    if connection.vendor == "postgresql":
        connection.connection.close()
        connection.errors_occurred = True
    raise OperationalError("server closed the connection unexpectedly")


# Whose it is


def test_a_users_key_is_no_other_users_and_no_names(superuser: User, purger: User) -> None:
    pk = str(superuser.pk)
    owners = [(superuser, "root"), (purger, "root"), (None, "root"), (None, pk), (None, f"user {pk}"), (None, "")]

    assert len({digest("k", user, name) for user, name in owners}) == len(owners)
    assert digest("k", superuser, "") == digest("k", superuser, "renamed since")
    assert digest("k", None, "a") != digest("ka", None, "")


def test_any_name_has_one() -> None:
    assert len(digest("k", None, "b\udce9n\0")) == 64


# Its run


@pytest.mark.parametrize("queued", [True, False], ids=["queued", "running"])
def test_a_run_keeps_its_key(queued: bool) -> None:
    run = store.create(ONE, KEYED, queued=queued)

    assert repeated() == run
    assert repeated().status == ("queued" if queued else "running")
    assert PurgeRun.objects.count() == 1


def test_another_key_is_another_run() -> None:
    assert store.create(ONE, KEYED) != store.create(ONE, OTHER)


def test_without_a_key_any_number_begin() -> None:
    for _ in range(3):
        store.create(ONE, replace(KEYED, idempotency_key=None))

    assert PurgeRun.objects.count() == 3


def test_the_same_request_is_no_other_purge_of_all_deals() -> None:
    run = store.create(LIVE, KEYED)

    assert repeated(LIVE) == run
    with pytest.raises(PurgeInProgress, match=str(run.pk)):
        store.create(LIVE, OTHER)


def test_it_is_looked_up_where_it_is_written(settings: Any) -> None:
    settings.DATABASE_ROUTERS = [ReplicaRouter()]
    run = store.create(ONE, KEYED)

    assert repeated() == run


@pytest.mark.parametrize("scope", [ONE, LIVE], ids=["by_deal", "all"])
@pytest.mark.parametrize("threads", [2, 8])
@pytest.mark.parametrize("freed", [False, True], ids=["new", "freed"])
def test_of_many_at_once_one_begins(scope: PurgeScope, threads: int, freed: bool) -> None:
    if freed:
        termination.fail_queued(store.create(scope, KEYED, queued=True).pk, messages.NOT_QUEUED)
    barrier = Barrier(threads)

    def attempt(_: int) -> Any:
        barrier.wait()
        try:
            return store.create(scope, KEYED)
        except RequestRepeated as exc:
            return exc
        finally:
            connections.close_all()

    with ThreadPoolExecutor(threads) as pool:
        results = list(pool.map(attempt, range(threads)))

    winner = PurgeRun.objects.get(status="running")
    assert PurgeRun.objects.count() == 1 + freed
    assert results.count(winner) == 1
    assert [result.run for result in results if result != winner] == [winner] * (threads - 1)


def test_a_key_that_is_freed_between_refusal_and_look_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    store.create(ONE, KEYED)
    conflict = store._conflict

    def late(run: PurgeRun) -> Exception | None:
        PurgeRun.objects.update(idempotency_key=None)
        return conflict(run)

    monkeypatch.setattr(store, "_conflict", late)

    assert store.create(ONE, KEYED).status == "running"


def test_a_freed_key_that_another_request_took_first_is_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its run is the same request again, not another purge of all deals."""
    termination.fail_queued(store.create(LIVE, KEYED, queued=True).pk, messages.NOT_QUEUED)
    holder, first = idempotency.holder, list[PurgeRun]()

    def late(key: str) -> PurgeRun | None:
        monkeypatch.setattr(idempotency, "holder", holder)
        found = holder(key)
        first.append(store.create(LIVE, KEYED))
        return found

    monkeypatch.setattr(idempotency, "holder", late)

    assert [repeated(LIVE)] == first


def test_unless_that_fails_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    termination.fail_queued(store.create(LIVE, KEYED, queued=True).pk, messages.NOT_QUEUED)
    holder = idempotency.holder

    def late(key: str) -> PurgeRun | None:
        monkeypatch.setattr(idempotency, "holder", holder)
        found = holder(key)
        termination.fail_queued(store.create(LIVE, KEYED, queued=True).pk, messages.NOT_QUEUED)
        return found

    monkeypatch.setattr(idempotency, "holder", late)

    assert store.create(LIVE, KEYED).status == "running"


def test_a_user_who_was_deleted_meanwhile_purges_nothing(superuser: User) -> None:
    ghost = User.objects.get(pk=superuser.pk)
    superuser.delete()

    with pytest.raises(AuditUnavailable):
        store.create(ONE, replace(KEYED, actor=ghost))

    assert not PurgeRun.objects.exists()


# How long


def test_after_a_day_by_the_databases_clock_it_is_free() -> None:
    run = store.create(ONE, KEYED)
    store.finish(run, report_of(run))
    age(run, hours=23, minutes=59)
    assert repeated() == run

    age(run, minutes=2)

    assert store.create(ONE, KEYED) != run
    run.refresh_from_db()
    assert (run.status, run.idempotency_key) == ("completed", None)


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_whatever_the_zone(settings: Any, zone: str) -> None:
    settings.USE_TZ, settings.TIME_ZONE = False, zone
    run = store.create(ONE, KEYED)
    store.finish(run, report_of(run))

    assert repeated() == run
    age(run, hours=25)
    assert store.create(ONE, KEYED) != run


# What frees it


def ended(*, error: str = "why", status: Any = "failed", warnings: tuple[str, ...] = (), **counts: Any) -> PurgeRun:
    run = store.create(ONE, KEYED)
    deals = DealCounts(matched=1, **counts.pop("deals", {}))
    report = replace(report_of(run, status), keys=KeyCounts(scanned=9, **counts), deals=deals, warnings=warnings)
    store.finish(run, report, error=error)
    return run


@pytest.mark.parametrize("status", ["failed", "cancelled"])
@pytest.mark.parametrize("warnings", [(), (BROKEN_WARNING, "Somebody else's.")], ids=["silent", "warned"])
def test_an_error_before_the_first_delete(status: str, warnings: tuple[str, ...]) -> None:
    run = ended(status=status, warnings=warnings, deals={"skipped_active": 1})

    assert store.create(ONE, KEYED) != run


def test_a_run_that_could_not_be_queued(settings: Any) -> None:
    def refuse(run_id: str) -> None:
        raise ConnectionError("no broker")

    settings.DEALPURGE_ENQUEUE = refuse
    with pytest.raises(QueueUnavailable):
        services.queue(ONE, KEYED)

    assert store.create(ONE, KEYED).status == "running"


def test_a_run_that_expired_in_the_queue() -> None:
    age(store.create(ONE, KEYED, queued=True), minutes=16)

    assert store.create(ONE, KEYED).status == "running"


# What does not


@pytest.mark.parametrize(
    "done",
    [
        {"deleted": 1},
        {"vanished": 1},
        {"not_removed": 1},
        {"deals": {"purged": 1}},
        {"deals": {"interrupted": 1}},
        {"warnings": (BROKEN_OFF_WARNING,)},
    ],
    ids=str,
)
@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_an_error_when_something_may_have_been_deleted(status: str, done: dict[str, Any]) -> None:
    run = ended(status=status, **done)

    assert repeated() == run


@pytest.mark.parametrize("status", ["completed", "partial", "cancelled"])
def test_a_run_that_ended_without_an_error(status: str) -> None:
    run = ended(status=status, error="")

    assert repeated() == run


def test_a_run_that_somebody_cancelled_in_the_queue() -> None:
    run = store.create(ONE, KEYED, queued=True)
    termination.request_cancel(run.pk, "ben")

    assert repeated() == run


def test_a_run_whose_process_was_lost() -> None:
    run = store.create(ONE, KEYED)
    age(run, seconds=61)

    lost = repeated()

    assert (lost, lost.status, lost.error) == (run, "failed", messages.PROCESS_LOST)


# Trouble with the database


def test_a_database_in_trouble_frees_nothing() -> None:
    run = ended()

    with locked_database(), pytest.raises(AuditUnavailable):
        store.create(ONE, KEYED)

    run.refresh_from_db()
    assert run.idempotency_key == KEYED.idempotency_key


def test_a_look_that_fails_is_a_domain_error(monkeypatch: pytest.MonkeyPatch) -> None:
    store.create(ONE, KEYED)
    monkeypatch.setattr(idempotency, "stored", Mock(side_effect=OperationalError("silent")))

    with pytest.raises(AuditUnavailable):
        store.create(ONE, KEYED)


@postgresql_only
def test_a_database_that_falls_silent_then_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silence, "SECONDS", 0.5)
    run = ended()

    for words in ((FIRST_ROW, b"SELECT"), (FIRST_ROW, b"SELECT", b'SET "idempotency_key"')):
        with silent_after(*words), pytest.raises(AuditUnavailable):
            store.create(ONE, KEYED)
        run.refresh_from_db()
        assert run.idempotency_key == KEYED.idempotency_key

    assert store.create(ONE, KEYED) != run


@pytest.mark.parametrize("queued", [True, False], ids=["queued", "running"])
@pytest.mark.parametrize("scope", [ONE, LIVE], ids=["by_deal", "all"])
def test_a_row_whose_commit_was_not_heard_of_stands_in_nobodys_way(
    monkeypatch: pytest.MonkeyPatch, scope: PurgeScope, queued: bool
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(store, "durable", unheard)
        with pytest.raises(AuditUnavailable):
            store.create(scope, KEYED, queued=queued)

    withdrawn = PurgeRun.objects.get()
    assert (withdrawn.status, withdrawn.started_at, withdrawn.error) == ("failed", None, database.WORDS)
    assert store.create(scope, KEYED) != withdrawn


def test_nor_does_one_that_could_not_be_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(PurgeRun, "refresh_from_db", Mock(side_effect=OperationalError("terminated")))
        with pytest.raises(AuditUnavailable):
            store.create(LIVE, KEYED)

    assert store.create(LIVE, KEYED).status == "running"


def test_where_the_database_is_still_away_then_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(store, "durable", unheard)
        patch.setattr(store, "update", Mock(side_effect=OperationalError("away")))
        with pytest.raises(AuditUnavailable):
            store.create(ONE, KEYED)

    assert repeated().status == "running"
    age(repeated(), seconds=61)
    assert repeated().error == messages.PROCESS_LOST
    assert PurgeRun.objects.count() == 1


# The column


def test_the_database_has_one_index_of_it_and_takes_rows_without_one() -> None:
    with connection.cursor() as cursor:
        table = connection.introspection.get_constraints(cursor, PurgeRun._meta.db_table)
        columns = connection.introspection.get_table_description(cursor, PurgeRun._meta.db_table)

    of_it = [found for found in table.values() if "idempotency_key" in found["columns"]]
    assert [(found["columns"], found["unique"]) for found in of_it] == [(["idempotency_key"], True)]
    assert [column.null_ok for column in columns if column.name == "idempotency_key"] == [True]
