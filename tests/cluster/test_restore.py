"""What a purge of a cluster took comes back, each key to the node that has its slot now."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from dealpurge.engine.restore import restoring, writer
from dealpurge.engine.restore.writer import LOST_WARNING, Writer
from tests.cluster.test_archive import GUARD, contents
from tests.support.archiving import MemoryKeeper, purge_into, snapshot
from tests.support.cluster import Ring, slot_of
from tests.support.restoring import counts, restore_from
from tests.support.seeding import key_of, seed_scene, tagged
from tests.support.servers import RedisServer

pytestmark = pytest.mark.cluster


@pytest.fixture(autouse=True)
def _small_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (restoring, writer):
        monkeypatch.setattr(module, "PACKET_BYTES", 8192)


def seeded(ring: Ring, settings: Settings, *, tags: bool = False, deals: int = 600) -> dict[bytes, Any]:
    """What all keys hold, those of idle deals and of others."""
    settings.DEALPURGE_KEY_FAMILIES = tagged() if tags else {}
    with ring.client(client_name="test") as cluster:
        seed_scene(cluster, deals=deals, active_every=5, tags=tags)
    return contents(ring)


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize("tags", [False, True])
def test_all_that_went_is_there_again(ring: Ring, settings: Settings, guarded: bool, tags: bool) -> None:
    before, keeper = seeded(ring, settings, tags=tags), MemoryKeeper()
    purge_into(keeper, **(GUARD if guarded else {}))
    left = ring.names()
    gone = len(before) - len(left)

    looked = restore_from(keeper, dry_run=True)
    assert ring.names() == left
    done = restore_from(keeper)
    again = restore_from(keeper)

    assert contents(ring) == before
    assert counts(looked) == counts(done) == {"restored": gone}
    assert counts(again) == {"kept": gone}
    assert looked.deals() == done.deals()
    assert not any(tally.unfinished for tally in (looked, done, again))


@pytest.mark.parametrize("tags", [False, True])
def test_what_was_written_meanwhile_stays(ring: Ring, settings: Settings, tags: bool) -> None:
    before, keeper = seeded(ring, settings, tags=tags), MemoryKeeper()
    purge_into(keeper)
    newer = [key_of("locks", f"org{number % 7}", f"deal-{number:05}", tags=tags) for number in range(0, 600, 7)]
    with ring.client(client_name="test") as cluster:
        for key in newer:
            cluster.hset(key, "new", "er")

    tally = restore_from(keeper)

    after = contents(ring)
    assert {key: after[key] for key in before if key.decode() not in newer} == {
        key: state for key, state in before.items() if key.decode() not in newer
    }
    assert {after[key.encode()][0] for key in newer} == {b"hash"}
    assert counts(tally) == {"restored": len(keeper.keys) - len(newer), "kept": len(newer)}


@pytest.mark.parametrize("tags", [False, True])
def test_each_key_goes_straight_to_its_node(ring: Ring, settings: Settings, tags: bool) -> None:
    """No node has to tell where it is, but for the question whether the format is taken, which each run asks once."""
    seeded(ring, settings, tags=tags, deals=200)
    purge_into(keeper := MemoryKeeper())
    for client in ring.clients():
        client.config_resetstat()

    restore_from(keeper, dry_run=True)
    restore_from(keeper)

    told = [client.info("errorstats").get("errorstat_MOVED", {"count": 0})["count"] for client in ring.clients()]
    assert max(told) <= 2


def strike(monkeypatch: pytest.MonkeyPatch, fault: Callable[[], object], pieces: int) -> list[int]:
    """Once so many pieces were given to the writer; how many were."""
    put, given = Writer.put, list[int]()

    def putting(self: Writer, commands: Any) -> None:
        given.append(len(commands))
        if len(given) == pieces:
            fault()
        put(self, commands)

    monkeypatch.setattr(Writer, "put", putting)
    return given


@pytest.mark.parametrize("pieces", [1, 8])
def test_slots_that_move_meanwhile(
    ring: Ring, settings: Settings, monkeypatch: pytest.MonkeyPatch, pieces: int
) -> None:
    before, keeper = seeded(ring, settings), MemoryKeeper()
    purge_into(keeper)
    source, target = ring.primaries()[:2]
    slots = list(islice((slot for slot in map(slot_of, keeper.keys) if ring.owner(slot) == source), 12))

    def move() -> None:
        for slot in slots:
            ring.move(slot, target)

    given = strike(monkeypatch, move, pieces)

    tally = restore_from(keeper)

    assert len(given) > pieces
    assert {ring.owner(slot).port for slot in slots} == {target.port}
    assert contents(ring) == before
    found = counts(tally)
    assert sum(found.values()) == tally.written == len(keeper.keys)
    assert found.keys() == ({"restored", "kept"} if LOST_WARNING in tally.warnings else {"restored"})


def test_a_slot_that_is_on_its_way(ring: Ring, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its new keys are written where it goes."""
    before, keeper = seeded(ring, settings), MemoryKeeper()
    purge_into(keeper)
    source, target = ring.primaries()[:2]
    slot = next(slot for slot in map(slot_of, keeper.keys) if ring.owner(slot) == source)
    given = strike(monkeypatch, lambda: ring.begin_move(slot, target), 3)
    try:
        tally = restore_from(keeper)
    finally:
        while keys := ring.tell(source, "GETKEYSINSLOT", slot, 1000):
            ring.move_keys(source, target, keys)
        ring.end_move(slot, target)

    assert len(given) > 3
    assert contents(ring) == before
    assert counts(tally) == {"restored": len(keeper.keys)}


def test_an_archive_of_a_cluster_comes_back_on_one_server(ring: Ring, settings: Settings, spare: RedisServer) -> None:
    before, keeper = seeded(ring, settings), MemoryKeeper()
    purge_into(keeper)
    settings.DEALPURGE_REDIS_CLIENT = spare.client

    tally = restore_from(keeper)

    with spare.client() as client:
        assert snapshot(client) == {key: before[key] for key in keeper.keys}
    assert counts(tally) == {"restored": len(keeper.keys)}
    assert not tally.unfinished
