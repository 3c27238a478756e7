"""Activity of events keys wherever a cluster has them: a look at each node, judged by that node's own clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from dealpurge.engine.guard.activity import Reading, Verdict
from dealpurge.engine.guard.activity_reader import ActivityReader
from dealpurge.engine.sweep.tally import Tally
from dealpurge.servers.connection import ServerConnection


@dataclass(slots=True)
class ReadingsByNode:
    """The reading of each node that was asked."""

    readings: dict[object, Reading] = field(default_factory=dict)

    def verdict(self, keys: Iterable[bytes], window: int) -> Verdict:
        """Whether one of ``keys`` was active within ``window`` milliseconds, on whichever node."""
        names = list(keys)
        verdicts = [reading.verdict(names, window) for reading in self.readings.values()]
        moments = [verdict.last_active for verdict in verdicts if verdict.last_active is not None]
        unread = any(verdict.unread for verdict in verdicts)
        return Verdict(any(verdict.active for verdict in verdicts), max(moments, default=None), unread)


class ClusterActivity:
    """Looks over one connection and its neighbours."""

    def __init__(self, connection: ServerConnection, tally: Tally) -> None:
        #: Looks at the connection's own node.
        self.home = ActivityReader(connection, tally)
        self._link, self._tally = connection, tally
        self._away: dict[ServerConnection, ActivityReader] = {}

    def on(self, connection: ServerConnection) -> ActivityReader:
        """Looks at the node of the connection, its own or a neighbour's."""
        if connection is self._link:
            return self.home
        if connection not in self._away:
            activity = ActivityReader(connection, self._tally)
            activity.open()
            self._away[connection] = activity
        return self._away[connection]

    def look(self, keys: Sequence[bytes]) -> ReadingsByNode:
        """The first look, which also tells what kind of key each is."""
        return ReadingsByNode(
            {connection.node: self.on(connection).read(part) for connection, part in self.by_node(keys)}
        )

    def again(self, keys: Sequence[bytes], before: ReadingsByNode) -> ReadingsByNode:
        """A second look at keys of ``before``, in one round trip a node."""
        parts = self.by_node(keys)
        return ReadingsByNode(
            {
                connection.node: self.on(connection).again(part, before.readings[connection.node])
                for connection, part in parts
            }
        )

    def by_node(self, keys: Sequence[bytes]) -> Iterator[tuple[ServerConnection, list[bytes]]]:
        """The connections to the nodes that have ``keys``, with the keys that each has."""
        parts: dict[ServerConnection, list[bytes]] = {}
        for key in dict.fromkeys(keys):
            parts.setdefault(self._link.home(key), []).append(key)
        yield from parts.items()

    def reopen(self) -> None:
        """Prepare a new connection to its own node; those to its neighbours are gone too."""
        self._away.clear()
        self.home.open()
