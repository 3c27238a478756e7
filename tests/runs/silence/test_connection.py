"""The connection is the host's: it is as it was, and only a silence ends it."""

from __future__ import annotations

import threading
from typing import Any
from unittest.mock import Mock

import pytest
import redis
from django.db import OperationalError, connection

from dealpurge import services
from dealpurge.exceptions import RunLost
from dealpurge.models import PurgeRun
from dealpurge.runs import database, silence
from tests.support.runs import LIVE, ORIGIN

from .trouble import FIRST_ROW, HEARTBEAT, TOO_LONG, ended_after, note_params, postgresql_only, silent_after, wrapper

pytestmark = pytest.mark.django_db(transaction=True)


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
