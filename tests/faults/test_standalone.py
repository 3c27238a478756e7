"""One server that dies, is restarted, stalls, refuses or fills up in the middle of a purge."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import pytest
import redis
from pytest_django.fixtures import Settings

from tests.conftest import PointCacheAt
from tests.support.leaks import strangers
from tests.support.proxy import CutRequest, CuttingProxy, cut_every
from tests.support.purging import When, run, while_deleting, while_scanning
from tests.support.seeding import Scene, names, seed_scene
from tests.support.servers import RedisServer, wait_until

pytestmark = pytest.mark.faults

REPLACED = "A Redis server was replaced"
BROKEN = "Replies were lost"


def test_without_a_fault_the_counts_are_exact(client: redis.Redis) -> None:
    scene = seed_scene(client, active_every=5)

    outcome = run(guarded=True)

    scene.assert_purged(client)
    keys = outcome.report.keys
    assert (keys.deleted, keys.vanished, keys.not_removed) == (len(scene.mine), 0, 0)
    assert outcome.report.deals.skipped_active == 300
    assert outcome.report.warnings == ()


@pytest.mark.parametrize("when", [while_scanning, while_deleting])
@pytest.mark.parametrize("guarded", [False, True])
def test_kill_and_restart_with_the_data_of_before(
    server: RedisServer, client: redis.Redis, when: When, guarded: bool
) -> None:
    scene = seed_scene(client, active_every=5 if guarded else 0)
    client.save()

    def strike() -> None:
        server.kill()
        server.start()

    outcome = run(strike, when=when, guarded=guarded)

    scene.assert_purged(client)
    assert outcome.report.keys.not_removed == 0
    if guarded and when is while_scanning:  # nothing was done yet, so planning began anew
        assert outcome.report.keys.deleted == len(scene.mine)
    else:
        assert outcome.report.keys.deleted >= len(scene.mine)
        assert outcome.warned(REPLACED)


def test_a_dry_run_across_a_restart_counts_its_last_full_pass(server: RedisServer, client: redis.Redis) -> None:
    scene = seed_scene(client)

    outcome = run(server.restart, when=while_scanning, dry_run=True)

    assert outcome.report.keys.matched == len(scene.mine)
    assert sum(outcome.report.families.values()) == len(scene.mine)
    assert outcome.warned("A Redis server was replaced, restarted or reshaped during the dry run")
    assert names(client) == scene.all


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize("every", [1_000, 7_777, 31_313])
def test_connection_cut_in_the_middle_of_replies(
    server: RedisServer, client: redis.Redis, cache_at: PointCacheAt, every: int, guarded: bool
) -> None:
    scene = seed_scene(client, active_every=5 if guarded else 0)
    with CuttingProxy(server.address, cut_every(every, 8)) as proxy:
        cache_at(proxy.url)
        outcome = run(guarded=guarded)
        assert proxy.cuts > 5

    scene.assert_purged(client)
    keys = outcome.report.keys
    assert (keys.deleted + keys.vanished, keys.not_removed) == (len(scene.mine), 0)
    assert sum(outcome.report.families.values()) == len(scene.mine)
    assert outcome.warned(BROKEN)
    assert not outcome.warned(REPLACED)


@contextmanager
def killing_connections(server: RedisServer, every: float) -> Iterator[list[int]]:
    """CLIENT KILL on every connection but our own; yields how many were killed each time."""
    over, killed = threading.Event(), list[int]()

    def work() -> None:
        with server.client(client_name="test") as client:
            while not over.wait(every):
                killed.append(client.client_kill_filter(_type="normal", skipme=True))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


DEALS = (("org5", "deal-00012"), ("org0", "deal-00700"))
#: What is asked for; a named deal is one of many, so that the scan goes on after it.
KINDS: dict[str, dict[str, Any]] = {
    "all": {},
    "guarded": {"guarded": True},
    "by_deal": {"mode": "by_deal", "deals": DEALS},
    "by_deal guarded": {"mode": "by_deal", "deals": DEALS, "guarded": True},
}


def narrow(scene: Scene, kind: str) -> Scene:
    """The scene as the kind of purge sees it."""
    if kind.startswith("by_deal"):
        scene.narrow(DEALS)
    return scene


@pytest.mark.parametrize("kind", KINDS)
def test_client_kill_on_every_connection_all_the_time(
    server: RedisServer, client: redis.Redis, settings: Settings, kind: str
) -> None:
    settings.DEALPURGE_SCAN_COUNT = 4 if kind == "by_deal" else 10
    scene = narrow(seed_scene(client, deals=4000, active_every=5 if "guarded" in kind else 0), kind)

    with killing_connections(server, 0.05) as killed:
        outcome = run(**KINDS[kind])

    scene.assert_purged(client)
    assert sum(killed) >= 3
    keys = outcome.report.keys
    assert (keys.deleted + keys.vanished, keys.not_removed) == (len(scene.mine), 0)
    assert keys.vanished == 0 or outcome.warned(BROKEN)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_connection_cut_at_an_exec(
    server: RedisServer, client: redis.Redis, cache_at: PointCacheAt, moment: Literal["before", "after"]
) -> None:
    """Was it done or not? Where nobody can tell, the report says so."""
    scene = seed_scene(client, deals=600, active_every=5)
    counter = itertools.count()

    def cut_request(request: bytes) -> Literal["before", "after"] | None:
        return moment if b"EXEC\r\n" in request and next(counter) % 2 == 0 else None

    with CuttingProxy(server.address, cut_request=cut_request) as proxy:
        cache_at(proxy.url)
        outcome = run(guarded=True)

    scene.assert_purged(client)
    keys = outcome.report.keys
    assert proxy.cuts >= 2
    assert (keys.deleted + keys.vanished, keys.not_removed) == (len(scene.mine), 0)
    assert (keys.vanished == 0) == (moment == "before")
    assert outcome.report.deals.purged == 480
    assert outcome.report.deals.skipped_active == 120
    assert outcome.warned(BROKEN)


@pytest.mark.parametrize("all_of_it", [False, True])
@pytest.mark.parametrize(("timeout", "guarded"), [(5, False), (0.5, True)])
def test_client_pause(
    server: RedisServer, client: redis.Redis, cache_at: PointCacheAt, timeout: float, guarded: bool, all_of_it: bool
) -> None:
    """A pause of writes, or of everything, shorter than the socket's timeout or longer."""
    scene = seed_scene(client, active_every=5 if guarded else 0)
    cache_at(server.url, SOCKET_TIMEOUT=timeout)

    outcome = run(lambda: client.client_pause(3000, all=all_of_it), guarded=guarded)

    scene.assert_purged(client)
    keys = outcome.report.keys
    assert (keys.deleted + keys.vanished, keys.not_removed) == (len(scene.mine), 0)
    assert keys.vanished == 0 or outcome.warned(BROKEN)


@pytest.mark.parametrize("kind", KINDS)
def test_the_pool_of_the_host_does_not_notice(
    server: RedisServer, client: redis.Redis, cache_at: PointCacheAt, kind: str
) -> None:
    """Not even one that lends a single connection, which somebody holds all the while."""
    scene = narrow(seed_scene(client), kind)

    with CuttingProxy(server.address, cut_request=lambda request: None) as proxy:
        pool = cache_at(proxy.url, CONNECTION_POOL_KWARGS={"max_connections": 1}).connection_pool
        lent = pool.get_connection()
        proxy.cut_request = cut_each(b"SCAN", 20)
        run(**KINDS[kind])
        lent.send_command("ECHO", "still here")  # type: ignore[no-untyped-call]
        answer = lent.read_response()
        pool.release(lent)

    scene.assert_purged(client)
    assert proxy.cuts > 2
    assert answer == b"still here"
    assert pool._available_connections == [lent]


def cut_each(word: bytes, times: int) -> CutRequest:
    """Cut every so many of the requests that hold the word."""
    counter = itertools.count(1)
    return lambda request: "before" if word in request and next(counter) % times == 0 else None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dry_run", [True, False])
def test_another_primary_takes_the_name(
    server: RedisServer,
    client: redis.Redis,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cache_at: PointCacheAt,
    kind: str,
    dry_run: bool,
) -> None:
    """As a managed Redis is replaced: the name leads elsewhere, the former primary goes on, and no error is raised."""
    scene = narrow(seed_scene(client, active_every=5 if "guarded" in kind else 0), kind)
    other = RedisServer(kind=server.kind, directory=tmp_path / "other").start()
    other.follow(server)
    address, resolve = [server.address], socket.getaddrinfo

    def lookup(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        return resolve(*(address[-1] if host == "redis.deals.internal" else (host, port)), *args, **kwargs)

    def switch() -> None:
        with other.client(client_name="test") as successor:
            successor.replicaof("NO", "ONE")
        address.append(other.address)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    cache_at("redis://redis.deals.internal:6379/0")
    client.wait(1, 5000)
    try:
        outcome = run(switch, when=while_scanning, dry_run=dry_run, **KINDS[kind])
        with other.client(client_name="test") as successor:
            if dry_run:
                assert sum(outcome.report.families.values()) == len(scene.mine)
            else:
                scene.assert_purged(successor)
        assert strangers(other) == []
    finally:
        other.stop()
    assert outcome.warned(REPLACED)


def test_a_server_that_loads_its_data_is_waited_for(server: RedisServer, client: redis.Redis) -> None:
    scene = seed_scene(client)
    client.save()
    server.options |= {"key-load-delay": "100", "loading-process-events-interval-bytes": "1024"}

    def strike() -> None:
        server.kill()
        server.launch()

    outcome = run(strike)

    scene.assert_purged(client)
    assert "errorstat_LOADING" in client.info("errorstats")
    assert outcome.warned(REPLACED)


def test_a_server_that_stays_dead_ends_the_run_with_its_counts(
    server: RedisServer, client: redis.Redis, settings: Settings
) -> None:
    settings.DEALPURGE_RETRY_SECONDS = 2
    seed_scene(client)
    started = list[float]()

    def strike() -> None:
        server.kill()
        started.append(time.monotonic())

    outcome = run(strike)

    assert outcome.error is not None
    assert outcome.error.reason == "unreachable"
    assert 1.5 < time.monotonic() - started[0] < 5
    assert outcome.struck_at is not None
    assert outcome.report.keys.deleted >= outcome.struck_at[2]
    assert outcome.report.status == "failed"
    assert outcome.warned(BROKEN)


def test_a_server_that_is_down_at_the_start_is_told_soon(server: RedisServer, client: redis.Redis) -> None:
    server.kill()
    started = time.monotonic()

    outcome = run()

    assert outcome.error is not None
    assert outcome.error.reason == "unreachable"
    assert time.monotonic() - started < 15


@pytest.mark.parametrize("guarded", [False, True])
def test_a_primary_that_becomes_a_replica_for_good(
    server: RedisServer, client: redis.Redis, settings: Settings, guarded: bool
) -> None:
    settings.DEALPURGE_RETRY_SECONDS = 2
    scene = seed_scene(client)

    outcome = run(lambda: client.replicaof("127.0.0.1", 1), guarded=guarded)

    client.replicaof("NO", "ONE")
    assert outcome.error is not None
    assert outcome.error.reason == "replica"
    left = names(client)
    assert scene.foreign <= left
    assert outcome.report.keys.deleted == len(scene.mine - left)


@pytest.mark.parametrize("guarded", [False, True])
def test_a_script_that_runs_for_a_second_is_waited_for(server: RedisServer, client: redis.Redis, guarded: bool) -> None:
    """A server that is busy does not say which process it is, and is no other one for that."""
    scene = seed_scene(client)
    client.config_set("lua-time-limit", 10)
    other = server.client(client_name="test")

    def spin() -> None:
        with suppress(redis.RedisError):
            other.eval("while true do end", 0)

    def is_busy() -> bool:
        try:
            client.ping()
        except redis.ResponseError:
            return True
        return False

    def strike() -> None:
        threading.Thread(target=spin).start()
        wait_until(is_busy)
        threading.Timer(1, client.script_kill).start()

    outcome = run(strike, guarded=guarded)

    other.close()
    scene.assert_purged(client)
    assert outcome.report.keys.deleted == len(scene.mine)
    assert outcome.report.warnings == ()


def test_a_primary_that_is_a_replica_for_a_second(server: RedisServer, client: redis.Redis) -> None:
    scene = seed_scene(client)

    def strike() -> None:
        client.replicaof("127.0.0.1", 1)
        threading.Timer(1, lambda: client.replicaof("NO", "ONE")).start()

    outcome = run(strike)

    scene.assert_purged(client)
    assert outcome.report.keys.deleted == len(scene.mine)
