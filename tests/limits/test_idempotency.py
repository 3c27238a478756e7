"""Limits and the key of an idempotent request."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from dealpurge.engine.limits import Budget
from dealpurge.models import PurgeRun
from dealpurge.servers.connection import ServerConnection
from tests.support.seeding import HOUR, seed_deal

from .doors import IDLE, KEYS, Doors

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_key_is_free_again_after_a_refusal(deals: redis.Redis, doors: Doors) -> None:
    doors.set({"at_most_deals": 3})
    first = doors.ask(**{"Idempotency-Key": "k"})
    doors.set({"at_most_deals": 4})

    again = doors.ask(**{"Idempotency-Key": "k"})

    assert (first.status_code, again.status_code) == (409, 200)
    assert again.json()["run_id"] != first.json()["run_id"]
    assert deals.keys() == [b"somebody:else"]


def test_a_key_is_free_again_after_a_stop_in_the_count(
    deals: redis.Redis, doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    doors.set({"at_most_deals": 4})
    doors.settings.DEALPURGE_REQUEST_TIMEOUT = 20
    read, overdue = ServerConnection.read, list[bool]()

    def slow(connection: ServerConnection) -> Any:
        reply = read(connection)
        if isinstance(reply, list) and not overdue:  # the first page
            overdue.append(True)
            monkeypatch.setattr("dealpurge.clock.Deadline.passed", property(lambda self: True))
        return reply

    with monkeypatch.context() as patch:
        patch.setattr(ServerConnection, "read", slow)
        first = doors.ask(**{"Idempotency-Key": "k"})
    assert overdue
    body = first.json()
    assert (first.status_code, body["deleted"], body["report"]["status"]) == (503, 0, "cancelled")
    assert body["report"]["deals"]["purged"] == 0
    assert deals.dbsize() == KEYS + 1
    monkeypatch.undo()

    again = doors.ask(**{"Idempotency-Key": "k"})

    assert (again.status_code, again.json()["deals"]["purged"]) == (200, IDLE)


def test_a_second_answer_of_what_stopped_at_its_limit_in_the_deletes(
    deals: redis.Redis, doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is told 503, at which a client tries again."""
    doors.settings.DEALPURGE_SCAN_COUNT = 1
    doors.settings.DEALPURGE_MAX_PLAN_MEMORY = 1
    doors.set({"at_most_keys": KEYS})
    check = Budget.check

    def check_and_write(self: Budget, count: int, keys: int) -> None:
        check(self, count, keys)
        for number in range(50):
            seed_deal(deals, "birch", f"new-{number}", age=2 * HOUR)

    monkeypatch.setattr(Budget, "check", check_and_write)

    first = doors.ask(**{"Idempotency-Key": "k"})
    left = deals.dbsize()
    again = doors.ask(**{"Idempotency-Key": "k"})

    body = first.json()
    assert (first.status_code, body["code"]) == (409, "limit_exceeded")
    assert 0 < body["deleted"] == KEYS + 50 * 5 + 1 - left <= KEYS
    assert body["detail"].startswith("Stopped before more keys than the limit of 20 went")
    assert (again.status_code, again.json()) == (409, body)
    assert deals.dbsize() == left
    assert PurgeRun.objects.count() == 1
