"""Memory of Redis: what does not fit is refused before anything is written, and what turns out not to fit stays away
until there is room."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from dealpurge.engine.restore import memory, words, writer
from dealpurge.engine.restore.source import ArchivedFile
from dealpurge.engine.restore.tally import RestoreTally
from dealpurge.exceptions import RestoreRefused
from tests.support.archiving import MemoryKeeper, snapshot
from tests.support.restoring import MemorySource, counts, restore_from
from tests.support.seeding import names
from tests.support.servers import wait_until

pytestmark = pytest.mark.faults

Contents = dict[bytes, Any]


@pytest.fixture(autouse=True)
def _without_a_limit_again(server: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(writer, "PACKET_BYTES", 1024)
    server.config_set("maxmemory-policy", "noeviction")
    yield
    server.config_set("maxmemory", 0)


def room(server: redis.Redis, size: int) -> None:
    """Let so many bytes be free, once what the purge has unlinked is."""
    wait_until(lambda: server.info("memory")["lazyfree_pending_objects"] == 0, what="unlinked keys are freed")
    server.config_set("maxmemory", server.info("memory")["used_memory"] + size)


def filling_up(server: redis.Redis, source: MemorySource, name: str) -> None:
    """From the moment on that this file is read to be written, nothing fits."""
    read = source.read

    def reading(file: ArchivedFile) -> bytes:
        if file.name == name and name in source.reads:
            server.config_set("maxmemory", 1)
        return read(file)

    source.read = reading  # type: ignore[method-assign]


def assert_full(tally: RestoreTally, server: redis.Redis, before: Contents, strangers: set[str]) -> int:
    """It ended there, what it counts as written is, and that stays; how much that is."""
    restored = counts(tally)["restored"]
    after = snapshot(server)
    assert len(names(server) - strangers) == restored
    assert after == {key: before[key] for key in after}
    assert words.FULL_WARNING in tally.warnings
    assert tally.unfinished
    assert tally.crowded_out
    assert not tally.kept
    return restored


@pytest.mark.parametrize("file", [5, 7, -1])
def test_what_is_written_by_the_time_it_is_full_stays_and_another_run_completes_it(
    server: redis.Redis, keeper: MemoryKeeper, before: Contents, source: MemorySource, file: int
) -> None:
    strangers = names(server)
    filling_up(server, source, source.files[file].name)

    first = restore_from(keeper, source=source)

    written = assert_full(first, server, before, strangers)
    assert 0 < written < 600
    assert first.complete
    server.config_set("maxmemory", 0)
    second = restore_from(keeper)
    assert counts(second) == {"kept": written, "restored": 600 - written}
    assert snapshot(server) == before
    assert not second.unfinished


def test_events_are_not_there_before_the_rest_of_their_deals(
    server: redis.Redis, keeper: MemoryKeeper, before: Contents, source: MemorySource
) -> None:
    strangers = names(server)
    filling_up(server, source, source.files[5].name)

    restore_from(keeper, source=source)

    assert names(server) - strangers
    assert not [key for key in names(server) - strangers if key.startswith("canvas:events")]


@pytest.mark.parametrize("options", [{}, {"skip_damaged": True}, {"families": ("locks", "image_crops")}])
def test_what_does_not_fit_is_refused_before_anything_is_written(
    server: redis.Redis, keeper: MemoryKeeper, source: MemorySource, options: dict[str, Any]
) -> None:
    left = snapshot(server)
    server.config_set("maxmemory", 1)

    with pytest.raises(RestoreRefused) as refused:
        restore_from(keeper, source=source, **options)

    assert str(refused.value) == words.NO_ROOM
    assert snapshot(server) == left


def test_a_look_tells_that_it_does_not_fit(server: redis.Redis, keeper: MemoryKeeper, source: MemorySource) -> None:
    server.config_set("maxmemory", 1)

    tally = restore_from(keeper, source=source, dry_run=True)

    assert tally.free == 0
    assert tally.needed
    assert words.NO_ROOM_WARNING in tally.warnings
    assert counts(tally) == {"restored": 600}


def test_what_is_there_already_needs_no_room(
    server: redis.Redis, keeper: MemoryKeeper, before: Contents, source: MemorySource
) -> None:
    """A restore that was stopped by want of room is not refused for what it wrote."""
    restore_from(keeper, source=source)
    server.delete(*source.keys_of(source.files[0].name))
    room(server, 100_000)

    tally = restore_from(keeper, source=source)

    fresh = len(source.keys_of(source.files[0].name))
    assert counts(tally) == {"kept": 600 - fresh, "restored": fresh}
    assert snapshot(server) == before
    assert words.FULL_WARNING not in tally.warnings


def test_nothing_is_known_to_be_free_without_a_limit(
    server: redis.Redis, keeper: MemoryKeeper, source: MemorySource
) -> None:
    tally = restore_from(keeper, source=source, dry_run=True)

    assert tally.free is None
    assert words.NO_ROOM_WARNING not in tally.warnings


def test_a_server_that_would_evict_keys_counts_as_full(
    server: redis.Redis, keeper: MemoryKeeper, source: MemorySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    strangers = {f"stranger:{number}": "x" * 100 for number in range(500)}
    server.mset(strangers)
    server.config_set("maxmemory-policy", "allkeys-lru")
    room(server, memory.LEAST_FREE // 2)

    tally = restore_from(keeper, source=source)

    assert words.FULL_WARNING in tally.warnings
    assert tally.unfinished
    assert not tally.keys_restored
    assert server.exists(*strangers) == len(strangers)
    server.config_set("maxmemory", 0)
    assert not restore_from(keeper, source=source).unfinished
