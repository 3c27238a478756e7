"""What else waits than a reply: handshakes, Sentinels, threads on a cluster; and a run as a whole."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import redis
from redis.connection import ConnectionPool, SSLConnection

from dealpurge.exceptions import RunLost
from dealpurge.servers import backoff, construction, parallel, sockets
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.errors import Departed, Stopped
from dealpurge.servers.parallel import on_each
from dealpurge.servers.sentinel import Sentinels
from tests.conftest import PointCacheAt
from tests.support.purging import purge
from tests.support.scripted import ScriptedServer, Trickle
from tests.support.seeding import key_of
from tests.support.sentinel import readme_options
from tests.support.waiting import PAGE, Asked, connect, trickling

pytestmark = pytest.mark.usefixtures("short_waits")


def test_a_handshake_that_is_not_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "LONGEST_STEP", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pool = ConnectionPool(
            host="127.0.0.1", port=listener.getsockname()[1], connection_class=SSLConnection, socket_timeout=10
        )
        began = time.monotonic()

        with pytest.raises(redis.TimeoutError):
            ServerConnection(pool, lambda: True).connect()

        assert time.monotonic() - began < 3


def test_a_handshake_is_not_begun_once_the_run_is_to_end(
    monkeypatch: pytest.MonkeyPatch, time_passes: Callable[[float], None]
) -> None:
    told = Asked(until=0)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pool = ConnectionPool(host="127.0.0.1", port=listener.getsockname()[1], connection_class=SSLConnection)
        connection = ServerConnection(pool, lambda: True)
        connect = SSLConnection.__mro__[1]._connect  # type: ignore[attr-defined]

        def late(self: Any) -> Any:
            connection.keep_going = told
            time_passes(2 * backoff.ASK_EVERY)
            return connect(self)

        monkeypatch.setattr(SSLConnection.__mro__[1], "_connect", late)
        with pytest.raises(Stopped):
            connection.connect()
        peer, _ = listener.accept()
        assert peer.recv(1) == b""
        peer.close()


@pytest.mark.parametrize("error", [None, RunLost("taken for lost")])
def test_while_a_sentinel_is_waited_for(cache_at: PointCacheAt, error: Exception | None) -> None:
    """However long the host would wait for it."""
    with ScriptedServer((), deliver=Trickle(b"SENTINEL")) as sentinel:
        location, options = readme_options(("127.0.0.1", sentinel.port))
        cache_at(location, **options, SENTINEL_KWARGS={"socket_timeout": 60})
        asked = Asked(until=5)
        asked.error = error
        began = time.monotonic()

        if error:
            with pytest.raises(RunLost):
                purge(keep_going=asked)
        else:
            assert purge(keep_going=asked).status == "cancelled"

        assert time.monotonic() - began < 5
        sentinel.deliver.let_go(1000)  # type: ignore[attr-defined]


def test_no_sentinel_is_waited_for_for_long(cache_at: PointCacheAt) -> None:
    location, options = readme_options(("127.0.0.1", 1))
    timeouts = {"socket_timeout": 60, "socket_connect_timeout": 60}
    pool: Any = cache_at(location, **options, SENTINEL_KWARGS=timeouts)
    (ours,) = Sentinels(pool.connection_pool, lambda: True)._pools

    named = ours.connection_kwargs
    assert (named["socket_timeout"], named["socket_connect_timeout"]) == (
        construction.LONGEST_SOCKET_TIMEOUT,
        construction.LONGEST_STEP,
    )


# Threads


def test_threads_ask_through_the_one_that_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "STALE_AFTER", 0.01)
    with trickling() as (trickle, server):
        asked = Asked(lambda: trickle.let_go(2))
        connections = [connect(server.port, lambda: True) for _ in range(2)]
        pages = list[Any]()

        def work(connection: ServerConnection) -> bool:
            pages.append(connection.ask("SCAN", 0))
            return True

        assert on_each(connections, work, asked)

        assert pages == [PAGE, PAGE]
        assert asked.threads == {threading.get_ident()}
        assert asked.times > 10
        trickle.let_go(1000)
        for connection in connections:
            connection.close()


@pytest.mark.parametrize("error", [None, RunLost("taken for lost")])
def test_threads_that_wait_are_told(error: Exception | None) -> None:
    with trickling() as (_, server):
        asked = Asked(until=3)
        asked.error = error
        connections = [connect(server.port, lambda: True, socket_timeout=10) for _ in range(2)]
        began = time.monotonic()

        with pytest.raises(RunLost if error else Stopped):
            on_each(connections, lambda it: bool(it.ask("SCAN", 0)), asked)

        assert time.monotonic() - began < 5
        assert [connection.broken for connection in connections] == [True, True]


def test_a_thread_reads_what_it_is_owed_although_another_one_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody answers its question whether to go on any more."""
    monkeypatch.setattr(parallel, "STALE_AFTER", 0.01)
    monkeypatch.setattr(backoff, "GRACE", 3)
    with trickling() as (trickle, server):
        connections = [connect(server.port, lambda: True) for _ in range(2)]
        pages = list[Any]()

        def work(connection: ServerConnection) -> bool:
            if connection is connections[0]:
                raise Departed("node")
            pages.append(connection.ask("SCAN", 0))
            return True

        may_go_on = parallel.Crew.may_go_on

        def watched(self: parallel.Crew) -> bool:
            going = may_go_on(self)
            if self.stop.is_set():
                trickle.let_go(1000)
            return going

        monkeypatch.setattr(parallel.Crew, "may_go_on", watched)
        with pytest.raises(Departed):
            on_each(connections, work, lambda: True)

        assert pages == [PAGE]
        for connection in connections:
            connection.close()


# The whole of it


@pytest.mark.parametrize("comes", [True, False])
def test_a_sweep_that_is_stopped_in_the_middle_of_a_page(cache_at: PointCacheAt, comes: bool) -> None:
    """The UNLINK that was sent behind the page is in the counts where its answer comes in time."""
    trickle = Trickle(b"SCAN", 10_000)
    trickle.let_go()  # the first page
    with ScriptedServer([key_of("image_crops", "acme", "deal-1", number) for number in range(250)]) as server:
        server.deliver = trickle
        cache_at(server.url)
        told = False

        def keep_going() -> bool:
            nonlocal told
            told = told or server.asked["SCAN"] > 1
            if told and comes:
                trickle.let_go()
            return not told

        began = time.monotonic()
        report = purge(keep_going=keep_going)

        assert time.monotonic() - began < 3
        trickle.let_go(1000)
    assert report.status == "cancelled"
    assert report.keys.deleted == (100 if comes else 0)
    assert any(warning.startswith("Replies were lost") for warning in report.warnings) != comes
