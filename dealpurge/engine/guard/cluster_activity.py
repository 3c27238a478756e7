"""Activity of events keys wherever a cluster has them: a look at each node, judged by that node's own clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from dealpurge.engine.guard.activity import Reading, Verdict
from dealpurge.engine.guard.activity_reader import Activity
from dealpurge.engine.sweep.tally import Tally
from dealpurge.servers.connection import Link


@dataclass(slots=True)
class Looks:
    """The reading of each node that was asked."""

    readings: dict[object, Reading] = field(default_factory=dict)

    def verdict(self, keys: Iterable[bytes], window: int) -> Verdict:
        """Whether one of ``keys`` was active within ``window`` milliseconds, on whichever node."""
        names = list(keys)
        verdicts = [reading.verdict(names, window) for reading in self.readings.values()]
        moments = [verdict.last_active for verdict in verdicts if verdict.last_active is not None]
        return Verdict(any(verdict.active for verdict in verdicts), max(moments, default=None))


class Lookout:
    """Looks over one link and its neighbours."""

    def __init__(self, link: Link, tally: Tally) -> None:
        #: Looks at the link's own node.
        self.home = Activity(link, tally)
        self._link, self._tally = link, tally
        self._away: dict[Link, Activity] = {}

    def on(self, link: Link) -> Activity:
        """Looks at the node of the link, its own or a neighbour's."""
        if link is self._link:
            return self.home
        if link not in self._away:
            activity = Activity(link, self._tally)
            activity.open()
            self._away[link] = activity
        return self._away[link]

    def look(self, keys: Sequence[bytes]) -> Looks:
        """The first look, which also tells what kind of key each is."""
        return Looks({link.node: self.on(link).read(part) for link, part in self.by_node(keys)})

    def again(self, keys: Sequence[bytes], before: Looks) -> Looks:
        """A second look at keys of ``before``, in one round trip a node."""
        parts = self.by_node(keys)
        return Looks({link.node: self.on(link).again(part, before.readings[link.node]) for link, part in parts})

    def by_node(self, keys: Sequence[bytes]) -> Iterator[tuple[Link, list[bytes]]]:
        """The links to the nodes that have ``keys``, with the keys that each has."""
        parts: dict[Link, list[bytes]] = {}
        for key in dict.fromkeys(keys):
            parts.setdefault(self._link.home(key), []).append(key)
        yield from parts.items()

    def reopen(self) -> None:
        """Prepare a new connection to the link's own node; those to its neighbours are gone too."""
        self._away.clear()
        self.home.open()
