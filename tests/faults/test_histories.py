"""Other data under the same process, several processes behind one address, and replicas that take writes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
import redis
from pytest_django.fixtures import Settings

from tests.conftest import PointCacheAt, start_server
from tests.support.proxy import Balancer
from tests.support.purging import When, run, while_deleting, while_scanning
from tests.support.seeding import names, seed_scene
from tests.support.servers import RedisServer

pytestmark = pytest.mark.faults

REPLACED = "A Redis server was replaced"
IN_TURN = "WARNING: the address of Redis leads to several servers in turn"


@pytest.fixture
def other(server: RedisServer, tmp_path: Path) -> Iterator[RedisServer]:
    """Another server of the same kind."""
    other = start_server(server.kind, tmp_path / "other")
    yield other
    other.stop()


@pytest.fixture
def others_client(other: RedisServer) -> Iterator[redis.Redis]:
    with other.client(client_name="test") as client:
        yield client


@pytest.mark.parametrize("when", [while_scanning, while_deleting])
@pytest.mark.parametrize("guarded", [False, True])
def test_the_data_of_another_server_under_the_same_process(
    server: RedisServer, client: redis.Redis, other: RedisServer, others_client: redis.Redis, when: When, guarded: bool
) -> None:
    seed_scene(client, active_every=5 if guarded else 0)
    scene = seed_scene(others_client, deals=2000, active_every=5 if guarded else 0)

    def strike() -> None:
        server.follow(other)
        client.replicaof("NO", "ONE")

    outcome = run(strike, when=when, guarded=guarded)

    assert outcome.error is None
    scene.assert_purged(client)
    assert outcome.warned(REPLACED)


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_first_replica_does_no_harm(
    server: RedisServer, client: redis.Redis, other: RedisServer, guarded: bool, dry_run: bool
) -> None:
    """It changes the history's name, and nothing else: the counts are those of one pass."""
    scene = seed_scene(client, active_every=5)

    outcome = run(lambda: other.follow(server), when=while_scanning, guarded=guarded, dry_run=dry_run)

    keys = outcome.report.keys
    mine = len(scene.mine) if guarded else len(scene.mine | scene.active)
    assert (outcome.error, keys.deleted, keys.not_removed) == (None, 0 if dry_run else mine, 0)
    assert sum(outcome.report.families.values()) == mine
    assert outcome.warned(REPLACED)


@pytest.mark.parametrize("guarded", [False, True])
def test_databases_swapped_in_the_middle(client: redis.Redis, server: RedisServer, guarded: bool) -> None:
    seed_scene(client)
    with server.client(client_name="test", db=1) as second:
        scene = seed_scene(second, deals=2000)

    outcome = run(lambda: client.swapdb(0, 1), when=while_scanning, guarded=guarded)

    scene.assert_purged(client)
    assert outcome.warned(REPLACED)


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("guarded", [False, True])
def test_a_replica_that_takes_writes(
    server: RedisServer,
    client: redis.Redis,
    other: RedisServer,
    others_client: redis.Redis,
    dry_run: bool,
    guarded: bool,
) -> None:
    scene = seed_scene(others_client, deals=20)
    client.config_set("replica-read-only", "no")
    server.follow(other)

    outcome = run(dry_run=dry_run, guarded=guarded)

    assert outcome.error is not None
    assert outcome.error.reason == "replica"
    assert names(client) == names(others_client) == scene.all


def test_a_primary_that_becomes_a_replica_that_takes_writes(
    server: RedisServer, client: redis.Redis, other: RedisServer, settings: Settings
) -> None:
    settings.DEALPURGE_RETRY_SECONDS = 0.5
    seed_scene(client)
    client.config_set("replica-read-only", "no")

    outcome = run(lambda: server.follow(other), when=while_scanning)

    assert outcome.error is not None
    assert outcome.error.reason == "replica"


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize("dry_run", [False, True])
def test_an_address_that_leads_to_two_primaries_in_turn(
    server: RedisServer,
    client: redis.Redis,
    other: RedisServer,
    others_client: redis.Redis,
    cache_at: PointCacheAt,
    guarded: bool,
    dry_run: bool,
) -> None:
    for one in (client, others_client):
        seed_scene(one, deals=20)

    with Balancer(server.address, other.address) as balancer:
        cache_at(balancer.url)
        outcome = run(guarded=guarded, dry_run=dry_run)

    assert outcome.warned(IN_TURN)


def test_a_guarded_purge_that_goes_on_with_the_other_primary(
    server: RedisServer, client: redis.Redis, other: RedisServer, others_client: redis.Redis, cache_at: PointCacheAt
) -> None:
    """Planned here, and deleted there after a lost connection: what is left here is gone over again, and told."""
    scene = seed_scene(client, deals=300)
    seed_scene(others_client, deals=300)
    counter = itertools.count()

    def cut_request(request: bytes) -> Literal["before", "after"] | None:
        return "before" if b"EXEC\r\n" in request and next(counter) == 0 else None

    with Balancer(server.address, other.address, *[server.address] * 20, cut_request=cut_request) as balancer:
        cache_at(balancer.url)
        outcome = run(guarded=True)
        assert balancer.cuts == 1

    scene.assert_purged(client)
    assert outcome.warned(IN_TURN)


@pytest.mark.parametrize("guarded", [False, True])
def test_one_server_by_several_addresses(
    server: RedisServer, client: redis.Redis, cache_at: PointCacheAt, guarded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a name with an address of each kind: it is the same process."""
    scene = seed_scene(client, deals=20)
    addresses = (f"('192.0.2.{number}', 6379)" for number in itertools.count(1))
    monkeypatch.setattr("dealpurge.servers.connection.peer_of", lambda connection: next(addresses))

    outcome = run(guarded=guarded)

    scene.assert_purged(client)
    assert outcome.report.warnings == ()
