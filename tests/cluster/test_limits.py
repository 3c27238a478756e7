"""A purge of three nodes with a limit, which all of them share, and one that leaves deals without events."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django.fixtures import Settings
from redis.cluster import RedisCluster

from dealpurge.engine.limits import Budget
from dealpurge.engine.sweep.tally import Tally
from dealpurge.exceptions import LimitExceeded
from dealpurge.servers import parallel
from tests.support.cluster import Ring
from tests.support.purging import carry_out, purge, report_of, run, while_deleting
from tests.support.seeding import HOUR, Scene, names, seed_deal, seed_scene, tagged
from tests.support.servers import wait_until

pytestmark = pytest.mark.cluster

DEALS, KEYS = 600, 3600
either = pytest.mark.parametrize("guarded", [False, True], ids=["sweep", "guarded"])
tagged_or_not = pytest.mark.parametrize("tags", [False, True], ids=["untagged", "tagged"])


def window(guarded: bool) -> int | None:
    return HOUR if guarded else None


@pytest.fixture
def scene(ring: Ring, cluster: RedisCluster, settings: Settings, tags: bool) -> Scene:
    settings.DEALPURGE_KEY_FAMILIES = tagged() if tags else {}
    return seed_scene(cluster, deals=DEALS, tags=tags)


@either
@tagged_or_not
@pytest.mark.parametrize("memory", [10**8, 10**5], ids=["one part", "parts"])
def test_what_fits_exactly_goes(ring: Ring, scene: Scene, settings: Settings, guarded: bool, memory: int) -> None:
    settings.DEALPURGE_MAX_PLAN_MEMORY = memory

    report = purge(exclude_active_within_secs=window(guarded), at_most_deals=DEALS, at_most_keys=KEYS)

    scene.assert_purged(*ring.clients())
    assert (report.status, report.deals.purged, report.keys.deleted) == ("completed", DEALS, KEYS)


@either
@tagged_or_not
@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"at_most_deals": DEALS - 1}, "600 deals would go, 1 more than the limit of 599: the purge is refused."),
        ({"at_most_keys": KEYS - 1}, "3,600 keys would go, 1 more than the limit of 3,599: the purge is refused."),
    ],
    ids=["deals", "keys"],
)
def test_what_exceeds_a_limit_deletes_nothing(
    ring: Ring, scene: Scene, guarded: bool, limits: dict[str, Any], words: str
) -> None:
    with pytest.raises(LimitExceeded) as raised:
        purge(exclude_active_within_secs=window(guarded), **limits)

    assert str(raised.value) == words
    assert ring.names() == scene.all


@either
@tagged_or_not
@pytest.mark.parametrize(("limit", "number"), [("at_most_deals", DEALS), ("at_most_keys", KEYS)])
def test_all_nodes_together_delete_no_more(
    ring: Ring,
    cluster: RedisCluster,
    scene: Scene,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    guarded: bool,
    tags: bool,
    limit: str,
    number: int,
) -> None:
    """As many deals again came behind the count."""
    settings.DEALPURGE_SCAN_COUNT, settings.DEALPURGE_MAX_PLAN_MEMORY = 10, 10**5
    check = Budget.check

    def check_and_write(self: Budget, deals: int, keys: int) -> None:
        check(self, deals, keys)
        for more in range(200):
            seed_deal(cluster, "new", f"new-{more}", age=2 * HOUR, tags=tags)

    monkeypatch.setattr(Budget, "check", check_and_write)
    tally, options = Tally(), dict[str, Any]({"exclude_active_within_secs": window(guarded), limit: number})

    with pytest.raises(LimitExceeded, match=f"^Stopped before more {limit[8:]} than the limit of {number:,} went"):
        carry_out(tally, **options)

    gone = KEYS + 1000 - len(ring.names() - scene.foreign)
    assert report_of(tally, failed=True).keys.deleted == gone
    assert 0 < gone <= KEYS + (1000 if limit == "at_most_deals" else 0)
    left = {name.rpartition("deal-")[2][:5] for name in ring.names() & scene.mine}
    assert left or limit == "at_most_keys"


@either
@pytest.mark.parametrize("tags", [False])
def test_progress_never_goes_back(
    ring: Ring, scene: Scene, settings: Settings, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    """One node after the other tells how many keys it has."""
    settings.DEALPURGE_SCAN_COUNT = 10
    monkeypatch.setattr(parallel, "TICK", 0.0001)
    tally, seen = Tally(), list[tuple[int, int, int]]()

    def keep_going() -> bool:
        seen.append(tally.progress()[:3])
        return True

    carry_out(tally, keep_going=keep_going, exclude_active_within_secs=window(guarded), at_most_keys=KEYS)

    scanned, totals = [item[0] for item in seen], [item[1] for item in seen]
    assert scanned == sorted(scanned)
    assert totals == sorted(totals)
    assert tally.progress()[:2] == (len(scene.all) * (1 if guarded else 2),) * 2


# Deals without events


@pytest.mark.parametrize("tags", [False, True], ids=["untagged", "tagged"])
@pytest.mark.parametrize("limits", [{}, {"at_most_deals": 120}], ids=["", "with a limit"])
def test_deals_without_events_stay(
    ring: Ring, cluster: RedisCluster, settings: Settings, tags: bool, limits: dict[str, int]
) -> None:
    """Whatever nodes their keys lie on; and no deal becomes one whose events went first, nor do its org-less keys."""
    settings.DEALPURGE_KEY_FAMILIES = tagged() if tags else {}
    kept = list[str]()
    for number in range(60):
        for org_id in ("acme", "zeta"):
            seed_deal(cluster, org_id, f"d{number}", age=2 * HOUR, tags=tags, image_crops=1100 if number == 7 else 3)
        cluster.set(f"checkpoint:d{number}:x", "x")
        kept += seed_deal(cluster, "never", f"n{number}", tags=tags)
        cluster.set(f"checkpoint:n{number}:x", "x")
        kept.append(f"checkpoint:n{number}:x")

    report = purge(
        exclude_active_within_secs=HOUR, leave_never_active=True, include_checkpoints=True, **dict[str, Any](limits)
    )

    assert ring.names() == set(kept)
    deals = report.deals
    assert (deals.purged, deals.skipped_never_active, deals.interrupted, report.status) == (120, 60, 0, "completed")


# A node that dies

faults = pytest.mark.faults


def known_to_the_replica(ring: Ring, *, guarded: bool) -> Scene:
    with ring.client(client_name="test") as cluster:
        scene = seed_scene(cluster, deals=DEALS, active_every=5 if guarded else 0)
        if guarded:
            seed_deal(cluster, "never", "never")
    assert ring.direct(ring.servers[0]).wait(1, 5000) == 1
    return scene


@faults
@either
@pytest.mark.parametrize("place", ["count", "behind", "deletes"])
def test_a_primary_dies_and_its_replica_takes_over(
    own_ring: Ring, monkeypatch: pytest.MonkeyPatch, guarded: bool, place: str
) -> None:
    """The deals fit exactly; of keys there is room for the batch that was under way, which is counted twice."""
    scene = known_to_the_replica(own_ring, guarded=guarded)
    check, kill = Budget.check, own_ring.servers[0].kill

    def check_and_kill(self: Budget, deals: int, keys: int) -> None:
        check(self, deals, keys)
        if own_ring.servers[0].process:
            kill()

    if place == "behind":
        monkeypatch.setattr(Budget, "check", check_and_kill)
    limits = {"at_most_deals": len(scene.mine) // 6, "at_most_keys": len(scene.mine) + 1000}

    outcome = run(
        {"count": kill, "behind": None, "deletes": kill}[place],
        when=while_deleting if place == "deletes" else lambda scanned, total, deleted: scanned > 200,
        guarded=guarded,
        leave_never_active=guarded,
        **limits,
    )

    wait_until(lambda: own_ring.servers[3] in own_ring.primaries(), what="failover")
    scene.assert_purged(*own_ring.clients())
    assert outcome.report.keys.not_removed == 0
    if guarded:
        assert len([name for name in names(*own_ring.clients()) if ":never:" in name]) == 4
        assert outcome.report.deals.skipped_never_active == 1


@faults
@either
def test_what_is_refused_by_those_who_took_over_deletes_nothing(own_ring: Ring, guarded: bool) -> None:
    scene = known_to_the_replica(own_ring, guarded=guarded)

    with pytest.raises(LimitExceeded, match=r"1 more than the limit of"):
        run(
            own_ring.servers[0].kill,
            when=lambda scanned, total, deleted: scanned > 200,
            guarded=guarded,
            at_most_keys=len(scene.mine) - 1 + (4 if guarded else 0),
        )

    wait_until(lambda: own_ring.servers[3] in own_ring.primaries(), what="failover")
    assert scene.all <= own_ring.names()
