"""What may stand before a Redis: what shows a part of the keys is refused, what is only unusual is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis

from dealpurge.servers import backoff
from tests.conftest import PointCacheAt, start_server
from tests.support.proxy import CuttingProxy
from tests.support.purging import run
from tests.support.seeding import names, seed_scene
from tests.support.servers import RedisServer, free_port, wait_until
from tests.support.sharding_proxy import ENVOYS_INFO, ShardingProxy

pytestmark = pytest.mark.faults

SHARDING = "A proxy that spreads the keys over several servers"
LIKELY = "WARNING: most likely a proxy"
UNVERIFIED = "INFO is refused or unknown here"


@pytest.fixture
def pair(server: RedisServer, client: redis.Redis, tmp_path: Path) -> Iterator[list[RedisServer]]:
    """Two servers with deals on each."""
    other = start_server(server.kind, tmp_path / "other")
    with other.client(client_name="test") as others:
        for one in (client, others):
            seed_scene(one, deals=20)
    yield [server, other]
    other.stop()


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize("clusters", ["unknown", "disabled"])
def test_a_proxy_that_shards_is_refused(
    pair: Sequence[RedisServer],
    client: redis.Redis,
    cache_at: PointCacheAt,
    dry_run: bool,
    guarded: bool,
    clusters: str,
) -> None:
    """The command CLUSTER is unknown to it, or goes to one of its servers, which is no cluster."""
    before = names(client)
    unknown = ("DBSIZE", "CLUSTER") if clusters == "unknown" else ("DBSIZE",)
    with ShardingProxy(pair, replies={"INFO": ENVOYS_INFO}, unknown=unknown) as proxy:
        cache_at(proxy.url)
        outcome = run(dry_run=dry_run, guarded=guarded)

    assert outcome.error is not None
    assert (outcome.error.reason, SHARDING in str(outcome.error)) == ("refused", True)
    assert names(client) == before


def test_a_proxy_that_likely_shards_is_warned_of(pair: Sequence[RedisServer], cache_at: PointCacheAt) -> None:
    with ShardingProxy(pair, unknown=("INFO", "DBSIZE", "CLUSTER")) as proxy:
        cache_at(proxy.url)
        outcome = run(dry_run=True)

    assert (outcome.error, outcome.warned(LIKELY)) == (None, True)


@pytest.mark.parametrize(
    ("odd", "unverified"),
    [
        ({"unknown": ("INFO",)}, True),
        ({"unknown": ("INFO", "CLUSTER")}, True),
        ({"refused": ("INFO", "CLUSTER")}, True),
        ({"refused": ("INFO", "CLUSTER", "DBSIZE")}, True),
        ({"refused": ("DBSIZE",)}, False),
        ({"unknown": ("DBSIZE",)}, False),
        ({"unknown": ("CLUSTER", "HELLO", "CLIENT")}, False),
        ({"replies": {"INFO": b"# Proxy\nVersion:1.0.5\nName:predixy\n"}, "unknown": ("DBSIZE", "CLUSTER")}, True),
    ],
)
def test_what_is_healthy_stays_as_it_is(
    server: RedisServer, client: redis.Redis, cache_at: PointCacheAt, odd: dict[str, Any], unverified: bool
) -> None:
    """Managed servers without INFO, users without DBSIZE or CLUSTER, a proxy with an INFO of its own."""
    scene = seed_scene(client, deals=20)
    with ShardingProxy([server], **odd) as proxy:
        cache_at(proxy.url)
        outcome = run()

    assert outcome.error is None
    assert [warning[: len(UNVERIFIED)] for warning in outcome.report.warnings] == [UNVERIFIED] * unverified
    scene.assert_purged(client)


@pytest.mark.parametrize("guarded", [False, True])
def test_a_proxy_of_bytes_before_one_server(
    server: RedisServer, client: redis.Redis, cache_at: PointCacheAt, guarded: bool
) -> None:
    scene = seed_scene(client, deals=20)
    with CuttingProxy(server.address) as proxy:
        cache_at(proxy.url)
        outcome = run(guarded=guarded)

    assert (outcome.error, outcome.report.warnings) == (None, ())
    scene.assert_purged(client)


@pytest.mark.parametrize("closing", ["HELLO", "CLIENT", "INFO"])
def test_a_proxy_that_hangs_up_is_not_taken_for_tls(
    server: RedisServer, cache_at: PointCacheAt, closing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As nutcracker does upon a command that it does not know."""
    monkeypatch.setattr(backoff, "FIRST_SECONDS", 0.1)
    with ShardingProxy([server], closing=(closing,)) as proxy:
        cache_at(proxy.url.replace("?protocol=2", "") if closing == "HELLO" else proxy.url)
        outcome = run()

    assert outcome.error is not None
    assert "drops them" in str(outcome.error)
    assert "TLS" not in str(outcome.error)


# Cluster rules behind a plain address


@pytest.fixture(scope="module")
def cluster_of_one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], redis.Redis]]:
    """A client of a process of that kind that has all slots; the process is started once."""
    running: dict[str, RedisServer] = {}

    def of(kind: str) -> redis.Redis:
        if kind not in running:
            options = {"cluster-enabled": "yes", "cluster-port": str(free_port())}
            running[kind] = start_server(kind, tmp_path_factory.mktemp(kind), **options)
        client = running[kind].client(client_name="test")
        words = ("ADDSLOTSRANGE", 0, 16383)
        with suppress(redis.ResponseError):  # it has them already
            client.execute_command("CLUSTER", *words)  # type: ignore[no-untyped-call]
        wait_until(lambda: client.cluster("info")["cluster_state"] == "ok", what="a cluster")
        client.flushall()
        return client

    yield of
    for server in running.values():
        server.stop()


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize("rules", [(), ("-info",), ("-cluster",), ("-info", "-cluster")])
def test_a_cluster_of_one_is_purged(
    cluster_of_one: Callable[[str], redis.Redis],
    server_kind: str,
    cache_at: PointCacheAt,
    guarded: bool,
    rules: tuple[str, ...],
) -> None:
    with cluster_of_one(server_kind) as client:
        user = ("purger", "reset", "on", ">pw", "~*", "+@all", *rules)
        client.execute_command("ACL", "SETUSER", *user)
        cache_at(f"redis://purger:pw@127.0.0.1:{client.connection_pool.connection_kwargs['port']}/0")
        scene = seed_scene(client, deals=30, active_every=5 if guarded else 0)
        dry = run(dry_run=True, guarded=guarded)

        outcome = run(guarded=guarded)

        assert outcome.error is None
        assert (outcome.report.deals.purged, dry.report.deals.purged) == (24 if guarded else 30,) * 2
        assert outcome.report.keys.deleted == len(scene.mine)
        scene.assert_purged(client)


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("guarded", [False, True])
def test_one_node_of_several_is_refused_by_its_slots(
    server: RedisServer, client: redis.Redis, cache_at: PointCacheAt, dry_run: bool, guarded: bool
) -> None:
    slots = [[0, 8191, [b"10.0.0.1", 6379, b"a" * 40]], [8192, 16383, [b"10.0.0.2", 6379, b"b" * 40]]]
    seed_scene(client, deals=5)
    before = names(client)
    with ShardingProxy([server], replies={"INFO": ENVOYS_INFO, "CLUSTER": slots}) as proxy:
        cache_at(proxy.url)
        outcome = run(dry_run=dry_run, guarded=guarded)

    assert outcome.error is not None
    assert "DEALPURGE_REDIS_CLIENT" in str(outcome.error)
    assert names(client) == before
