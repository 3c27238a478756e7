"""Which primary of a Redis Cluster has which slot, as the nodes themselves say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from redis.crc import REDIS_CLUSTER_HASH_SLOTS
from redis.exceptions import ResponseError

from dealpurge.exceptions import RedisUnavailable
from dealpurge.i18n import gettext_noop
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.errors import failure
from dealpurge.servers.replies import understood

NO_CLUSTER = gettext_noop(
    "DEALPURGE_REDIS_CLIENT gave a RedisCluster, but the Redis behind it is no cluster.", code="no_cluster"
)

#: What a node shows of a slot that it gives away or takes in.
IN_MOTION = re.compile(r"\[\d{1,5}-[<>]-.*\]")
SLOTS = range(REDIS_CLUSTER_HASH_SLOTS)

Address = tuple[str, int]


class Node(NamedTuple):
    """A primary; its id outlives restarts and changes of address."""

    id: str
    host: str
    port: int

    @property
    def address(self) -> Address:
        """Where it listens."""
        return self.host, self.port


@dataclass(frozen=True, slots=True)
class SlotMap:
    """One node's view of the cluster; of several the one with the highest ``epoch`` is the newest."""

    epoch: int
    owners: dict[int, Node]
    #: Slots that the asked node is giving away or taking in, with the keys it has of each.
    in_motion: tuple[tuple[str, int], ...]

    @property
    def moving(self) -> set[int]:
        """Those slots themselves."""
        return {int(mark[1:].partition("-")[0]) for mark, _ in self.in_motion}

    @property
    def primaries(self) -> list[Node]:
        """Every node that has slots."""
        return list(dict.fromkeys(self.owners.values()))


def read_slot_map(connection: ServerConnection, asked: Address, remap: Callable[[str, int], Address]) -> SlotMap:
    """Ask one node. Raises what ``LOST`` names, and ``RedisUnavailable`` where it is no node of a cluster."""
    slots, info, nodes = connection.ask_all([("CLUSTER", "SLOTS"), ("CLUSTER", "INFO"), ("CLUSTER", "NODES")])
    if isinstance(slots, ResponseError):
        disabled = "cluster support disabled" in str(slots)
        raise RedisUnavailable("refused", NO_CLUSTER) if disabled else failure(slots)
    owners: dict[int, Node] = {}
    with understood("CLUSTER SLOTS"):
        for first, last, primary, *_ in slots:
            host, port = remap(_text(primary[0]) or asked[0], int(primary[1]))
            node = Node(_text(primary[2]) if len(primary) > 2 else f"{host}:{port}", host, port)
            owners.update(dict.fromkeys(SLOTS[first : last + 1], node))
    moving = sorted(_in_motion(nodes)) if isinstance(nodes, bytes) else []
    counts = connection.ask_all([("CLUSTER", "COUNTKEYSINSLOT", mark[1:].partition("-")[0]) for mark in moving])
    marks = zip(moving, (count if isinstance(count, int) else -1 for count in counts), strict=True)
    return SlotMap(_epoch(info), owners, tuple(marks))


def _epoch(info: Any) -> int:
    told = re.search(rb"^cluster_current_epoch:(\d{1,20})\s*$", info, re.MULTILINE) if isinstance(info, bytes) else None
    return int(told[1]) if told else 0


def _in_motion(nodes: bytes) -> Iterator[str]:
    """Marks such as ``[93->-id]`` and ``[93-<-id]``, which a node shows of itself only."""
    for line in nodes.decode("utf-8", "replace").splitlines():
        fields: Sequence[str] = line.split(" ")
        if len(fields) > 8 and "myself" in fields[2].split(","):
            yield from filter(IN_MOTION.fullmatch, fields[8:])


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else ""
