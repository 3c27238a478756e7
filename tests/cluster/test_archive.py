"""What a purge of a cluster deletes is in the archive: each key once, with the node that had it."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django.fixtures import Settings

from tests.support.archiving import MemoryKeeper, load, purge_into, snapshot
from tests.support.cluster import Ring
from tests.support.purging import report_of
from tests.support.seeding import HOUR, key_of, seed_scene, tagged, touch
from tests.support.servers import RedisServer

pytestmark = pytest.mark.cluster
GUARD: dict[str, Any] = {"exclude_active_within_secs": HOUR}


def contents(ring: Ring) -> dict[bytes, Any]:
    return {key: value for client in ring.clients() for key, value in snapshot(client).items()}


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize("tags", [False, True])
def test_each_key_is_there_once_as_it_was(
    ring: Ring, settings: Settings, spare: RedisServer, guarded: bool, tags: bool
) -> None:
    settings.DEALPURGE_KEY_FAMILIES = tagged() if tags else {}
    with ring.client(client_name="test") as cluster:
        scene = seed_scene(cluster, active_every=5, tags=tags)
        for number in range(600):
            cluster.set(key_of("image_crops", "acme", "large", number, tags=tags), f"{number}")
    before, keeper = contents(ring), MemoryKeeper()

    tally = purge_into(keeper, **(GUARD if guarded else {}))

    there = ring.names()
    assert sorted(keeper.keys) == sorted(key for key in before if key.decode() not in there)
    assert scene.foreign <= there
    assert (scene.active <= there) == guarded
    assert (tally.deleted, tally.vanished, tally.not_removed) == (len(keeper.keys), 0, 0)
    assert {chunk.server for chunk in keeper.committed.values()} == {1, 2, 3}
    load(keeper.data, spare)
    with spare.client() as loaded:
        assert snapshot(loaded) == {key: value for key, value in before.items() if key.decode() not in there}


@pytest.mark.parametrize("tags", [False, True])
def test_an_event_or_a_write_behind_the_save(ring: Ring, settings: Settings, tags: bool) -> None:
    settings.DEALPURGE_KEY_FAMILIES = tagged() if tags else {}
    with ring.client(client_name="test") as cluster:
        seed_scene(cluster, deals=200, tags=tags)
        written = key_of("image_crops", "acme", "7", tags=tags)
        touch(cluster, "acme", "7", age=2 * HOUR, tags=tags)
        touch(cluster, "acme", "8", age=2 * HOUR, tags=tags)
        cluster.set(written, "old")

        class Meddled(MemoryKeeper):
            def commit(self, chunk: Any, name: str, instead_of: str = "") -> None:
                super().commit(chunk, name, instead_of)
                if written.encode() in self.keys and cluster.get(written) == b"old":
                    cluster.set(written, "new")
                    touch(cluster, "acme", "8", tags=tags)

        tally = purge_into(keeper := Meddled(), **GUARD)

    left = {name for name in ring.names() if ":8" in name and "acme" in name}
    assert key_of("events", "acme", "8", tags=tags) in left or report_of(tally).deals.skipped_active == 0
    values = {words[1]: words[2] for words in keeper.commands if words[0] == b"SET"}
    assert len(keeper.keys) == len(set(keeper.keys))
    assert values[written.encode()] == b"new"


def test_a_slot_that_moves_meanwhile(ring: Ring, settings: Settings, spare: RedisServer) -> None:
    with ring.client(client_name="test") as cluster:
        seed_scene(cluster, deals=600)
    before, moved = contents(ring), list[int]()

    class Moving(MemoryKeeper):
        def commit(self, chunk: Any, name: str, instead_of: str = "") -> None:
            super().commit(chunk, name, instead_of)
            if not moved:
                source, target = ring.primaries()[:2]
                slots = [slot for slot in range(16384) if ring.owner(slot) == source][:12]
                moved.extend(slots)
                for slot in slots:
                    ring.move(slot, target)

    tally = purge_into(keeper := Moving())

    there = ring.names()
    assert moved
    assert tally.not_removed == 0
    assert sorted(keeper.keys) == sorted(key for key in before if key.decode() not in there)
    load(keeper.data, spare)
    with spare.client() as loaded:
        assert snapshot(loaded) == {key: value for key, value in before.items() if key.decode() not in there}
