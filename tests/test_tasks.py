"""Runs in the background: whoever carries them out, the row tells the truth."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import timedelta
from typing import Any
from unittest.mock import Mock
from uuid import UUID

import pytest
from django.db import OperationalError
from django.utils import timezone
from pytest_django.fixtures import Settings

from dealpurge import services, tasks
from dealpurge.engine import purging
from dealpurge.exceptions import (
    PurgeConfigurationError,
    PurgeInProgress,
    QueueUnavailable,
    RedisUnavailable,
    RunLost,
    RunTaken,
)
from dealpurge.models import PurgeRun
from dealpurge.runs import store
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from tests.support.databases import ReplicaRouter, locked_database

pytestmark = pytest.mark.django_db(transaction=True)

DRY = PurgeScope(mode="all")
LIVE = PurgeScope(mode="all", dry_run=False)
ORIGIN = Origin(source="api", actor_name="ann")


@pytest.fixture
def purge(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """The engine, replaced by one that finds nothing."""
    mock = Mock()
    monkeypatch.setattr(purging, "purge", mock, raising=False)
    return mock


def test_an_immediate_backend_ends_the_run_in_the_request(purge: Mock) -> None:
    run = services.queue(DRY, ORIGIN)

    assert (run.status, run.actor_name, run.source) == ("completed", "ann", "api")
    assert purge.call_count == 1


def test_a_run_that_fails_in_the_request_is_a_failed_run(purge: Mock) -> None:
    purge.side_effect = RedisUnavailable("unreachable", "Redis cannot be reached.")

    run = services.queue(LIVE, ORIGIN)

    assert (run.status, run.error, run.exclusive) == ("failed", "Redis cannot be reached.", None)


@pytest.mark.parametrize(
    ("error", "status", "result"),
    [
        (None, "completed", "SUCCESSFUL"),
        (RedisUnavailable("unreachable", "Redis cannot be reached."), "failed", "FAILED"),
        (PurgeConfigurationError("DEALPURGE_REDIS_CLIENT is not callable."), "failed", "FAILED"),
        (RunLost("Run 1 is no longer running."), "running", "FAILED"),
        (KeyError("a bug"), "failed", "FAILED"),
    ],
    ids=["completed", "no Redis", "settings", "lost", "bug"],
)
def test_a_task_ends_as_its_run(purge: Mock, error: Exception | None, status: str, result: str) -> None:
    purge.side_effect = error
    run = store.create(LIVE, ORIGIN, queued=True)

    done = tasks.carry_out.enqueue(str(run.pk))

    run.refresh_from_db()
    assert (run.status, done.status) == (status, result)
    assert [item.exception_class for item in done.errors] == ([type(error)] if error else [])


def test_a_run_that_nobody_took_in_time_has_a_failed_task(purge: Mock) -> None:
    run = store.create(LIVE, ORIGIN, queued=True)
    PurgeRun.objects.update(created_at=timezone.now() - timedelta(minutes=16))

    for _ in range(2):
        assert tasks.carry_out.enqueue(str(run.pk)).status == "FAILED"

    run.refresh_from_db()
    assert (run.status, run.error) == ("failed", "No worker took it in time.")


def test_a_run_that_fails_without_django_tasks_is_no_trouble_of_the_queue(
    purge: Mock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tasks, "carry_out", tasks.carry_out.func)
    purge.side_effect = RedisUnavailable("unreachable", "Redis cannot be reached.")

    assert services.queue(DRY, ORIGIN).status == "failed"
    assert caplog.messages == []


def test_the_hosts_callable_gets_the_id(purge: Mock, settings: Settings) -> None:
    settings.DEALPURGE_ENQUEUE = enqueue = Mock()

    run = services.queue(DRY, ORIGIN)

    enqueue.assert_called_once_with(str(run.pk))
    assert run.status == "queued"
    services.run(enqueue.call_args.args[0])
    run.refresh_from_db()
    assert run.status == "completed"


def test_a_queue_that_is_down_leaves_a_failed_run(purge: Mock, settings: Settings) -> None:
    settings.DEALPURGE_ENQUEUE = Mock(side_effect=OSError("amqp://user:secret@broker is down"))

    with pytest.raises(QueueUnavailable, match=r"^The run could not be queued, so nothing was purged\.$") as caught:
        services.queue(LIVE, ORIGIN)

    run = PurgeRun.objects.get()
    assert (run.status, run.error, run.exclusive) == ("failed", str(caught.value), None)
    assert caught.value.run_id == run.pk
    assert not purge.called


def test_a_queue_on_a_database_that_is_down_is_a_domain_error_too(purge: Mock, settings: Settings) -> None:
    lock = ExitStack()

    def enqueue(run_id: str) -> None:
        lock.enter_context(locked_database())
        raise OperationalError("database is locked")

    settings.DEALPURGE_ENQUEUE = enqueue

    with lock, pytest.raises(QueueUnavailable):
        services.queue(LIVE, ORIGIN)

    assert PurgeRun.objects.get().status == "queued"


@pytest.mark.parametrize("backend", [{}, {"default": {"BACKEND": "no.such.Backend"}}])
def test_a_task_backend_that_is_missing_leaves_a_failed_run(
    purge: Mock, settings: Settings, backend: dict[str, Any]
) -> None:
    settings.TASKS = backend

    with pytest.raises(QueueUnavailable):
        services.queue(DRY, ORIGIN)

    assert PurgeRun.objects.get().status == "failed"


def test_a_callable_that_fails_after_the_run_began_does_not_hide_it(purge: Mock, settings: Settings) -> None:
    def eager(run_id: str) -> None:
        services.run(run_id)
        raise OSError("the result backend is down")

    settings.DEALPURGE_ENQUEUE = eager

    assert services.queue(DRY, ORIGIN).status == "completed"


def test_without_django_tasks_the_run_is_carried_out_here(purge: Mock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "carry_out", tasks.carry_out.func)

    assert services.queue(DRY, ORIGIN).status == "completed"


def test_the_row_is_committed_before_it_is_handed_over(settings: Settings) -> None:
    seen: list[str] = []
    settings.DEALPURGE_ENQUEUE = lambda run_id: seen.append(PurgeRun.objects.get(pk=run_id).status)

    services.queue(DRY, ORIGIN)

    assert seen == ["queued"]


def test_a_queued_purge_of_all_deals_excludes_another(settings: Settings) -> None:
    settings.DEALPURGE_ENQUEUE = Mock()
    first = services.queue(LIVE, ORIGIN)

    with pytest.raises(PurgeInProgress) as caught:
        services.queue(LIVE, ORIGIN)

    assert caught.value.run_id == first.pk


def test_a_worker_leaves_a_cancelled_run_alone(purge: Mock, settings: Settings) -> None:
    settings.DEALPURGE_ENQUEUE = Mock()
    run = services.queue(LIVE, ORIGIN)
    services.cancel(run.pk)

    done = tasks.carry_out.enqueue(str(run.pk))

    run.refresh_from_db()
    assert (run.status, done.status) == ("cancelled", "SUCCESSFUL")
    assert not purge.called


def test_the_row_is_read_where_it_was_written(purge: Mock, settings: Settings) -> None:
    settings.DATABASE_ROUTERS = [ReplicaRouter()]

    assert services.queue(DRY, ORIGIN).status == "completed"


def test_two_workers_with_one_message_purge_once(purge: Mock, settings: Settings) -> None:
    settings.DEALPURGE_ENQUEUE = Mock()
    run_id: UUID = services.queue(LIVE, ORIGIN).pk

    for _ in range(2):
        assert tasks.carry_out.enqueue(str(run_id)).status == "SUCCESSFUL"

    assert purge.call_count == 1
    assert PurgeRun.objects.get().status == "completed"


def test_who_calls_the_service_learns_that_the_run_is_taken(purge: Mock, settings: Settings) -> None:
    settings.DEALPURGE_ENQUEUE = Mock()
    run = services.queue(LIVE, ORIGIN)
    services.run(run.pk)

    with pytest.raises(RunTaken):
        services.run(run.pk)
