from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings
from redis.cluster import RedisCluster

from dealpurge.servers import parallel
from tests.conftest import start_server
from tests.support.cluster import Ring
from tests.support.leaks import nothing_left_behind, strangers
from tests.support.servers import RedisServer

KINDS = ("redis", "valkey")


@pytest.fixture(autouse=True)
def _nothing_is_left_behind() -> Iterator[None]:
    """Neither a thread nor a connection of ours outlives the test, on nodes that are gone no more than on others."""
    with nothing_left_behind():
        yield


@pytest.fixture(scope="session", params=KINDS)
def steady_ring(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ring]:
    """Three primaries that no test breaks."""
    ring = Ring(request.param, tmp_path_factory.mktemp(f"ring-{request.param}")).start()
    yield ring
    ring.stop()


@pytest.fixture
def ring(steady_ring: Ring, settings: Settings) -> Iterator[Ring]:
    """The emptied cluster, which the settings name; afterwards no connection is left on it but the test's own."""
    yield from in_use(steady_ring, settings)


@pytest.fixture
def kind() -> str:
    """Which servers `own_ring` is made of."""
    return "redis"


@pytest.fixture
def own_ring(kind: str, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ring]:
    """A cluster of this test's own, to be torn; the first primary has a replica.

    Small pages and many looks at the threads, so that a run has a middle, and a fault strikes in it.
    """
    settings.DEALPURGE_SCAN_COUNT = 10
    monkeypatch.setattr(parallel, "TICK", 0.001)
    ring = Ring(kind, tmp_path / "ring", replicas=1).start()
    try:
        yield from in_use(ring, settings)
    finally:
        ring.stop()


def in_use(ring: Ring, settings: Settings) -> Iterator[Ring]:
    ring.flush()
    clients: list[RedisCluster] = []

    def client() -> RedisCluster:
        clients.append(ring.client())
        return clients[-1]

    settings.DEALPURGE_REDIS_CLIENT = client
    yield ring
    for made in clients:
        made.close()
    # MIGRATE keeps a connection from node to node open for a while.
    left = [name for server in ring.primaries() for name in strangers(server) if not name.startswith("restore")]
    assert left == [], "a connection is left behind"


@pytest.fixture
def cluster(ring: Ring) -> Iterator[RedisCluster]:
    """The test's own client of `ring`."""
    with ring.client(client_name="test") as client:
        yield client


@pytest.fixture
def spare(ring: Ring, tmp_path: Path) -> Iterator[RedisServer]:
    """An empty server of the kind that the ring is made of, without slots."""
    server = start_server(ring.kind, tmp_path / "spare")
    yield server
    server.stop()
