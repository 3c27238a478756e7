"""Answers that are none, of nodes of a cluster and of Sentinels."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django.fixtures import Settings
from redis.exceptions import ResponseError

from dealpurge import RedisUnavailable
from dealpurge.servers.slots import SlotMap, read_slot_map
from tests.conftest import PointCacheAt
from tests.support.purging import purge
from tests.support.scripted import ScriptedServer, array, bulk
from tests.support.sentinel import SERVICE, readme_options

NODE = [b"127.0.0.1", 7000, b"abc"]
SOUND = [[0, 16383, NODE]]


class Answers:
    """Stands in for a connection to a node."""

    def __init__(self, slots: Any, info: Any = b"cluster_current_epoch:7\r\n", nodes: Any = b"") -> None:
        self.replies = [slots, info, nodes]

    def ask_all(self, commands: list[Any]) -> list[Any]:
        return self.replies if commands and commands[0][1] == "SLOTS" else [None] * len(commands)


def read(*answers: Any) -> SlotMap:
    return read_slot_map(Answers(*answers), ("127.0.0.1", 7000), lambda *address: address)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "slots",
    [
        None,
        7,
        b"OK",
        [None],
        [[0]],
        [[0, 5, None]],
        [[0, b"x", NODE]],
        [[0, 5, []]],
        [[0, 5, [b"host", b"x"]]],
        [[0, 5, [b"\xff", 1]]],
        [[0, 5, [ResponseError("no"), None]]],
    ],
)
def test_slots_that_are_none(slots: Any) -> None:
    with pytest.raises(RedisUnavailable, match="answered CLUSTER SLOTS with something"):
        read(slots)


def test_slots_beyond_those_there_are_cost_nothing() -> None:
    assert len(read([[0, 10**15, NODE]]).owners) == 16384


@pytest.mark.parametrize(
    "info", [None, b"", b"\xff", b"cluster_current_epoch:seven", b"cluster_current_epoch:" + b"9" * 5000]
)
def test_an_epoch_that_is_none_is_the_oldest(info: Any) -> None:
    assert read(SOUND, info).epoch == 0


@pytest.mark.parametrize("mark", [b"[", b"[x->-y]", b"[9" + b"9" * 5000 + b"->-y]", b"[->-]"])
def test_a_mark_of_a_slot_that_is_none_is_left_out(mark: bytes) -> None:
    nodes = b"abc 127.0.0.1:7000 myself,master - 0 0 1 connected 0-16383 [93->-def] " + mark

    assert read(SOUND, b"cluster_current_epoch:7\r\n", nodes).moving == {93}


@pytest.mark.parametrize(
    "answer",
    [
        b"$-1\r\n",
        b":7\r\n",
        bulk(b"gateway"),
        array([bulk(b"x")]),
        array([array([bulk(b"name")])]),
        b"%1\r\n+x\r\n:1\r\n",
    ],
)
@pytest.mark.parametrize("question", [b"MASTERS", b"GET-MASTER-ADDR-BY-NAME"])
def test_what_a_sentinel_says_that_is_nothing(
    cache_at: PointCacheAt, settings: Settings, question: bytes, answer: bytes
) -> None:
    settings.DEALPURGE_RETRY_SECONDS = 0.1
    state = {b"name": SERVICE.encode(), b"ip": b"127.0.0.1", b"port": b"1", b"flags": b"master"}

    def script(words: list[bytes]) -> bytes | None:
        if words[0] != b"SENTINEL":
            return None
        true = array([array(bulk(part) for item in state.items() for part in item)])
        return answer if words[1].upper() == question else true

    with ScriptedServer((), script) as sentinel:
        host, port = sentinel.url.removeprefix("redis://").removesuffix("/0").split(":")
        location, options = readme_options((host, int(port)))
        cache_at(location, **options)
        with pytest.raises(RedisUnavailable) as refusal:
            purge()

    assert "SENTINEL with something" in str(refusal.value) or "Sentinel watches no service" in str(refusal.value)
