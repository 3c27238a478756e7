"""Keys that are written while they are archived: each time that one goes, the archive has what it held just then."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

import pytest
import redis

from dealpurge.engine.archive import archiver
from tests.support.archive_writers import KeyWriter, State, kind_of, state_in, writing
from tests.support.archiving import MemoryKeeper, purge_into
from tests.support.samples import sample
from tests.support.seeding import key_of
from tests.support.servers import RedisServer

#: Seconds that a file takes.
SLOW = 0.02


class SlowKeeper(MemoryKeeper):
    """Leaves time to write between the read and the delete."""

    def save(self, *arguments: object) -> str:
        time.sleep(SLOW)
        return super().save(*arguments)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archiver, "CHUNK_BYTES", 4096)
    monkeypatch.setattr(archiver, "LEAST_CHUNK_BYTES", 4096)


def archived(keeper: MemoryKeeper, other: RedisServer) -> dict[str, list[State]]:
    """What the archive has of each key, tried out one command at a time."""
    states = defaultdict[str, list[State]](list)
    with other.client() as client:
        execute: Any = client.execute_command
        for name, key, *rest in keeper.commands:
            assert execute(name, "tried", *rest) in (b"OK", True)
            states[key.decode()].append(state_in(client, "tried", kind_of(key.decode())))
            client.delete("tried")
    return states


def assert_exact(writers: list[KeyWriter], client: redis.Redis, kept: dict[str, list[State]]) -> None:
    """Whatever went is in the archive once, as it was acknowledged last; whatever did not is in Redis."""
    for writer in writers:
        for key in writer.keys:
            assert sorted(map(repr, kept.get(key, []))) == sorted(map(repr, writer.lost.get(key, []))), key
            if key in writer.states:
                assert state_in(client, key, kind_of(key)) == writer.states[key]


@pytest.mark.parametrize(("deals", "rate"), [(sample(20, 200), 500), (1, 500), (1, 1500)])
def test_what_goes_was_archived_as_it_was_last(
    redis_server: RedisServer, server: redis.Redis, other: RedisServer, deals: int, rate: int
) -> None:
    keeper = SlowKeeper()
    families = ("locks", "canvas_sessions", "events")
    keys = [
        f"{key_of(family, 'acme', f'deal-{deal}')}:{number}"
        for number in range(40 if deals > 1 else 4)
        for deal in range(deals)
        for family in families
    ]

    with writing(redis_server, keys, threads=4, rate=rate) as writers:
        tally = purge_into(keeper)

    kept = archived(keeper, other)
    assert_exact(writers, server, kept)
    assert tally.deleted == sum(map(len, kept.values()))
    assert keeper.changes, "nobody wrote a key between its read and its delete"
