from __future__ import annotations

import socket
from typing import Any

import pytest
import redis

from dealpurge.engine import passes
from dealpurge.engine.guard import guarded_pass, lookahead
from dealpurge.engine.guard.lookahead import Scout
from dealpurge.engine.guard.plan import Plan
from dealpurge.engine.sweep.tally import Tally
from dealpurge.keys.families import Keyspace
from dealpurge.scope import PurgeScope
from dealpurge.servers.connection import Identity, Link
from tests.support.purging import HOUR, names, purge, seed_deal

pytestmark = pytest.mark.usefixtures("deal_settings")

DEALS = 120


@pytest.fixture(autouse=True)
def _always(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second connection, few keys or many, and several looks."""
    monkeypatch.setattr(guarded_pass, "KEYS_FOR_TWO", 1)
    monkeypatch.setattr(lookahead, "LOOKED_AT_ONCE", 16)


@pytest.fixture
def kept(redis_client: redis.Redis) -> set[str]:
    """Every fourth deal is active; the keys of those."""
    deals = {n: seed_deal(redis_client, "acme", f"d{n:03}", age=HOUR * (n % 4) * 2) for n in range(DEALS)}
    return {key for n, keys in deals.items() if n % 4 == 0 for key in keys}


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Link]:
    """The link of every look ahead."""
    found, opened = list[Link](), Scout.open

    def noting(self: Scout) -> None:
        found.append(self.link)
        opened(self)

    monkeypatch.setattr(Scout, "open", noting)
    return found


def assert_purged(client: redis.Redis, kept: set[str]) -> None:
    report = purge(exclude_active_within_secs=HOUR)

    assert names(client) == kept
    assert (report.deals.purged, report.deals.skipped_active) == (DEALS * 3 // 4, DEALS // 4)
    assert (report.keys.deleted, report.keys.vanished) == (DEALS * 3 // 4 * 5, 0)
    assert report.warnings == ()


def test_deals_are_looked_at_over_a_connection_of_their_own(
    redis_client: redis.Redis, kept: set[str], looks: list[Link]
) -> None:
    assert_purged(redis_client, kept)

    assert len(looks) == 1
    assert looks[0]._connection is None  # closed


def test_few_keys_or_a_dry_run_need_no_second_one(
    redis_client: redis.Redis, kept: set[str], looks: list[Link], monkeypatch: pytest.MonkeyPatch
) -> None:
    purge(exclude_active_within_secs=HOUR, dry_run=True)
    monkeypatch.setattr(guarded_pass, "KEYS_FOR_TWO", 10_000)

    assert_purged(redis_client, kept)

    assert looks == []


@pytest.mark.parametrize("stage", range(1, 12))
def test_the_first_connection_goes_on_alone_when_the_second_is_lost(
    redis_client: redis.Redis, kept: set[str], monkeypatch: pytest.MonkeyPatch, stage: int
) -> None:
    step, steps = Scout._step, iter(range(1, 1000))

    def cut(self: Scout) -> None:
        if next(steps) == stage:
            self.link._connection._sock.shutdown(socket.SHUT_RDWR)
        step(self)

    monkeypatch.setattr(Scout, "_step", cut)

    assert_purged(redis_client, kept)
    assert next(steps) - stage in (1, 2)  # what had come before may still have been read, and no more


def test_where_no_second_connection_can_be_had_one_is_enough(
    redis_client: redis.Redis, kept: set[str], looks: list[Link]
) -> None:
    before = str(redis_client.config_get("maxclients")["maxclients"])
    clients = int(redis_client.info("clients")["connected_clients"])
    redis_client.config_set("maxclients", str(clients + 1))
    try:
        assert_purged(redis_client, kept)
    finally:
        redis_client.config_set("maxclients", before)

    assert looks == []


def test_another_process_at_the_same_address_is_not_asked(
    redis_client: redis.Redis, kept: set[str], looks: list[Link], monkeypatch: pytest.MonkeyPatch
) -> None:
    connect, links = Link.connect, list[Link]()

    def elsewhere(self: Link) -> None:
        connect(self)
        links.append(self)
        if len(links) == 2:  # the first one plans, the last one makes sure
            self.processes[-1] = Identity("somebody else", self.identity.address)

    monkeypatch.setattr(Link, "connect", elsewhere)

    assert_purged(redis_client, kept)
    assert (len(links), looks) == (3, [])
    assert all(link._connection is None for link in links)


def test_nothing_is_looked_at_twice(redis_client: redis.Redis, kept: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    taken, make = list[bytes](), Plan.unit

    def taking(self: Plan, token: bytes) -> Any:
        taken.append(token)
        return make(self, token)

    monkeypatch.setattr(Plan, "unit", taking)

    assert_purged(redis_client, kept)
    assert taken == sorted(set(taken))
    assert len(taken) == DEALS


def test_where_all_are_active_it_is_asked_whether_to_go_on(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookahead, "LOOKED_AT_ONCE", 1)
    for number in range(DEALS):
        seed_deal(redis_client, "acme", f"d{number}", age=1)
    asked = iter(range(1, 1000))

    report = purge(exclude_active_within_secs=HOUR, pulse=lambda: next(asked) < DEALS // 2)

    assert (report.status, report.keys.deleted) == ("cancelled", 0)
    assert 0 < report.deals.skipped_active < DEALS // 2


def test_what_ends_the_run_before_its_first_deal_leaves_no_deal_purged(
    redis_client: redis.Redis, kept: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, connect, made = names(redis_client), Link.connect, list[Link]()

    def connecting(self: Link) -> None:
        made.append(self)
        if len(made) == 2:
            raise KeyboardInterrupt
        connect(self)

    monkeypatch.setattr(Link, "connect", connecting)
    scope, tally = PurgeScope(mode="all", exclude_active_within_secs=HOUR, dry_run=False), Tally()

    with pytest.raises(KeyboardInterrupt):
        passes.purge(scope, Keyspace.from_settings(), tally, lambda: True)

    assert names(redis_client) == before
    assert list(tally.outcomes()) == []


def test_a_process_that_does_not_say_which_it_is_has_one_connection(
    redis_client: redis.Redis, kept: set[str], looks: list[Link], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Link, "_run_id", lambda self: None)

    purge(exclude_active_within_secs=HOUR)

    assert names(redis_client) == kept
    assert looks == []


def test_the_looks_end_when_the_first_connection_leads_elsewhere(
    redis_client: redis.Redis, kept: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, following = list[object](), Scout.next

    def handing_out(self: Scout) -> Any:
        if len(found) == 2:
            self._home.processes.append(Identity("somebody else", None))
        found.append(following(self))
        return found[-1]

    monkeypatch.setattr(Scout, "next", handing_out)

    report = purge(exclude_active_within_secs=HOUR)

    assert names(redis_client) == kept
    assert len(found) == 3
    assert found[2] is None
    assert report.deals.purged == DEALS * 3 // 4
