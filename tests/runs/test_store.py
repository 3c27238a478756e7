"""The row of a run, from its first commit to its end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import DEFAULT_DB_ALIAS, OperationalError, connection, connections, transaction
from pytest_django.fixtures import Settings

from dealpurge.engine.guard.plan import OVERSIZED_WARNING
from dealpurge.exceptions import AuditUnavailable, PreviewRefused, PurgeInProgress, RunLost
from dealpurge.i18n import Names
from dealpurge.models import PurgeRun
from dealpurge.runs import database, retry, store, termination
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from dealpurge.servers.errors import REFUSED, RESTARTED
from tests.support.databases import ReplicaRouter, locked_database, seen_by_others
from tests.support.runs import DRY, LIVE, ONE, ORIGIN, report_of

pytestmark = pytest.mark.django_db(transaction=True)


# The beginning


def test_a_new_run_is_written_with_all_that_was_asked(superuser: User) -> None:
    scope = PurgeScope(
        mode="by_deal",
        deals=(("acme", "deal-1"), (None, "deal-2")),
        include_checkpoints=True,
        exclude_active_within_secs=60,
    )

    run = store.create(scope, Origin(source="admin", actor=superuser, reason="ticket 7"))

    assert (run.scope, run.status, run.source, run.reason) == (scope, "running", "admin", "ticket 7")
    assert (run.actor, run.actor_name) == (superuser, "root")
    assert run.created_at == run.started_at == run.heartbeat_at


def test_a_queued_run_has_not_started() -> None:
    run = store.create(DRY, ORIGIN, queued=True)

    assert (run.status, run.started_at, run.heartbeat_at) == ("queued", None, None)


def test_the_name_outlives_the_user(superuser: User) -> None:
    run = store.create(DRY, Origin(source="api", actor=superuser))

    superuser.delete()

    run.refresh_from_db()
    assert (run.actor, run.actor_name) == (None, "root")


def test_a_second_connection_sees_the_row_at_once() -> None:
    store.create(DRY, ORIGIN)

    assert seen_by_others("SELECT actor_name, status FROM dealpurge_purgerun") == [("ann", "running")]


def test_no_run_begins_in_an_open_transaction() -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        store.create(DRY, ORIGIN)

    assert not PurgeRun.objects.exists()


def test_no_run_begins_without_autocommit() -> None:
    transaction.set_autocommit(False)
    try:
        with pytest.raises(RuntimeError, match="autocommit"):
            store.create(DRY, ORIGIN)
    finally:
        transaction.rollback()
        transaction.set_autocommit(True)

    assert not PurgeRun.objects.exists()


def test_a_database_that_cannot_be_written_is_a_domain_error() -> None:
    with locked_database(), pytest.raises(AuditUnavailable):
        store.create(DRY, ORIGIN)


@pytest.mark.parametrize("scope", [DRY, LIVE, ONE], ids=["dry run", "all", "by_deal"])
def test_a_user_who_was_deleted_meanwhile_purges_nothing(superuser: User, scope: PurgeScope) -> None:
    ghost = User.objects.get(pk=superuser.pk)
    superuser.delete()

    with pytest.raises(AuditUnavailable):
        store.create(scope, Origin(source="api", actor=ghost))

    assert not PurgeRun.objects.exists()


def test_text_that_no_database_takes_is_escaped() -> None:
    run = store.create(DRY, Origin(source="command", actor_name="b\udce9n", reason="\udcff\0"))

    assert (run.actor_name, run.reason) == (r"b\udce9n", r"\udcff\x00")


def test_the_times_are_the_databases_whatever_the_zone(settings: Settings) -> None:
    settings.USE_TZ, settings.TIME_ZONE = False, "America/New_York"
    run = store.create(DRY, ORIGIN, queued=True)

    assert termination.fail_lost_runs() == 0
    assert store.claim(run.pk).status == "running"


# One live purge of all deals


def test_one_live_purge_of_all_deals_at_a_time() -> None:
    first = store.create(LIVE, ORIGIN)

    with pytest.raises(PurgeInProgress, match=str(first.pk)) as caught:
        store.create(LIVE, ORIGIN)

    assert caught.value.run_id == first.pk


def test_the_database_lets_one_of_many_threads_begin() -> None:
    barrier = Barrier(8)

    def attempt(_: int) -> Any:
        barrier.wait()
        try:
            return store.create(LIVE, ORIGIN).pk
        except PurgeInProgress as exc:
            return exc
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(attempt, range(8)))

    (winner,) = PurgeRun.objects.values_list("pk", flat=True)
    assert results.count(winner) == 1
    assert [result.run_id for result in results if result != winner] == [winner] * 7


@pytest.mark.parametrize("scope", [DRY, ONE], ids=["dry run", "by_deal"])
def test_other_runs_go_beside_it(scope: PurgeScope) -> None:
    store.create(LIVE, ORIGIN)

    assert store.create(scope, ORIGIN).exclusive is None
    assert store.create(scope, ORIGIN).exclusive is None


def test_another_may_begin_after_the_end() -> None:
    run = store.create(LIVE, ORIGIN)
    store.finish(run, report_of(run))

    assert store.create(LIVE, ORIGIN).exclusive == "all"


def test_one_that_ends_between_refusal_and_look_blocks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    other = store.create(LIVE, ORIGIN)
    conflict = store._conflict

    def late(run: PurgeRun) -> Exception | None:
        store.finish(other, report_of(other))
        return conflict(run)

    monkeypatch.setattr(store, "_conflict", late)

    assert store.create(LIVE, ORIGIN).status == "running"


def test_a_preview_is_applied_once() -> None:
    preview = store.create(DRY, ORIGIN)
    store.create(ONE, ORIGIN, preview=preview)

    with pytest.raises(PreviewRefused):
        store.create(ONE, ORIGIN, preview=preview)


# A worker's


def test_a_queued_run_is_claimed_once() -> None:
    run = store.create(DRY, ORIGIN, queued=True)

    assert store.claim(run.pk).status == "running"
    with pytest.raises(RunLost):
        store.claim(run.pk)


# The end


def test_the_end_holds_report_and_counts() -> None:
    run = store.create(LIVE, ORIGIN)

    report = report_of(run, "partial")

    store.finish(run, report, total=12, error="why")

    assert (run.status, run.error, run.exclusive) == ("partial", "why", None)
    assert (run.keys_scanned, run.keys_total, run.keys_deleted) == (10, 12, 3)
    assert run.report == report.as_dict()
    assert run.finished_at is not None


def test_the_end_holds_what_its_sentences_are_made_of() -> None:
    run = store.create(DRY, ORIGIN)
    warnings = (OVERSIZED_WARNING.format(Names(("d1",), 3)), "Somebody else's.", RESTARTED)

    store.finish(run, replace(report_of(run), warnings=warnings), error=REFUSED.format("WEIRD"))

    assert (run.error, type(run.error)) == ("Redis refused a command (WEIRD).", str)
    assert run.report
    assert run.report["warnings"] == [*warnings]
    assert run.sentences == {
        "error": {"code": "command_refused", "parameters": ["WEIRD"]},
        "warnings": [
            {"code": "deals_oversized", "parameters": [{"names": ["d1"], "more": 3}]},
            None,
            {"code": "restarted", "parameters": []},
        ],
    }


def test_a_version_that_knows_no_codes_can_still_write_runs() -> None:
    run = store.create(DRY, ORIGIN)
    fields = PurgeRun._meta.concrete_fields
    copied = ", ".join(str(field.column) for field in fields if field.name not in ("id", "sentences"))

    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO dealpurge_purgerun (id, {copied}) SELECT %s, {copied} FROM dealpurge_purgerun",  # noqa: S608 - names of our own columns
            [PurgeRun._meta.pk.get_db_prep_value(uuid4(), connection)],
        )

    assert PurgeRun.objects.exclude(pk=run.pk).get().sentences is None


def test_the_end_waits_for_a_locked_database(monkeypatch: pytest.MonkeyPatch) -> None:
    run = store.create(ONE, ORIGIN)
    lock = ExitStack()
    lock.enter_context(locked_database())
    monkeypatch.setattr(retry, "sleep", lambda seconds: lock.close())

    store.finish(run, report_of(run))

    assert run.status == "completed"


def test_the_end_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    run = store.create(ONE, ORIGIN)
    monkeypatch.setattr(retry, "RETRY_FOR_SECONDS", 0)

    with locked_database(), pytest.raises(RunLost, match="cannot be written down"):
        store.finish(run, report_of(run))


def test_an_end_whose_answer_was_lost_is_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    run = store.create(ONE, ORIGIN)
    update = database.update

    def unheard(*args: Any, **values: Any) -> int:
        monkeypatch.setattr(store, "update", update)
        update(*args, **values)
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(store, "update", unheard)

    store.finish(run, report_of(run))

    assert run.status == "completed"


def test_a_row_is_not_saved_again() -> None:
    run = store.create(DRY, ORIGIN)
    run.status = "completed"

    with pytest.raises(TypeError):
        run.save()


# Databases


def test_reads_go_where_writes_go(settings: Settings) -> None:
    settings.DATABASE_ROUTERS = [ReplicaRouter()]

    run = store.create(DRY, ORIGIN, queued=True)
    store.finish(store.claim(run.pk), report_of(run))

    assert PurgeRun.objects.using(DEFAULT_DB_ALIAS).get().status == "completed"
