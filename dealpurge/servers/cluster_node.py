"""A connection to one primary of a Redis Cluster: keys by slot, redirects followed, a replaced node noticed."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import Any, Protocol

from redis.exceptions import AskError, MovedError, TryAgainError

from dealpurge.exceptions import RedisUnavailable
from dealpurge.servers.backoff import KeepGoing
from dealpurge.servers.commands import Command, slot_of
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.errors import CLUSTER_DOWN, MOVED_AWAY, Departed, Transient
from dealpurge.servers.slots import Address, Node

#: Redirects of one command that are followed before the cluster is given time to agree with itself.
MOST_REDIRECTS = 16
#: Seconds between two tries of a key that is on its way from one node to another.
TRY_AGAIN_SECONDS = 0.05
#: Seconds between two questions to the cluster about whether the node is still a primary.
ASK_AGAIN_SECONDS = 0.25
#: Keys of a slot that are looked through for one that no command reaches.
MOST_UNREACHABLE = 10_000


class Directory(Protocol):
    """What a connection asks its cluster; by several threads."""

    #: Tells how to connect to any of its nodes.
    pool: Any

    def address(self, host: str, port: int) -> Address:
        """Where an address that the cluster names is reached from here."""

    def owner(self, slot: int) -> Node | None:
        """The node that has the slot, as the newest slot map says."""

    def primaries(self) -> set[Node]:
        """Every node that has slots, as the newest slot map says."""

    def is_primary(self, node: Node, keep_going: KeepGoing) -> bool | None:
        """Whether the node still has slots, as the others say; None where none of them answers. Raises ``Stopped``."""


class NodeConnection(ServerConnection):
    """Straight to one node of a cluster."""

    clustered = True
    node: Node

    def __init__(self, node: Node, keep_going: KeepGoing, directory: Directory) -> None:
        super().__init__(directory.pool, keep_going, host=node.host, port=node.port)
        self.node = node
        self._directory = directory
        self._asked = 0.0
        #: Whether the node said of a key that another one has its slot.
        self._redirected = False
        self._others: dict[Address, ServerConnection] = {}
        self._neighbours: dict[Node, NodeConnection] = {}

    def twin(self) -> NodeConnection:
        """Another connection to the same node."""
        return NodeConnection(self.node, lambda: self.keep_going(), self._directory)

    def close(self) -> None:
        """Disconnect, from the nodes that redirects led to as well."""
        super().close()
        for connection in (*self._others.values(), *self._neighbours.values()):
            self.broken = self.broken or connection.broken or connection.owed > 0
            connection.close()
        self._others.clear()
        self._neighbours.clear()

    def back_off(self, exc: Exception) -> None:
        """As every connection, but not for a node that was replaced. Raises ``Departed``."""
        super().back_off(exc)
        self._check_departed()

    def followed(self, commands: Sequence[Command], replies: list[Any]) -> list[Any]:
        """Replies to commands of a single key each, from wherever the cluster has the key.

        A node that was replaced is not given up before ``check_place``: what it has answered would be in no count.
        """
        self._redirected = self._redirected or any(isinstance(reply, MovedError) for reply in replies)
        try:
            return [
                self._follow(command, reply) if isinstance(reply, MOVED_AWAY) else reply
                for command, reply in zip(commands, replies, strict=True)
            ]
        except BaseException:
            self.broken = True  # the replies that came are lost too
            raise

    def check_place(self) -> None:
        """Ask the cluster about its own node where that has named others. Raises ``Departed``."""
        if self._redirected:
            self._check_departed()

    def owner(self, key: bytes) -> Node:
        """The node that has the key's slot, as the newest slot map says."""
        return self._directory.owner(slot_of(key)) or self.node

    def home(self, key: bytes) -> NodeConnection:
        """Itself, or a connection of its own to the node that has the key; closed with this one, and opened anew."""
        return self._neighbour(self.owner(key))

    def unreachable_here(self, keys: Sequence[bytes]) -> tuple[bytes, ...]:
        """Those that a broken migration left here: SCAN lists them, no command reaches them (redis/redis#13269)."""
        slots = sorted(set(map(slot_of, keys)))
        replies = self.ask_all([("CLUSTER", "GETKEYSINSLOT", slot, MOST_UNREACHABLE) for slot in slots])
        here = {key for reply in replies if isinstance(reply, list) for key in reply if isinstance(key, bytes)}
        return tuple(key for key in keys if key in here)

    def unreachable_anywhere(self, keys: Sequence[bytes]) -> tuple[bytes, ...]:
        """Those of ``keys`` that are stranded on any primary, whichever has their slots."""
        found: list[bytes] = []
        for node in sorted(self._directory.primaries()):
            others = [key for key in keys if self.owner(key) != node]
            found += self._neighbour(node).unreachable_here(others) if others else ()
        return tuple(dict.fromkeys(found))

    def _neighbour(self, node: Node) -> NodeConnection:
        if node == self.node:
            return self
        if node not in self._neighbours:
            connection = NodeConnection(node, lambda: self.keep_going(), self._directory)
            connection.backoff.met = True
            connection.open()
            self._neighbours[node] = connection
        return self._neighbours[node]

    def _follow(self, command: Command, reply: Any) -> Any:
        connection: ServerConnection = self
        for number in range(MOST_REDIRECTS):
            asking = False
            if isinstance(reply, AskError):
                connection = self._other(connection, reply)
                asking = not isinstance(reply, MovedError)
            elif not isinstance(reply, TryAgainError):
                return reply
            if number > 1:
                self.backoff.wait(TRY_AGAIN_SECONDS)
            reply = connection.ask_all([("ASKING",), command] if asking else [command])[-1]
        raise Transient(RedisUnavailable("unreachable", CLUSTER_DOWN))

    def _other(self, connection: ServerConnection, redirect: AskError) -> ServerConnection:
        """The node that a redirect names, an empty host being the one that was asked."""
        asked = next((address for address, other in self._others.items() if other is connection), self.node.address)
        address = self._directory.address(redirect.host, redirect.port) if redirect.host else (asked[0], redirect.port)
        if address not in self._others:
            other = ServerConnection(self._directory.pool, self.keep_going, host=address[0], port=address[1])
            other.connect()
            self._others[address] = other
        return self._others[address]

    def _check_departed(self) -> None:
        if monotonic() - self._asked < ASK_AGAIN_SECONDS:
            return
        gone = self._directory.is_primary(self.node, self.keep_going) is False
        self._asked, self._redirected = monotonic(), False
        if gone:
            raise Departed(f"{self.node.host}:{self.node.port}")
