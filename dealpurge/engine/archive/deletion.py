"""A saved chunk on its way out."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from dealpurge.engine.archive.archiver import Saved
from dealpurge.engine.archive.entries import Entries
from dealpurge.engine.archive.reader import ValueReader
from dealpurge.engine.archive.removal import CheckedRemoval, groups_of
from dealpurge.engine.retry import retried
from dealpurge.engine.steps import Turn


class Deletion:
    """Its keys are deleted over several connections in turn."""

    def __init__(self, saved: Saved, readers: Sequence[ValueReader], *, most: int, turn: Turn, unchecked: bool) -> None:
        """``most``, ``turn``, ``unchecked``: as for ``CheckedRemoval``."""
        self.saved = saved
        groups = list(groups_of(saved.entries, most, clustered=readers[0].connection.clustered))
        self.removals = [
            CheckedRemoval(reader, groups[place :: len(readers)], most=most, turn=turn, unchecked=unchecked)
            for place, reader in enumerate(readers)
        ]
        self._works = deque(retried(each.connection, each.steps, each.reader.open) for each in self.removals)

    def goes_on(self) -> bool:
        """Carry out a step, if one is left. Raises what that raises."""
        while self._works:
            if next(self._works[0], self) is not self:
                self._works.rotate()
                return True
            self._works.popleft()
        return False

    def break_off(self) -> None:
        """What Redis does already belongs into the counts."""
        for removal in self.removals:
            removal.finish_under_way()

    def settled(self) -> Entries:
        """What has gone, or may have."""
        settled = Entries()
        for removal in self.removals:
            settled.add(removal.settled())
        return settled
