"""A guarded purge of a cluster: what somebody works on stays, whole, wherever its keys and its events lie."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from pytest_django.fixtures import Settings
from redis.cluster import RedisCluster

from dealpurge.engine.guard import cluster_guard
from dealpurge.engine.guard.active_deals import ActiveDeals
from dealpurge.engine.sweep.fates import notes_of
from dealpurge.engine.sweep.tally import Tally
from dealpurge.exceptions import RunLost
from tests.support.cluster import Ring, slot_of
from tests.support.purging import before_removal, carry_out, purge, report_of, run
from tests.support.seeding import HOUR, key_of, seed_deal, seed_scene, tagged, touch

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize("tags", [False, True])
def test_idle_deals_go_and_active_ones_stay(ring: Ring, settings: Settings, tags: bool) -> None:
    settings.DEALPURGE_KEY_FAMILIES = tagged() if tags else {}
    with ring.client(client_name="test") as cluster:
        scene = seed_scene(cluster, active_every=5, tags=tags)

    outcome = run(guarded=True)

    scene.assert_purged(*ring.clients())
    keys, deals = outcome.report.keys, outcome.report.deals
    assert (keys.deleted, keys.vanished, keys.not_removed) == (len(scene.mine), 0, 0)
    assert (deals.matched, deals.purged, deals.skipped_active, deals.interrupted) == (1500, 1200, 300, 0)
    assert outcome.warned("1200 deals went without one transaction") == (not tags)


def test_an_event_between_judgement_and_exec_keeps_every_key_of_a_tagged_deal(
    ring: Ring, cluster: RedisCluster, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEALPURGE_KEY_FAMILIES = tagged()
    kept = seed_deal(cluster, "acme", "wakes", age=2 * HOUR, tags=True)
    for number in range(20):
        seed_deal(cluster, "acme", f"idle{number}", age=2 * HOUR, tags=True)

    def wake(keys: list[bytes]) -> None:
        if b"canvas:lock:{acme:wakes}" in keys:
            touch(cluster, "acme", "wakes", tags=True)

    with before_removal(monkeypatch, wake):
        report = purge(exclude_active_within_secs=HOUR)

    assert ring.names() == set(kept)
    assert (report.deals.purged, report.deals.skipped_active, report.deals.interrupted) == (20, 1, 0)
    assert report.warnings == ()


@pytest.mark.parametrize("age", [2 * HOUR, None])
def test_an_event_aborts_the_slots_beside_it_and_stops_the_deal(
    ring: Ring, cluster: RedisCluster, monkeypatch: pytest.MonkeyPatch, age: float | None
) -> None:
    keys = set(seed_deal(cluster, "acme", "wakes", age=age))
    home = ring.owner(slot_of(key_of("events", "acme", "wakes")))
    beside = {key for key in keys if ring.owner(slot_of(key)) is home}
    assert beside
    assert beside < keys
    woken: list[str] = []

    def wake(batch: list[bytes]) -> None:
        if batch[0].decode() in beside and not woken:
            woken.append(touch(cluster, "acme", "wakes"))

    tally = Tally()
    with before_removal(monkeypatch, wake):
        carry_out(tally, exclude_active_within_secs=HOUR)

    report = report_of(tally, exclude_active_within_secs=HOUR)
    assert ring.names() == beside | set(woken)
    assert (report.status, report.deals.interrupted, report.deals.purged) == ("partial", 1, 0)
    assert notes_of(tally)[b"acme:wakes"][:3] == ("interrupted", len(keys - beside), len(beside))
    assert report.keys.deleted == len(keys - beside)


@contextmanager
def after_the_first_look(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> Iterator[None]:
    groups = cluster_guard.ClusterGuard._groups

    def late(self: cluster_guard.ClusterGuard, units: Any) -> Any:
        happens()
        return groups(self, units)

    with monkeypatch.context() as patch:
        patch.setattr(cluster_guard.ClusterGuard, "_groups", late)
        yield


def test_an_event_before_the_first_removal_keeps_the_deal_whole(
    ring: Ring, cluster: RedisCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = seed_deal(cluster, "acme", "wakes", age=2 * HOUR)

    with after_the_first_look(monkeypatch, lambda: touch(cluster, "acme", "wakes")):
        report = purge(exclude_active_within_secs=HOUR)

    assert ring.names() == set(kept)
    assert (report.status, report.deals.skipped_active, report.deals.interrupted) == ("completed", 1, 0)
    assert report.warnings == ()


@pytest.mark.parametrize("tags", [False, True])
def test_deals_under_constant_work_lose_no_key_unless_interrupted(ring: Ring, settings: Settings, tags: bool) -> None:
    settings.DEALPURGE_KEY_FAMILIES = tagged() if tags else {}
    deals = [f"d{n}" for n in range(200)]
    with ring.client(client_name="test") as cluster:
        keys = {deal: set(seed_deal(cluster, "acme", deal, age=2 * HOUR, tags=tags)) for deal in deals}

    with working_on(ring, deals[::2], tags=tags):
        report = purge(exclude_active_within_secs=HOUR)

    left = ring.names()
    assert not any(left & keys[deal] for deal in deals[1::2])
    harmed = [deal for deal in deals[::2] if not keys[deal] <= left]
    assert len(harmed) <= report.deals.interrupted
    assert (report.deals.purged, report.deals.skipped_active) == (100, 100 - report.deals.interrupted)
    assert not (tags and harmed)


@contextmanager
def working_on(ring: Ring, deals: list[str], *, tags: bool) -> Iterator[None]:
    """Somebody writes events to the deals, one after the other, and has been at each of them once."""
    over, rounds = threading.Event(), threading.Event()

    def work() -> None:
        with ring.client(client_name="test") as cluster:
            while not over.is_set():
                for deal in deals:
                    touch(cluster, "acme", deal, tags=tags)
                rounds.set()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        assert rounds.wait(30)
        yield
    finally:
        over.set()
        worker.join()


def test_keys_without_an_organisation_are_judged_by_every_holder_of_the_id(ring: Ring, cluster: RedisCluster) -> None:
    ages = {"one": (2 * HOUR, 2 * HOUR, 2 * HOUR), "two": (2 * HOUR, 2 * HOUR, 1), "three": (2 * HOUR, None, None)}
    kept = set[str]()
    for deal, of in ages.items():
        for org, age in zip(("acme", "birch", "cedar"), of, strict=True):
            keys = seed_deal(cluster, org, deal, age=age)
            kept.update(keys if age == 1 else ())
        cluster.set(f"checkpoint:{deal}:__empty__:1", "x")

    report = purge(exclude_active_within_secs=HOUR, include_checkpoints=True)

    assert ring.names() == kept | {"checkpoint:two:__empty__:1"}
    assert (report.deals.matched, report.deals.purged, report.deals.skipped_active) == (9, 8, 1)


@pytest.fixture
def events(ring: Ring, cluster: RedisCluster, settings: Settings) -> list[str]:
    """The two events keys of an idle deal, on different nodes."""
    settings.DEALPURGE_KEY_FAMILIES = {"events": ["live:{deal_id}", "canvas:events:{org_id}:{deal_id}"]}
    pairs = ([f"live:d{number}", f"canvas:events:acme:d{number}"] for number in range(100))
    pair = next(pair for pair in pairs if ring.owner(slot_of(pair[0])) is not ring.owner(slot_of(pair[1])))
    for key in pair:
        cluster.xadd(key, {"a": "b"}, id="1600000000000-1")
    return pair


def test_events_on_several_nodes_are_all_watched(
    ring: Ring, cluster: RedisCluster, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    last: list[bytes] = []

    def wake(keys: list[bytes]) -> None:
        last.extend(keys)
        cluster.xadd(keys[0], {"a": "b"})

    with before_removal(monkeypatch, wake):
        report = purge(exclude_active_within_secs=HOUR)

    assert ring.names() == set(events)
    assert last
    assert (report.keys.deleted, report.deals.skipped_active) == (0, 1)


@pytest.mark.parametrize("which", [0, 1])
def test_events_on_several_nodes_are_all_judged_again(
    ring: Ring, cluster: RedisCluster, events: list[str], monkeypatch: pytest.MonkeyPatch, which: int
) -> None:
    with after_the_first_look(monkeypatch, lambda: cluster.xadd(events[which], {"a": "b"})):
        report = purge(exclude_active_within_secs=HOUR)

    assert ring.names() == set(events)
    assert (report.keys.deleted, report.deals.skipped_active) == (0, 1)


def test_no_thread_and_no_connection_is_left_by_a_run_that_is_stopped(ring: Ring) -> None:
    with ring.client(client_name="test") as cluster:
        seed_scene(cluster, deals=300)
    before = threading.active_count()

    report = purge(exclude_active_within_secs=HOUR, keep_going=iter([True] * 5 + [False] * 1000).__next__)

    assert report.status == "cancelled"
    assert threading.active_count() == before


def test_who_is_active_is_written_down_by_the_calling_thread_before_any_delete(
    ring: Ring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_guard, "JUDGED_AT_ONCE", 20)
    with ring.client(client_name="test") as cluster:
        seed_scene(cluster, deals=300, active_every=3)
    written, noted = set[bytes](), ActiveDeals.note
    writers, unwritten = set[threading.Thread](), list[set[bytes]]()
    found: dict[threading.Thread, set[bytes]] = defaultdict(set)

    def note(self: ActiveDeals, token: bytes, *args: Any) -> None:
        noted(self, token, *args)
        found[threading.current_thread()].add(token)

    def write(deals: Mapping[bytes, bool]) -> None:
        writers.add(threading.current_thread())
        written.update(deals)

    monkeypatch.setattr(ActiveDeals, "note", note)
    with before_removal(monkeypatch, lambda keys: unwritten.append(found[threading.current_thread()] - written)):
        carry_out(Tally(), keep_active=write, exclude_active_within_secs=HOUR)

    assert writers == {threading.current_thread()}
    assert len(written) == 100
    assert len(found) == 3
    assert not any(unwritten)


def test_what_cannot_be_written_down_stops_all_nodes(ring: Ring) -> None:
    with ring.client(client_name="test") as cluster:
        scene = seed_scene(cluster, deals=300, active_every=2)

    def write(deals: Mapping[bytes, bool]) -> None:
        raise RunLost("The database is away.")

    with pytest.raises(RunLost):
        carry_out(Tally(), keep_active=write, exclude_active_within_secs=HOUR)

    assert ring.names() == scene.all


@pytest.mark.parametrize("limit", [7, 40])
def test_a_plan_in_parts_is_exact(ring: Ring, cluster: RedisCluster, settings: Settings, limit: int) -> None:
    """Org-less keys are judged by every holder of their id, while other nodes purge those."""
    settings.DEALPURGE_SCAN_COUNT, settings.DEALPURGE_MAX_PLAN_MEMORY = 10, 200 * limit
    idle, active = set[str](), set[str]()
    for number in range(60):
        for place, organisation in enumerate("ab" if number % 3 else "a"):
            age = 0 if (number + place) % 4 == 0 else 2 * HOUR
            (idle if age else active).update(seed_deal(cluster, organisation, f"d{number}", age=age))
        checkpoint = f"checkpoint:d{number}:n"
        cluster.set(checkpoint, "x")
        awake = number % 4 == 0 or (number % 3 and number % 4 == 3)
        (active if awake else idle).add(checkpoint)

    report = purge(exclude_active_within_secs=HOUR, include_checkpoints=True)

    assert ring.names() == active
    keys = report.keys
    assert (keys.scanned, keys.matched, keys.deleted) == (len(idle | active), len(idle | active), len(idle))
