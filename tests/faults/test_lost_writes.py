"""Servers that come back with older data in the middle of a guarded purge: who was seen active stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis

from dealpurge.engine.guard.active_deals import LOST_WRITES_WARNING
from tests.conftest import PointCacheAt, start_server
from tests.support.proxy import CuttingProxy
from tests.support.purging import Outcome, run
from tests.support.seeding import HOUR, key_of, names, seed_deal, touch
from tests.support.servers import RedisServer

pytestmark = pytest.mark.faults

#: All of them are looked at before the first is deleted, thirty to a transaction.
DEALS = [f"deal-{number:02}" for number in range(100)]
ACTIVE = DEALS[::5]
IDLE = sorted({*DEALS} - {*ACTIVE})


@pytest.fixture
def history(client: redis.Redis) -> Callable[[], None]:
    """What is saved: deals that are all idle. Then some of them become active."""
    for deal_id in DEALS:
        seed_deal(client, "acme", deal_id, age=2 * HOUR, image_crops=28)
    client.set("canvas:image_crop:acme:deal-00:saved", "x")

    def goes_on() -> None:
        for deal_id in ACTIVE:
            touch(client, "acme", deal_id)

    return goes_on


def middle(scanned: int, total: int, deleted: int) -> bool:
    return deleted > 500


def assert_left(outcome: Outcome, client: redis.Redis) -> None:
    """The active ones, of whose events the server knows nothing any more; and the report says so."""
    left = {key.rsplit(":deal-")[1][:2] for key in names(client)}
    assert left == {deal_id[-2:] for deal_id in ACTIVE}
    assert all(client.exists(key_of("locks", "acme", deal_id)) for deal_id in ACTIVE)
    deals = outcome.report.deals
    assert (deals.matched, deals.purged, deals.skipped_active) == (len(DEALS), len(IDLE), len(ACTIVE))
    assert outcome.warned(LOST_WRITES_WARNING[:40])


def test_a_restart_with_data_from_before_the_last_events(
    server: RedisServer, client: redis.Redis, history: Callable[[], None]
) -> None:
    client.save()
    history()

    def strike() -> None:
        server.kill()
        server.start()

    assert_left(run(strike, when=middle, guarded=True), client)


def test_a_replica_is_promoted_that_lags_behind(
    server: RedisServer,
    client: redis.Redis,
    history: Callable[[], None],
    replica: RedisServer,
    cache_at: PointCacheAt,
) -> None:
    replica.follow(server)
    replica.client().replicaof("no", "one")
    history()
    with CuttingProxy(server.address) as proxy:
        cache_at(proxy.url)

        def strike() -> None:
            server.kill()
            proxy.target = replica.address

        outcome = run(strike, when=middle, guarded=True)

    assert_left(outcome, replica.client())


@pytest.fixture
def replica(server_kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = start_server(server_kind, tmp_path_factory.mktemp("replica"))
    yield server
    server.stop()


def test_events_that_are_gone_altogether(server: RedisServer, client: redis.Redis) -> None:
    """The data are from before these deals had any event, and from before one of them was."""
    for deal_id in DEALS:
        seed_deal(client, "acme", deal_id, age=None, image_crops=28)
    client.delete(*client.keys("*:deal-00*"))
    client.save()
    seed_deal(client, "acme", "deal-00", age=0)
    for deal_id in ACTIVE:
        touch(client, "acme", deal_id)

    def strike() -> None:
        server.kill()
        server.start()

    outcome = run(strike, when=middle, guarded=True)

    left = {key.rsplit(":deal-")[1][:2] for key in names(client)}
    assert left == {deal_id[-2:] for deal_id in ACTIVE} - {"00"}
    assert outcome.report.deals.skipped_active == len(ACTIVE)
    assert outcome.warned(LOST_WRITES_WARNING[:40])


def test_org_less_keys_stay_with_a_deal_that_was_active(server: RedisServer, client: redis.Redis) -> None:
    """The deal itself is gone with its events; what is left of it has no organisation."""
    for deal_id in DEALS:
        client.set(f"checkpoint:{deal_id}:x", "x")
    client.save()
    for number, deal_id in enumerate(DEALS):
        seed_deal(client, "acme", deal_id, age=0 if deal_id in ACTIVE else 2 * HOUR, image_crops=28 + number % 2)

    def strike() -> None:
        server.kill()
        server.start()

    run(strike, when=middle, guarded=True, include_checkpoints=True)

    assert names(client) == {f"checkpoint:{deal_id}:x" for deal_id in ACTIVE}
