"""Files that are not what was archived: nothing is written unless the rest is asked for, and then exactly that is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis

from dealpurge.engine.restore import words
from dealpurge.engine.restore.source import ArchivedFile
from dealpurge.engine.restore.tally import RestoreTally
from dealpurge.exceptions import RestoreRefused
from dealpurge.i18n import Number
from tests.support.archiving import MemoryKeeper, snapshot
from tests.support.restoring import MemorySource, counts, restore_from

Contents = dict[bytes, Any]
Spoil = Callable[[MemorySource], dict[str, str]]


def lose(source: MemorySource) -> dict[str, str]:
    del source.stored[source.files[1].name]
    return {source.files[1].name: "missing"}


def cut_short(source: MemorySource) -> dict[str, str]:
    name = source.files[2].name
    source.stored[name] = source.stored[name][: len(source.stored[name]) // 2]
    return {name: "truncated"}


def flip_a_bit(source: MemorySource) -> dict[str, str]:
    name = source.files[-1].name
    data = bytearray(source.stored[name])
    data[len(data) // 2] ^= 1
    source.stored[name] = bytes(data)
    return {name: "altered"}


def swap(source: MemorySource) -> dict[str, str]:
    first, second = source.files[0].name, source.files[3].name
    source.stored[first], source.stored[second] = source.stored[second], source.stored[first]
    return {first: "altered", second: "altered"}


def everything(source: MemorySource) -> dict[str, str]:
    return lose(source) | cut_short(source) | flip_a_bit(source) | swap(source)


@pytest.fixture(params=[lose, cut_short, flip_a_bit, swap, everything])
def damaged(request: pytest.FixtureRequest, source: MemorySource) -> dict[str, str]:
    """What is wrong with which file."""
    found: dict[str, str] = request.param(source)
    assert len(source.files) > 6
    return found


def found_by(tally: RestoreTally) -> dict[str, str]:
    return {file.name: damage for file, damage in tally.damaged}


def said(text: Any, source: MemorySource, damaged: dict[str, str]) -> str:
    return str(text.format(Number(len(damaged)), Number(len(source.keys_of(*damaged)))))


def test_a_look_names_them(keeper: MemoryKeeper, source: MemorySource, damaged: dict[str, str]) -> None:
    tally = restore_from(keeper, source=source, dry_run=True)

    assert found_by(tally) == damaged
    assert sum(file.keys for file, _ in tally.damaged) == len(source.keys_of(*damaged))
    assert counts(tally) == {"restored": 600 - len(source.keys_of(*damaged))}
    assert said(words.DAMAGED_WARNING, source, damaged) in tally.warnings
    assert tally.unfinished


@pytest.mark.parametrize("families", [(), ("locks", "events")])
def test_nothing_is_written(
    server: redis.Redis, keeper: MemoryKeeper, source: MemorySource, damaged: dict[str, str], families: tuple[str, ...]
) -> None:
    left = snapshot(server)

    with pytest.raises(RestoreRefused) as refused:
        restore_from(keeper, source=source, families=families)

    assert str(refused.value) == said(words.DAMAGED, source, damaged)
    assert snapshot(server) == left


def test_exactly_the_rest_is_there_where_that_is_asked_for(
    server: redis.Redis, keeper: MemoryKeeper, before: Contents, source: MemorySource, damaged: dict[str, str]
) -> None:
    tally = restore_from(keeper, source=source, skip_damaged=True)

    lost = set(source.keys_of(*damaged))
    assert snapshot(server) == {key: value for key, value in before.items() if key not in lost}
    assert found_by(tally) == damaged
    assert counts(tally) == {"restored": 600 - len(lost)}
    assert said(words.DAMAGED_WARNING, source, damaged) in tally.warnings
    assert tally.unfinished


@pytest.mark.parametrize("skip_damaged", [False, True])
def test_a_file_that_is_lost_behind_the_check(
    server: redis.Redis, keeper: MemoryKeeper, before: Contents, source: MemorySource, skip_damaged: bool
) -> None:
    lost = source.files[4].name
    read = source.read

    def reading(file: ArchivedFile) -> bytes:
        if source.reads.count(lost):
            source.stored.pop(lost, None)
        return read(file)

    source.read = reading  # type: ignore[method-assign]

    tally = restore_from(keeper, source=source, skip_damaged=skip_damaged)

    keys = set(source.keys_of(lost))
    assert snapshot(server) == {key: value for key, value in before.items() if key not in keys}
    assert found_by(tally) == {lost: "missing"}
    assert counts(tally) == {"restored": 600 - len(keys)}
    assert said(words.DAMAGED_WARNING, source, {lost: "missing"}) in tally.warnings
    assert tally.unfinished


@pytest.mark.parametrize(
    "data",
    [b"SET k v\r\n", b"*1\r\n$8\r\nFLUSHALL\r\n", b"*4\r\n$3\r\nSET\r\n$7\r\nforeign\r\n$1\r\nv\r\n$2\r\nNX\r\n"],
    ids=["no commands", "another command", "a key of no family"],
)
def test_a_file_that_no_purge_can_have_archived(
    server: redis.Redis, keeper: MemoryKeeper, before: Contents, source: MemorySource, data: bytes
) -> None:
    """Although its checksum is right."""
    name = source.files[0].name
    keys = set(source.keys_of(name))
    source.rewrite(name, data)

    looked = restore_from(keeper, source=source, dry_run=True)
    done = restore_from(keeper, source=source, skip_damaged=True)

    assert snapshot(server) == {key: value for key, value in before.items() if key not in keys}
    for tally in (looked, done):
        assert found_by(tally) == {name: "altered"}
        assert counts(tally) == {"restored": 600 - len(keys)}
