"""Queued runs, carried out by the database worker of django-tasks-db."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis
from django_tasks_db.models import DBTaskResult
from pytest_django.fixtures import Settings

from dealpurge import services
from dealpurge.models import PurgeRun
from dealpurge.runs.record import HEARTBEAT_SECONDS
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from tests.support.servers import RedisServer, wait_until

from .conftest import BYSTANDERS, DEALS, KEYS, Manage, wait_for_the_middle

pytestmark = pytest.mark.django_db(transaction=True)

LIVE = PurgeScope(mode="all", dry_run=False)
ORIGIN = Origin(source="api", actor_name="ann")


@pytest.fixture(autouse=True)
def _tasks_in_the_database(settings: Settings, _tasks_at_once: None) -> None:
    settings.TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}


def worker(manage: Manage, *options: str) -> subprocess.Popen[str]:
    return manage.start("db_worker", "--batch", "--no-reload", "--no-startup-delay", "--verbosity", "0", *options)


@contextmanager
def asleep(process: subprocess.Popen[str]) -> Iterator[None]:
    """The process does nothing meanwhile, and a heartbeat is due when it wakes up."""
    process.send_signal(signal.SIGSTOP)
    time.sleep(2 * HEARTBEAT_SECONDS)  # a nap's length is nothing to be asked
    yield
    process.send_signal(signal.SIGCONT)
    process.communicate(timeout=60)


def test_a_worker_carries_out_a_queued_run(manage: Manage, full: redis.Redis) -> None:
    run = services.queue(LIVE, ORIGIN)
    assert run.status == "queued"

    worker(manage).communicate(timeout=60)

    run.refresh_from_db()
    assert (run.status, run.keys_deleted, run.actor_name) == ("completed", KEYS, "ann")
    assert full.dbsize() == BYSTANDERS


def test_a_run_under_way_is_cancelled_from_elsewhere(manage: Manage, full: redis.Redis) -> None:
    run = services.queue(LIVE, ORIGIN)
    process = worker(manage)
    wait_for_the_middle(full)

    with asleep(process):
        assert services.cancel(run.pk)

    run.refresh_from_db()
    assert (run.status, run.keys_deleted) == ("cancelled", KEYS + BYSTANDERS - full.dbsize())
    assert 0 < run.keys_deleted < KEYS


def test_a_run_whose_redis_is_gone_fails_and_so_does_its_task(manage: Manage, server: RedisServer) -> None:
    run = services.queue(LIVE, ORIGIN)
    server.kill()

    worker(manage).communicate(timeout=60)

    run.refresh_from_db()
    assert (run.status, run.error) == ("failed", "Redis cannot be reached (tried for 1 s).")
    task = DBTaskResult.objects.get()
    assert (task.status, task.exception_class_path) == ("FAILED", "dealpurge.exceptions.RedisUnavailable")


def test_a_run_that_was_cancelled_in_the_queue_is_no_failure(manage: Manage, full: redis.Redis) -> None:
    run = services.queue(LIVE, ORIGIN)
    services.cancel(run.pk)

    worker(manage).communicate(timeout=60)

    assert DBTaskResult.objects.get().status == "SUCCESSFUL"
    assert full.dbsize() == KEYS + BYSTANDERS


def test_a_killed_workers_run_is_lost_and_can_be_run_again(
    manage: Manage, server: RedisServer, full: redis.Redis
) -> None:
    lost = services.queue(LIVE, ORIGIN)
    process = worker(manage)
    wait_for_the_middle(full)
    server.pause()  # and the worker waits, and says that it is alive
    try:
        wait_until(lambda: PurgeRun.objects.filter(pk=lost.pk, keys_deleted__gt=0).exists(), what="a sign of life")
        process.send_signal(signal.SIGKILL)
        process.communicate()
    finally:
        server.resume()
    lost.refresh_from_db()
    assert lost.status == "running"
    # What is told is true, and of every deal that lost keys.
    assert 0 < lost.keys_deleted <= KEYS + BYSTANDERS - full.dbsize() < KEYS
    assert set(lost.run_deals.values_list("deal_id", "outcome")) == {
        (f"deal-{number}", "interrupted") for number in range(DEALS)
    }
    PurgeRun.objects.update(heartbeat_at=lost.created_at.replace(year=2000))

    again = services.queue(lost.scope, ORIGIN)
    worker(manage).communicate(timeout=60)

    lost.refresh_from_db()
    again.refresh_from_db()
    assert (lost.status, lost.exclusive, again.status) == ("failed", None, "completed")
    assert lost.error == "The process that ran it was lost: no sign of life for a minute."
    assert full.dbsize() == BYSTANDERS


def test_a_worker_that_was_only_asleep_leaves_the_lost_run_alone(manage: Manage, full: redis.Redis) -> None:
    lost = services.queue(LIVE, ORIGIN)
    process = worker(manage)
    wait_for_the_middle(full)
    with asleep(process):
        PurgeRun.objects.update(heartbeat_at=lost.created_at.replace(year=2000))
        other = services.queue(LIVE, ORIGIN)
        services.cancel(other.pk)
        left = full.dbsize()

    lost.refresh_from_db()
    assert (lost.status, lost.report) == ("failed", None)
    # It stops with the pages it has in hand.
    assert left - 200 < full.dbsize() <= left
