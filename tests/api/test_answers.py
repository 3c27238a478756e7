"""What is answered about a run: that it ended so, cannot begin, waits, works, or was lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from unittest.mock import Mock

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from dealpurge import services
from dealpurge.engine.sweep.selection import Selection
from dealpurge.models import PurgeRun
from dealpurge.runs import record, store
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from tests.conftest import PointCacheAt
from tests.support.seeding import names, seed_deal
from tests.support.servers import RedisServer

from .conftest import RUNS, Bearer, Post

pytestmark = pytest.mark.django_db(transaction=True)

ALL = {"mode": "all", "dry_run": False}
ELSEWHERE = Origin(source="command", actor_name="ann")

Look = Callable[[PurgeRun], dict[str, Any]]


@pytest.fixture
def look(http: Client, superuser: User, bearer: Bearer) -> Look:
    """What GET says of a run."""
    headers = bearer(superuser)

    def get(run: PurgeRun) -> dict[str, Any]:
        answer: Any = http.get(f"{RUNS}/{run.pk}", headers=headers)
        assert (answer.status_code, answer.headers["X-Purge-Run-ID"]) == (200, str(run.pk))
        return dict(answer.json())

    return get


def under_way() -> PurgeRun:
    return store.create(PurgeScope(mode="all", dry_run=False), ELSEWHERE)


# A purge


def test_a_conflict_names_the_run_under_way(post: Post, purged: list[PurgeScope]) -> None:
    other = under_way()

    answer = post(ALL)

    assert (answer.status_code, answer.json()["run_id"]) == (409, str(other.pk))
    assert answer.headers["X-Purge-Run-ID"] == str(other.pk)
    assert purged == []


def test_a_purge_that_could_not_remove_all_is_a_200(
    post: Post, valkey_server: RedisServer, valkey_client: redis.Redis, cache_at: PointCacheAt
) -> None:
    seed_deal(valkey_client, "acme", "deal-1")
    rules = ("on", ">password", "+@all", "~canvas:session:*", "~canvas:image_crop:*")
    valkey_client.execute_command("ACL", "SETUSER", "crops", *rules)  # type: ignore[no-untyped-call]
    cache_at(f"redis://crops:password@127.0.0.1:{valkey_server.port}/0")
    try:
        answer = post(ALL)
    finally:
        valkey_client.acl_deluser("crops")

    report = answer.json()
    assert (answer.status_code, report["status"]) == (200, "partial")
    assert (report["keys"]["deleted"], report["keys"]["not_removed"]) == (3, 1)
    assert names(valkey_client) == {"canvas:lock:acme:deal-1"}


def test_a_purge_that_somebody_stopped_is_a_200(
    post: Post,
    valkey_settings: Settings,
    valkey_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seed_deal(valkey_client, "acme", "deal-1", image_crops=500)
    valkey_settings.DEALPURGE_SCAN_COUNT = 10
    monkeypatch.setattr(record, "HEARTBEAT_SECONDS", 0)
    count = Selection.count_removal

    def count_and_cancel(*args: Any) -> None:
        count(*args)
        services.cancel(PurgeRun.objects.get().pk)

    monkeypatch.setattr(Selection, "count_removal", count_and_cancel)

    answer = post(ALL)

    report = answer.json()
    assert (answer.status_code, report["status"]) == (200, "cancelled")
    assert 0 < report["keys"]["deleted"] == 501 - int(valkey_client.dbsize()) < 501


# A queue


def test_a_queued_run_is_a_202_that_says_which_preference_was_heard(post: Post, settings: Settings) -> None:
    settings.DEALPURGE_ENQUEUE = Mock()

    answer = post(ALL, Prefer="wait=10, Respond-Async; x=1")

    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert answer.headers["Preference-Applied"] == "respond-async"


def test_a_run_that_cannot_be_queued_is_a_503_with_its_id(
    post: Post, settings: Settings, purged: list[PurgeScope]
) -> None:
    settings.DEALPURGE_ENQUEUE = Mock(side_effect=OSError("amqp://user:secret@broker is down"))

    answer = post(ALL, Prefer="respond-async")

    run = PurgeRun.objects.get()
    words = "The run could not be queued, so nothing was purged."
    assert (answer.status_code, answer.json()) == (503, {"detail": words, "run_id": str(run.pk)})
    assert answer.headers["X-Purge-Run-ID"] == str(run.pk)
    assert "Preference-Applied" not in answer.headers
    assert (run.status, purged) == ("failed", [])


# A run


def test_a_run_under_way_tells_how_far_it_is(look: Look) -> None:
    run = under_way()
    PurgeRun.objects.update(keys_scanned=500, keys_total=2000, keys_deleted=30)

    shown = look(run)

    keys = {"scanned": 500, "total": 2000, "deleted": 30, "restored": 0}
    untold = {"pass_number": 1, "phases": [], "servers": [], "waiting": None, "gives_up_in": None, "deals": {}}
    assert shown["progress"] == keys | untold
    assert (shown["status"], shown["cancel_requested"], shown["report"]) == ("running", False, None)


def test_a_run_that_was_told_to_stop_says_so(look: Look) -> None:
    run = under_way()
    services.cancel(run.pk)

    shown = look(run)

    assert (shown["status"], shown["cancel_requested"]) == ("running", True)


def test_a_run_that_is_over_has_its_report(
    look: Look, post: Post, valkey_settings: Settings, valkey_client: redis.Redis
) -> None:
    seed_deal(valkey_client, "acme", "deal-1")
    valkey_client.set("somebody:else", "1")
    report = post(ALL).json()

    shown = look(PurgeRun.objects.get())

    assert (shown["status"], shown["report"]) == ("completed", report)
    progress = shown["progress"]
    assert (progress["scanned"], progress["total"], progress["deleted"], progress["deals"]) == (5, 5, 4, {"purged": 1})
    told = [(phase["name"], phase["state"], phase["done"], phase["total"]) for phase in progress["phases"]]
    assert told == [("scan", "done", 5, 5), ("delete", "done", 4, None), ("record", "done", 1, 1)]


def test_a_run_whose_worker_died_is_found_lost(look: Look) -> None:
    run = under_way()
    PurgeRun.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=2))

    shown = look(run)

    assert (shown["status"], shown["report"]) == ("failed", None)
    assert shown["error"] == "The process that ran it was lost: no sign of life for a minute."
    assert shown["finished_at"] is not None
