"""Deals without any events stay where that is asked for: those that never had any, and not those whose events this very
run has seen, or has deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis
from pytest_django.fixtures import Settings

from dealpurge.report import PurgeReport
from tests.conftest import PointCacheAt
from tests.support.proxy import CuttingProxy, cut_every
from tests.support.purging import before_removal, looks_noted, purge
from tests.support.seeding import HOUR, existing, names, seed_deal, touch
from tests.support.servers import RedisServer

EVENTS = "canvas:events:acme:deal"
#: What must make no difference.
settings_of_the_engine = pytest.mark.parametrize("limits", [{}, {"at_most_deals": 100}], ids=["", "with a limit"])


@pytest.fixture(autouse=True)
def _cache(cache_at: PointCacheAt, redis_server: RedisServer) -> None:
    cache_at(redis_server.url)


def leave(**options: Any) -> PurgeReport:
    options = {"exclude_active_within_secs": HOUR, "leave_never_active": True} | options
    return purge(**options)


def once(act: Callable[[], object]) -> Callable[..., None]:
    """Do it the first time only."""
    done = list[bool]()

    def acting(*_: object) -> None:
        if not done:
            done.append(True)
            act()

    return acting


def told(report: PurgeReport) -> tuple[int, int, int, int]:
    deals = report.deals
    return deals.purged, deals.skipped_active, deals.skipped_never_active, deals.interrupted


@settings_of_the_engine
def test_only_deals_without_events_stay(redis_client: redis.Redis, limits: dict[str, int]) -> None:
    seed_deal(redis_client, "acme", "idle", age=2 * HOUR)
    kept = seed_deal(redis_client, "acme", "never") + seed_deal(redis_client, "acme", "active", age=1)

    dry, live = leave(dry_run=True, **limits), leave(**limits)

    assert names(redis_client) == set(kept)
    assert told(dry) == told(live) == (1, 1, 1, 0)


def test_without_it_they_go(redis_client: redis.Redis) -> None:
    seed_deal(redis_client, "acme", "never")

    assert told(purge(exclude_active_within_secs=HOUR)) == (1, 0, 0, 0)
    assert redis_client.dbsize() == 0


@settings_of_the_engine
def test_the_first_event_between_the_scan_and_the_look(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch, limits: dict[str, int]
) -> None:
    """The deal is active then."""
    kept = seed_deal(redis_client, "acme", "deal")

    with looks_noted(monkeypatch, once(lambda: touch(redis_client, "acme", "deal"))):
        report = leave(**limits)

    assert names(redis_client) == {*kept, EVENTS}
    assert told(report) == (0, 1, 0, 0)


def test_the_first_event_behind_the_count(redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was never active by the first look and is active by the last: counted once, as active."""
    kept = seed_deal(redis_client, "acme", "deal")
    looks = list[int]()

    def second() -> None:
        looks.append(1)
        if len(looks) == 2:
            touch(redis_client, "acme", "deal")

    with looks_noted(monkeypatch, second):
        report = leave(at_most_deals=9)

    assert names(redis_client) == {*kept, EVENTS}
    assert told(report) == (0, 1, 0, 0)


def test_an_event_between_the_look_and_the_transaction(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed_deal(redis_client, "acme", "deal", age=2 * HOUR)

    with before_removal(monkeypatch, once(lambda: touch(redis_client, "acme", "deal"))):
        report = leave()

    assert redis_client.dbsize() == 5
    assert told(report) == (0, 1, 0, 0)


def test_events_that_expire_between_the_scan_and_the_look(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing tells of any activity by then, so the deal stays."""
    seed_deal(redis_client, "acme", "deal", age=2 * HOUR)

    with looks_noted(monkeypatch, once(lambda: redis_client.pexpireat(EVENTS, 1))):
        report = leave()

    assert redis_client.dbsize() == 4
    assert told(report) == (0, 0, 1, 0)


@pytest.mark.parametrize("looks_before", [1, 2])
def test_events_that_expire_between_two_looks(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch, looks_before: int
) -> None:
    """The run has seen that the deal was active once and is idle, so it goes."""
    seed_deal(redis_client, "acme", "deal", age=2 * HOUR)
    looks = list[int]()

    def expire() -> None:
        looks.append(1)
        if len(looks) == looks_before + 1:
            redis_client.pexpireat(EVENTS, 1)

    with looks_noted(monkeypatch, expire):
        report = leave(**({"at_most_deals": 9} if looks_before == 2 else {}))

    assert len(looks) > looks_before
    assert redis_client.dbsize() == 0
    assert told(report) == (1, 0, 0, 0)


def test_events_that_expire_between_the_last_look_and_the_transaction(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is aborted, and the next one takes the deal."""
    seed_deal(redis_client, "acme", "deal", age=2 * HOUR)
    tries = list[list[bytes]]()
    expire = once(lambda: redis_client.pexpireat(EVENTS, 1))

    def note(keys: list[bytes]) -> None:
        tries.append(keys)
        expire()

    with before_removal(monkeypatch, note):
        report = leave()

    assert len(tries) == 2
    assert redis_client.dbsize() == 0
    assert told(report) == (1, 0, 0, 0)


@pytest.mark.parametrize("holders", [("acme",), ("acme", "zeta")])
def test_keys_without_an_organisation_stay_with_a_holder_without_events(
    redis_client: redis.Redis, holders: tuple[str, ...]
) -> None:
    for org_id in holders:
        seed_deal(redis_client, org_id, "deal", age=2 * HOUR if org_id == "acme" else None)
    redis_client.set("checkpoint:deal:x", "x")

    report = leave(include_checkpoints=True)

    assert told(report) == (1, 0, len(holders) - 1, 0)
    assert redis_client.exists("checkpoint:deal:x") == len(holders) - 1


def test_keys_of_no_organisation_at_all_stay(redis_client: redis.Redis) -> None:
    redis_client.set("checkpoint:deal:x", "x")

    assert told(leave(include_checkpoints=True)) == (0, 0, 1, 0)
    assert redis_client.dbsize() == 1


def test_events_without_an_organisation_are_those_of_every_holder(
    redis_client: redis.Redis, settings: Settings
) -> None:
    settings.DEALPURGE_KEY_FAMILIES = {"events": ["live:{deal_id}", "canvas:events:{org_id}:{deal_id}"]}
    for org_id in ("acme", "zeta"):
        seed_deal(redis_client, org_id, "deal")
    kept = seed_deal(redis_client, "acme", "never")
    redis_client.xadd("live:deal", {"n": 1}, id="1600000000000-1")

    assert told(leave()) == (2, 0, 1, 0)
    assert names(redis_client) == set(kept)


@settings_of_the_engine
def test_a_large_deal_goes_to_its_end(redis_client: redis.Redis, limits: dict[str, int]) -> None:
    """Its events go last, in a transaction of their own."""
    seed_deal(redis_client, "acme", "deal", age=2 * HOUR, image_crops=2500)
    redis_client.xadd("canvas:events:acme:deal:more", {"n": 1}, id="1600000000000-1")

    assert told(leave(**limits)) == (1, 0, 0, 0)
    assert redis_client.dbsize() == 0


@settings_of_the_engine
@pytest.mark.parametrize("every", [7_777, 11_111])
def test_a_connection_that_is_cut_makes_no_deal_never_active(
    redis_server: RedisServer, redis_client: redis.Redis, cache_at: PointCacheAt, every: int, limits: dict[str, int]
) -> None:
    """Whose events went with a reply that was lost: large deals, small ones, and keys that several share."""
    kept = list[str]()
    for number in range(60):
        seed_deal(redis_client, "acme", f"d{number}", age=2 * HOUR, image_crops=1500 if number % 20 == 0 else 3)
        seed_deal(redis_client, "zeta", f"d{number}", age=2 * HOUR)
        redis_client.set(f"checkpoint:d{number}:x", "x")
        kept += seed_deal(redis_client, "never", f"n{number}")
    with CuttingProxy(redis_server.address, cut_every(every, 15)) as proxy:
        cache_at(proxy.url)
        report = leave(include_checkpoints=True, **({**limits, "at_most_deals": 120} if limits else {}))
        assert proxy.cuts > 3

    assert names(redis_client) == set(kept)
    assert existing(redis_client, kept) == len(kept)
    assert report.deals.skipped_never_active == 60
    assert report.deals.purged + report.deals.interrupted == 120
