"""Events come last: a deal whose events are there again has everything else by then."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
import redis

from dealpurge.engine.restore import restoring, writer
from tests.support.archiving import MemoryKeeper, snapshot
from tests.support.restoring import MemorySource, counts, restore_from
from tests.support.servers import RedisServer

Contents = dict[bytes, Any]
EVENTS = b"canvas:events:"
#: But for the question whether the format is taken, whose key begins with a zero.
WRITTEN = re.compile(r"^(?:SET|RESTORE) ([a-z]\S*) ").match


class Monitored:
    """The keys that are written, in order, as the server got the commands."""

    def __init__(self, server: RedisServer) -> None:
        self.client = server.client()
        self.keys: list[bytes] = []

    def __enter__(self) -> Monitored:
        self._monitor: Any = self.client.monitor()  # type: ignore[no-untyped-call]
        self._monitor.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self.client.ping()
        while (command := self._monitor.next_command()["command"]) != "PING":
            if found := WRITTEN(command):
                self.keys.append(found[1].encode())
        self._monitor.__exit__(*exception)
        self.client.close()


@pytest.fixture(params=[1, 8000, 16 << 20], ids=["none held", "some held", "all held"])
def held_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(restoring, "HELD_BYTES", request.param)
    monkeypatch.setattr(writer, "PACKET_BYTES", 500)
    monkeypatch.setattr(restoring, "PACKET_BYTES", 500)
    return int(request.param)


def test_all_events_come_behind_all_other_keys(
    redis_server: RedisServer, keeper: MemoryKeeper, source: MemorySource, held_bytes: int
) -> None:
    with Monitored(redis_server) as monitored:
        restore_from(keeper, source=source)

    are_events = [key.startswith(EVENTS) for key in monitored.keys]
    assert sorted(monitored.keys) == sorted(source.keys_of(*source.stored))
    assert are_events == [False] * 500 + [True] * 100


@pytest.mark.parametrize("options", [{}, {"leave_mixed": True}, {"families": ("events", "locks")}])
def test_nothing_is_counted_twice_or_left(
    server: redis.Redis,
    keeper: MemoryKeeper,
    before: Contents,
    source: MemorySource,
    held_bytes: int,
    options: dict[str, Any],
) -> None:
    tally = restore_from(keeper, source=source, **options)

    archived = set(source.keys_of(*source.stored))
    wanted = {key for key in archived if "families" not in options or key.startswith((EVENTS, b"canvas:lock:"))}
    assert snapshot(server) == {key: state for key, state in before.items() if key in wanted or key not in archived}
    expected = len(wanted)
    assert counts(tally) == {"restored": expected}
    assert (tally.written, tally.to_write, sum(tally.families.values())) == (expected,) * 3
    deals = tally.deals()
    assert len(deals) == 100
    assert {count.restored for count in deals.values()} == {expected // 100}


def test_only_files_whose_events_are_not_held_are_read_again(
    keeper: MemoryKeeper, source: MemorySource, held_bytes: int
) -> None:
    tally = restore_from(keeper, source=source)

    times = Counter(source.reads)
    assert times.keys() == {file.name for file in source.files}
    again = [name for name, number in times.items() if number == 3]
    assert set(times.values()) <= {2, 3}
    assert len(again) == {1: len(times), 16 << 20: 0}.get(held_bytes, len(again))
    assert held_bytes != 8000 or 0 < len(again) < len(times)
    assert counts(tally) == {"restored": 600}


def test_events_of_a_file_that_is_lost_in_between(
    server: redis.Redis,
    keeper: MemoryKeeper,
    before: Contents,
    source: MemorySource,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They stay away, and everything else of it is there and counted."""
    monkeypatch.setattr(restoring, "HELD_BYTES", 1)
    name, read = source.files[2].name, source.read

    def reading(file: Any) -> bytes:
        if source.reads.count(name) == 2:
            source.stored.pop(name, None)
        return read(file)

    source.read = reading  # type: ignore[method-assign]

    tally = restore_from(keeper, source=source)

    events = {key for key in source.keys_of(name) if key.startswith(EVENTS)}
    assert events
    assert snapshot(server) == {key: state for key, state in before.items() if key not in events}
    assert counts(tally) == {"restored": 600 - len(events)}
    assert [(file.name, damage) for file, damage in tally.damaged] == [(name, "missing")]
    assert tally.unfinished
