"""What a purge archives, kept where a test finds it, read without the package, and loaded as a person would load it."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict
from typing import Any

import redis

from dealpurge.engine.archive.archiver import Archive
from dealpurge.engine.archive.chunk import Chunk, Keeper
from dealpurge.engine.sweep.tally import Tally
from tests.support import cases
from tests.support.cases import Case
from tests.support.purging import carry_out
from tests.support.servers import RedisServer, missing

#: Bytes above which a key stays, unless a test says otherwise.
LARGEST = 16 << 20
#: What may come and go without anybody's doing.
UNSTEADY = {b"seen-time", b"active-time"}

Words = list[bytes]


class MemoryKeeper:
    """Keeps chunks in memory; ``changes`` counts those of which not all keys went."""

    def __init__(self) -> None:
        self.saved: dict[str, bytes] = {}
        self.committed: dict[str, Chunk] = {}
        self.changes = 0

    def save(self, chunk: Chunk, may_go_on: Callable[[], bool]) -> str:
        name = f"{chunk.server}-{chunk.number}"
        assert name not in self.saved, "a chunk's number is given twice"
        self.saved[name] = chunk.data
        return name

    def commit(self, chunk: Chunk, name: str, instead_of: str = "") -> None:
        assert self.saved[name] == chunk.data
        if instead_of:
            self.drop(instead_of)
        self.committed[name] = chunk

    def drop(self, name: str) -> None:
        self.changes += self.committed.pop(name, None) is not None
        del self.saved[name]

    @property
    def data(self) -> bytes:
        """All of it, as ``zcat`` prints it."""
        return b"".join(gzip.decompress(chunk.data) for chunk in self.committed.values())

    @property
    def commands(self) -> list[Words]:
        return list(commands_in(self.data))

    @property
    def keys(self) -> list[bytes]:
        """With those twice that are there twice."""
        return [words[1] for words in self.commands]


def archive_for(keeper: Keeper) -> Archive:
    return Archive(keeper, LARGEST)


def purge_into(keeper: Keeper, *, keep_going: Callable[[], bool] = lambda: True, **options: Any) -> Tally:
    """Purge on the Redis of the settings, and keep what goes."""
    tally = Tally()
    carry_out(tally, keep_going=keep_going, archive=archive_for(keeper), **options)
    return tally


def purge_case(case: Case, keeper: Keeper) -> Tally:
    with cases.in_force(case):
        return purge_into(keeper, **asdict(case.request))


def commands_in(data: bytes) -> Iterator[Words]:
    """Commands as Redis takes them over the wire."""
    place = 0

    def number(kind: bytes) -> int:
        nonlocal place
        end = data.index(b"\r\n", place)
        line, place = data[place:end], end + 2
        assert line[:1] == kind, line
        return int(line[1:])

    while place < len(data):
        words = []
        for _ in range(number(b"*")):
            size = number(b"$")
            words.append(data[place : place + size])
            assert data[place + size : place + size + 2] == b"\r\n"
            place += size + 2
        yield words


def load(data: bytes, server: RedisServer) -> None:
    """``zcat … | redis-cli --pipe``."""
    if shutil.which("redis-cli") is None:
        missing("redis-cli is not installed (apt-get install redis-tools)")
    command = ["redis-cli", "-h", server.address[0], "-p", str(server.port), "--pipe"]
    done = subprocess.run(command, input=data, capture_output=True, timeout=60, check=False)
    assert b"errors: 0," in done.stdout, (done.stdout, done.stderr)


def snapshot(client: redis.Redis, keys: Collection[bytes] | None = None) -> dict[bytes, Any]:
    """What each key is and holds and when it goes, by reads that suit its type; of all keys by default."""
    there: Any = client.keys() if keys is None else keys
    names: list[bytes] = sorted(there)
    types = _ask(client, [("TYPE", key) for key in names])
    reads = [_reads(client, kind, key) for kind, key in zip(types, names, strict=True)]
    answers = iter(_ask(client, [command for commands in reads for command in commands]))
    return {
        key: (kind, *(_steady(kind, next(answers)) for _ in commands))
        for key, kind, commands in zip(names, types, reads, strict=True)
    }


def _ask(client: redis.Redis, commands: list[tuple[Any, ...]]) -> list[Any]:
    pipe: Any = client.pipeline(transaction=False)
    pipe.response_callbacks = {}
    for words in commands:
        pipe.execute_command(*words)
    return [_word(reply) for reply in pipe.execute(raise_on_error=False)]


def _word(reply: Any) -> Any:
    """An error as its first words: of a command that this server has not."""
    return str(reply)[:15] if isinstance(reply, redis.ResponseError) else reply


def _reads(client: redis.Redis, kind: bytes, key: bytes) -> list[tuple[Any, ...]]:
    read: dict[bytes, tuple[Any, ...]] = {
        b"none": ("EXISTS", key),
        b"string": ("GET", key),
        b"hash": ("HGETALL", key),
        b"list": ("LRANGE", key, 0, -1),
        b"set": ("SMEMBERS", key),
        b"zset": ("ZRANGE", key, 0, -1, "WITHSCORES"),
        b"stream": ("XINFO", "STREAM", key, "FULL", "COUNT", 0),
    }
    commands = [read[kind], ("PEXPIRETIME", key)]
    if kind == b"hash":
        names: Any = client.hkeys(key)
        fields = sorted(names)
        commands.append(("HPEXPIRETIME", key, "FIELDS", len(fields), *fields))
    return commands


def _steady(kind: bytes, reply: Any) -> Any:
    """Sorted where there is no order, and without what changes when it is looked at."""
    if not isinstance(reply, list):
        return reply
    if kind == b"set":
        return sorted(reply)
    if kind == b"hash" and reply and isinstance(reply[0], bytes):
        return sorted(zip(reply[::2], reply[1::2], strict=True))
    return _without_times(reply) if kind == b"stream" else reply


def _without_times(reply: list[Any]) -> list[Any]:
    nested = [_without_times(item) if isinstance(item, list) else item for item in reply]
    places = {place for place, item in enumerate(nested) if isinstance(item, bytes) and item in UNSTEADY}
    return [item for place, item in enumerate(nested) if place not in places and place - 1 not in places]
