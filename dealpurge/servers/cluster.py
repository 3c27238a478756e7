"""The primaries of a Redis Cluster, found by asking its nodes over connections of our own.

The host's client lends its addresses and the way it connects, nothing else: to refresh its own slot map it would
disconnect pools that are shared with the whole process.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from redis.cluster import RedisCluster
from redis.crc import key_slot
from redis.exceptions import ConnectionError

from dealpurge.exceptions import RedisUnavailable
from dealpurge.keys.families import Keyspace
from dealpurge.scope import PurgeScope
from dealpurge.servers.address import address_of
from dealpurge.servers.backoff import Backoff, KeepGoing
from dealpurge.servers.cluster_node import NodeConnection
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.errors import CLUSTER_DOWN, LOST, Stopped, Transient
from dealpurge.servers.slots import Address, Node, SlotMap, read_slot_map


class Cluster:
    """Asks for the slot map whenever it is needed, and makes connections to its primaries."""

    looks = 1

    def __init__(self, client: RedisCluster, scope: PurgeScope, keyspace: Keyspace) -> None:
        self.configured = address_of(client)
        manager = client.nodes_manager
        nodes = [*manager.nodes_cache.values(), *manager.startup_nodes.values()]
        self._seeds: tuple[Address, ...] = tuple(dict.fromkeys((node.host, node.port) for node in nodes))
        self.pool = client.get_redis_connection(nodes[0]).connection_pool
        self.address = manager.remap_host_port
        self._slots = {key_slot(tag) for tag in _tags(scope, keyspace)}
        self.narrowed = False
        self._met = False
        self._owners: dict[int, Node] = {}

    def connections(self, keep_going: KeepGoing) -> Sequence[ServerConnection]:
        """A connection to each primary that may have keys of the scope; of a slot that is moved, several may."""
        views = self._ask(keep_going)
        owners, moving = views[0].owners, set[int]().union(*(view.moving for view in views))
        self.narrowed = bool(self._slots) and self._slots <= owners.keys() - moving
        nodes = {owners[slot] for slot in self._slots} if self.narrowed else set(owners.values())
        return [NodeConnection(node, keep_going, self) for node in sorted(nodes)]

    def layout(self, keep_going: KeepGoing) -> object:
        """Who has which slot, and how many keys of those that are being moved."""
        newest, *others = self._ask(keep_going)
        moving = {mark for view in (newest, *others) for mark in view.in_motion}
        return {slot: node.id for slot, node in newest.owners.items()}, moving

    def owner(self, slot: int) -> Node | None:
        """The node that had the slot when the slot map was last asked for."""
        return self._owners.get(slot)

    def primaries(self) -> set[Node]:
        """Those that had slots when the slot map was last asked for."""
        return set(self._owners.values())

    def is_primary(self, node: Node, keep_going: KeepGoing) -> bool | None:
        """Whether the cluster still lists the node, at its address; None where nobody answers. Raises ``Stopped``."""
        others = [address for address in self._seeds if address != node.address]
        views, _ = self._survey(others, keep_going)
        return node in views[0].primaries if views else None

    def _ask(self, keep_going: KeepGoing) -> list[SlotMap]:
        """Every primary's view, the newest first. Raises ``RedisUnavailable``, ``Stopped``."""
        backoff = Backoff(keep_going)
        backoff.met = self._met
        while True:
            views, exc = self._survey(self._seeds, keep_going)
            if views and views[0].owners:
                self._met = True
                self._remember(views[0])
                return views
            if views:
                exc = Transient(RedisUnavailable("unreachable", CLUSTER_DOWN))
            backoff.back_off(exc)

    def _survey(self, addresses: Iterable[Address], keep_going: KeepGoing) -> tuple[list[SlotMap], Exception]:
        """The views of the first node that answers and of the primaries that it names; what the last failure was.

        Raises ``Stopped``: nodes that are down take their time, and there may be many.
        """
        views: dict[Address, SlotMap] = {}
        trouble: Exception = ConnectionError("the cluster has no nodes")
        waiting = list(addresses)
        while waiting:
            if not keep_going():
                raise Stopped
            address = waiting.pop(0)
            connection = ServerConnection(self.pool, keep_going, host=address[0], port=address[1])
            try:
                connection.connect()
                view = read_slot_map(connection, address, self.address)
            except (*LOST, Transient) as exc:
                trouble = exc
                continue
            finally:
                connection.close()
            if not views:
                waiting = [node.address for node in view.primaries if node.address != address]
            views[address] = view
        return sorted(views.values(), key=lambda view: -view.epoch), trouble

    def _remember(self, view: SlotMap) -> None:
        self._owners = view.owners
        self._seeds = tuple(dict.fromkeys([*(node.address for node in view.primaries), *self._seeds]))


def _tags(scope: PurgeScope, keyspace: Keyspace) -> set[bytes]:
    """The hash tags of the one deal in scope; empty where keys of it, or of a namesake that counts, may lie elsewhere.

    An organisation in a tag parts namesakes, which matters to org-less keys alone.
    """
    templates = [item for family in keyspace.families.values() for item in family.templates]
    if scope.single is None or not all("deal_id" in item.hash_tag for item in templates):
        return set()
    org_id, deal_id = scope.single
    together = all("org_id" not in item.hash_tag for item in templates)
    if not together and (org_id is None or not all(item.has_org for item in templates)):
        return set()
    names = {"org_id": org_id, "deal_id": deal_id}
    return {"".join(names.get(part) or part for part in item.hash_tag).encode() for item in templates}
