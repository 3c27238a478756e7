"""``Retry-After`` stands beside a refusal where waiting helps, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args
from unittest.mock import Mock

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import Error, InterfaceError, OperationalError
from django.test import Client
from knox.auth import TokenAuthentication
from pytest_django.fixtures import Settings

from dealpurge import services
from dealpurge.engine import purging
from dealpurge.exceptions import (
    ArchiveUnavailable,
    OutOfTime,
    PurgeConfigurationError,
    RedisFailure,
    RedisUnavailable,
    RunLost,
)
from dealpurge.models import PurgeRun
from dealpurge.runs import database, store
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from tests.support.databases import locked_database

from .conftest import RUNS, Bearer, Post

pytestmark = pytest.mark.django_db(transaction=True)

ALL = {"mode": "all", "dry_run": False}
ASYNC = {"Prefer": "respond-async"}
#: Seconds.
BUSY, OUTAGE = "10", "30"


def raising(exc: Exception) -> Callable[..., Any]:
    return Mock(side_effect=exc)


def test_another_purge_of_all_deals_ends_some_time(post: Post) -> None:
    store.create(PurgeScope(mode="all", dry_run=False), Origin(source="command"))

    answer = post(ALL)

    assert (answer.status_code, answer.headers.get("Retry-After")) == (409, BUSY)


def test_a_run_that_is_over_cannot_be_cancelled_later_either(http: Client, superuser: Any, bearer: Bearer) -> None:
    run = store.create(PurgeScope(mode="all"), Origin(source="command"))
    PurgeRun.objects.update(status="completed")

    answer = http.post(f"{RUNS}/{run.pk}/cancel", headers=bearer(superuser))

    assert (answer.status_code, answer.headers.get("Retry-After")) == (409, None)


@pytest.mark.parametrize("reason", get_args(RedisFailure))
def test_redis_that_is_away_may_come_back(post: Post, monkeypatch: pytest.MonkeyPatch, reason: RedisFailure) -> None:
    monkeypatch.setattr(purging, "purge", raising(RedisUnavailable(reason, "Redis.")))

    answer = post(ALL)

    expected = OUTAGE if reason == "unreachable" else None
    assert (answer.status_code, answer.headers.get("Retry-After")) == (503, expected)


def test_a_storage_that_is_away_may_come_back(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purging, "purge", raising(ArchiveUnavailable("The archive.")))

    answer = post(ALL)

    assert (answer.status_code, answer.headers.get("Retry-After")) == (503, OUTAGE)


def test_a_redis_that_is_not_there(post: Post) -> None:
    assert post(ALL).headers["Retry-After"] == OUTAGE


@pytest.mark.parametrize("error", [PurgeConfigurationError("A setting."), RunLost("Gone.")], ids=repr)
def test_what_does_not_pass(post: Post, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(purging, "purge", raising(error))

    answer = post(ALL)

    assert (answer.status_code, answer.headers.get("Retry-After")) == (503, None)


def test_the_same_takes_as_long_again(post: Post, settings: Settings) -> None:
    settings.DEALPURGE_REQUEST_TIMEOUT = 1e-9

    answer = post(ALL)

    assert OutOfTime.retry_after is None
    assert (answer.status_code, answer.headers.get("Retry-After")) == (503, None)


@pytest.mark.parametrize(
    ("error", "expected"), [(ConnectionError("no broker"), OUTAGE), (ImproperlyConfigured("no such queue"), None)]
)
def test_a_queue_that_is_away_may_come_back(
    post: Post, settings: Settings, error: Exception, expected: str | None
) -> None:
    settings.DEALPURGE_ENQUEUE = raising(error)

    answer = post(ALL, **ASYNC)

    assert (answer.status_code, answer.headers.get("Retry-After")) == (503, expected)
    assert answer.headers["X-Purge-Run-ID"] == str(PurgeRun.objects.get().pk)


def test_a_queue_that_leads_nowhere_does_not(post: Post, settings: Settings) -> None:
    settings.DEALPURGE_ENQUEUE = "no.such.callable"

    answer = post(ALL, **ASYNC)

    assert (answer.status_code, answer.headers.get("Retry-After")) == (503, None)


# The database


def test_a_database_in_trouble_may_recover(post: Post) -> None:
    with locked_database():
        answer = post(ALL)

    assert (answer.status_code, answer.headers.get("Retry-After")) == (503, OUTAGE)


@pytest.mark.parametrize("error", [OperationalError("away"), InterfaceError("closed")], ids=repr)
def test_a_token_that_cannot_be_looked_up(post: Post, monkeypatch: pytest.MonkeyPatch, error: Error) -> None:
    monkeypatch.setattr(TokenAuthentication, "authenticate", raising(error))

    assert post(ALL).headers["Retry-After"] == OUTAGE


def test_a_migration_that_is_missing_is_no_outage(post: Post) -> None:
    call_command("migrate", "dealpurge", "0005", verbosity=0)
    try:
        answer = post(ALL)
    finally:
        call_command("migrate", "dealpurge", verbosity=0)

    assert (answer.status_code, answer.json()) == (503, {"detail": database.MIGRATE})
    assert "Retry-After" not in answer.headers


def test_nor_is_a_user_who_was_deleted(post: Post, monkeypatch: pytest.MonkeyPatch, superuser: Any) -> None:
    start = services.start

    def late(*args: Any, **options: Any) -> Any:
        superuser.delete()
        return start(*args, **options)

    monkeypatch.setattr(services, "start", late)

    answer = post(ALL)

    assert (answer.status_code, answer.json()) == (503, {"detail": database.WORDS})
    assert "Retry-After" not in answer.headers
