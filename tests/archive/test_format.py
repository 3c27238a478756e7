"""What a chunk is made of: commands as Redis takes them, compressed so that equal data are equal files."""

from __future__ import annotations

import gzip
from hashlib import sha256
from typing import Any

import pytest
import redis

from dealpurge.engine.archive import chunk as chunks
from dealpurge.engine.archive.chunk import Chunk, compress
from dealpurge.engine.archive.entries import Entries
from tests.support.archiving import commands_in
from tests.support.contents import LATER

#: A payload of DUMP: type, value, version 11 of the format, checksum.
PAYLOAD = b"\x04\x02\x01f\x01v" + b"\x0b\x00" + b"checksum"


def entry(
    key: bytes = b"k",
    value: bytes = b"v",
    *,
    family: int = 0,
    token: bytes = b"acme:1",
    until: int = 0,
    is_string: bool = True,
) -> Entries:
    return Entries.of([(key, family, token)], [value], [until], [b""], are_strings=is_string)


def entries_of(*several: Entries) -> Entries:
    entries = Entries()
    for each in several:
        entries.add(each)
    return entries


def chunk_of(*several: Entries, in_order: bool = False) -> Chunk:
    entries = entries_of(*several)
    return Chunk.of(entries, entries.commands(), server=1, number=3, server_version="7.0.15", in_order=in_order)


def test_a_string_is_set_where_there_is_none() -> None:
    assert entry().commands() == b"*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n$2\r\nNX\r\n"


def test_a_string_with_a_time_to_live_is_set_until_then() -> None:
    command = entry(until=LATER).commands()

    assert list(commands_in(command)) == [[b"SET", b"k", b"v", b"NX", b"PXAT", b"%d" % LATER]]


@pytest.mark.parametrize("until", [0, 1, LATER])
def test_anything_else_is_restored_with_an_absolute_time(until: int) -> None:
    command = entry(value=PAYLOAD, until=until, is_string=False).commands()

    assert list(commands_in(command)) == [[b"RESTORE", b"k", b"%d" % until, PAYLOAD, b"ABSTTL"]]


@pytest.mark.parametrize("text", [b"", b"\r\n", b"$3\r\nabc\r\n", b"\x00\xff", "é".encode(), b"%d%b%s", b"x" * 70_000])
@pytest.mark.parametrize("is_string", [True, False])
def test_any_bytes_are_keys_and_values(text: bytes, is_string: bool) -> None:
    (words,) = commands_in(entry(text, text, is_string=is_string).commands())

    assert words[1] == text
    assert words[2 if is_string else 3] == text


def test_what_is_there_is_not_overwritten(server: redis.Redis) -> None:
    execute: Any = server.execute_command
    server.hset("hash", "f", "v")
    payload = server.dump("hash")
    server.mset({"k": "mine", "hash": "mine"})

    assert execute(*next(commands_in(entry().commands()))) is None
    with pytest.raises(redis.ResponseError, match="BUSYKEY"):
        execute(*next(commands_in(entry(b"hash", bytes(payload or b""), is_string=False).commands())))

    assert server.mget("k", "hash") == [b"mine", b"mine"]


def test_a_chunk_tells_what_is_in_it() -> None:
    entries = [entry(b"a", family=2), entry(b"b", family=0), entry(b"c", PAYLOAD, family=2, is_string=False)]
    commands = b"".join(item.commands() for item in entries)

    chunk = chunk_of(*entries)

    assert gzip.decompress(chunk.data) == commands
    assert (chunk.length, chunk.sha256) == (len(commands), sha256(commands).hexdigest())
    assert (chunk.keys, chunk.families) == (3, {0: 1, 2: 2})
    assert (chunk.server, chunk.number, chunk.server_version, chunk.rdb_version) == (1, 3, "7.0.15", 11)


def test_between_which_deals_a_sorted_chunk_is() -> None:
    entries = [entry(token=token) for token in (b"acme:1", b"acme:10", b"acme:2")]

    assert (chunk_of(*entries, in_order=True).first, chunk_of(*entries, in_order=True).last) == (b"acme:1", b"acme:2")
    assert (chunk_of(*entries).first, chunk_of(*entries).last) == (None, None)


def test_strings_have_no_version_of_a_format() -> None:
    assert entry(value=PAYLOAD).rdb_version() is None
    assert entries_of(entry(), entry(value=PAYLOAD, is_string=False)).rdb_version() == 11


def test_the_version_is_the_one_that_the_server_writes(server: redis.Redis) -> None:
    server.rpush("list", "x")
    payload = bytes(server.dump("list") or b"")
    other = payload[:-10] + b"\xff\xff" + payload[-8:]

    version = entry(value=payload, is_string=False).rdb_version()

    assert version in range(9, 100)
    assert server.restore("copy", 0, payload) == b"OK"
    with pytest.raises(redis.ResponseError, match="version or checksum"):
        server.restore("of another version", 0, other)


@pytest.mark.parametrize("faster", [True, False])
def test_equal_data_are_equal_files(monkeypatch: pytest.MonkeyPatch, faster: bool) -> None:
    if not faster:
        monkeypatch.setattr(chunks, "_igzip", None)
    data = b"*1\r\n$4\r\nPING\r\n" * 1000

    files = []
    for moment in (1.0, 2_000_000_000.0):
        monkeypatch.setattr("time.time", lambda moment=moment: moment)
        files.append(compress(data))

    assert files[0] == files[1]
    assert gzip.decompress(files[0]) == data
    assert len(files[0]) < len(data) / 10


def test_chunks_put_together_are_one_file() -> None:
    """As ``cat`` does it."""
    first, second = chunk_of(entry(b"a")), chunk_of(entry(b"b"))

    together = gzip.decompress(first.data + second.data)

    assert [key for _, key, *_ in commands_in(together)] == [b"a", b"b"]
