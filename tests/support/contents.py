"""Generated values of every type, and what makes them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import redis
from hypothesis import strategies as st

#: Stands for the key in a command.
KEY = object()
#: Milliseconds since 1970, in 2096.
LATER = 4_000_000_000_000

Command = tuple[Any, ...]


@dataclass(frozen=True)
class Content:
    """The commands that make a key."""

    commands: tuple[Command, ...]

    def on(self, key: bytes) -> Iterator[Command]:
        for command in self.commands:
            yield tuple(key if word is KEY else word for word in command)


def write(client: redis.Redis, contents: dict[bytes, Content]) -> None:
    """Make the keys; a server without TTLs of fields has none."""
    pipe: Any = client.pipeline(transaction=False)
    for key, content in contents.items():
        for command in content.on(key):
            pipe.execute_command(*command)
    for reply in pipe.execute(raise_on_error=False):
        assert not isinstance(reply, redis.ResponseError) or "unknown command 'HPEXPIREAT'" in str(reply), reply


def large(size: int) -> bytes:
    """Bytes that do not shrink when they are compressed."""
    return random.Random(size).randbytes(size)  # noqa: S311 - no secret


texts = st.one_of(
    st.binary(max_size=20),
    st.integers(-(1 << 63), (1 << 63) - 1).map(lambda number: b"%d" % number),
    st.sampled_from([b"", b"\x00", b"\r\n", b"$3\r\nabc\r\n", b"\xff" * 64, b"x" * 45]),
)
sizes = st.sampled_from([64, 65, 1000, 16 << 10, (16 << 10) - 1, 200_000])
many = st.sampled_from([0, 3, 130, 600])
moments = st.integers(LATER, 2 * LATER)


@st.composite
def strings(draw: st.DrawFn) -> list[Command]:
    value = draw(st.one_of(texts, texts, sizes.map(large)))
    return [("SET", KEY, value)]


@st.composite
def hashes(draw: st.DrawFn) -> list[Command]:
    fields = draw(st.dictionaries(texts, texts, min_size=1, max_size=6))
    fields |= {b"field-%d" % number: b"%d" % number for number in range(draw(many))}
    timed = draw(st.lists(st.tuples(st.sampled_from(sorted(fields)), moments), max_size=3))
    return [
        ("HSET", KEY, *(word for pair in fields.items() for word in pair)),
        *(("HPEXPIREAT", KEY, moment, "FIELDS", 1, field) for field, moment in timed),
    ]


@st.composite
def lists(draw: st.DrawFn) -> list[Command]:
    items = draw(st.lists(texts, min_size=1, max_size=6)) + [b"item-%d" % number for number in range(draw(many))]
    return [("RPUSH", KEY, *items), *draw(st.sampled_from([[], [("LPUSH", KEY, large(10_000))]]))]


@st.composite
def sets(draw: st.DrawFn) -> list[Command]:
    kind = draw(st.sampled_from([b"%d", b"member-%d"]))
    members = [kind % number for number in range(1, 2 + draw(many))]
    return [("SADD", KEY, *members, *draw(st.lists(texts, max_size=4)))]


@st.composite
def sorted_sets(draw: st.DrawFn) -> list[Command]:
    scores = st.floats(allow_nan=False)
    members = draw(st.dictionaries(texts, scores, min_size=1, max_size=6))
    members |= {b"member-%d" % number: number / 7 for number in range(draw(many))}
    return [("ZADD", KEY, *(word for member, score in members.items() for word in (repr(score), member)))]


@st.composite
def streams(draw: st.DrawFn) -> list[Command]:
    """With groups, entries that were read and not acknowledged, and entries that were deleted or trimmed."""
    ids = sorted(draw(st.sets(st.integers(1, 300), min_size=1, max_size=8)) | set(range(1, 1 + draw(many))))
    made: list[Command] = [("XADD", KEY, f"{number}-1", "field", draw(texts)) for number in ids[:8]]
    made += [("XADD", KEY, f"{number}-1", "field", number) for number in ids[8:]]
    return made + draw(st.lists(_groups(ids), max_size=2).map(_flat)) + draw(_losses(ids))


def _flat(parts: Sequence[Sequence[Command]]) -> list[Command]:
    return [command for part in parts for command in part]


@st.composite
def _groups(draw: st.DrawFn, ids: Sequence[int]) -> list[Command]:
    group, consumers = f"group-{draw(st.uuids())}", draw(st.lists(st.sampled_from("abc"), max_size=3))
    made: list[Command] = [("XGROUP CREATE", KEY, group, draw(st.sampled_from(["0", "$"])))]
    for consumer in consumers:
        made.append(("XREADGROUP", "GROUP", group, consumer, "COUNT", 2, "STREAMS", KEY, ">"))
    acknowledged = draw(st.lists(st.sampled_from(ids), max_size=2))
    return [*made, *(("XACK", KEY, group, f"{number}-1") for number in acknowledged)]


@st.composite
def _losses(draw: st.DrawFn, ids: Sequence[int]) -> list[Command]:
    lost = draw(st.lists(st.sampled_from(ids), max_size=3))
    made: list[Command] = [("XDEL", KEY, f"{number}-1") for number in lost]
    if draw(st.booleans()):
        made.append(("XTRIM", KEY, "MAXLEN", draw(st.integers(0, len(ids)))))
    if draw(st.booleans()):
        made.append(("XSETID", KEY, f"{ids[-1] + 5}-0"))
    return made


@st.composite
def contents(draw: st.DrawFn) -> Content:
    """A value of any type, with a time to live or none."""
    made = draw(st.one_of(strings(), hashes(), lists(), sets(), sorted_sets(), streams()))
    if draw(st.integers(0, 3)) == 0:
        made = [*made, ("PEXPIREAT", KEY, draw(moments))]
    return Content(tuple(made))
