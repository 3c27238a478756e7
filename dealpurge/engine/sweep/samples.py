"""A few keys of each family, every one of them as likely as any other, of however many there turn out to be."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from heapq import nsmallest
from itertools import compress
from math import log1p
from random import SystemRandom

from dealpurge.keys.matching import Batch
from dealpurge.report import SAMPLE_SIZE

#: Bytes of a key that are kept; one more tells that there are more.
LONGEST = 200

_random = SystemRandom().random


class Samples:
    """The keys with the lowest of random ranks between 0 and 1. Most keys need none: how many pass until one has a rank
    that is low enough is drawn instead."""

    def __init__(self) -> None:
        #: Rank and key, lowest first, by the index of the family.
        self._picked: dict[int, list[tuple[float, bytes]]] = {}
        #: Keys that pass before the next one is picked.
        self._passing: dict[int, int] = {}

    def take(self, batch: Batch, counts: Mapping[int, int]) -> None:
        """More keys, with how many of each family they are."""
        for family, count in counts.items():
            place = self._passing.get(family, 0)
            if place < count:
                found = list(compress(batch.keys, map(family.__eq__, batch.families)))
                while place < count:
                    place += 1 + self._pick(family, found[place])
            self._passing[family] = place - count

    def add(self, other: Samples) -> None:
        """Those of another server, or another part."""
        for family, picked in other._picked.items():
            both = self._picked.get(family, []) + picked
            self._picked[family] = nsmallest(SAMPLE_SIZE, both)
            self._passing[family] = _until_next(self._picked[family])

    @property
    def keys(self) -> Mapping[int, list[bytes]]:
        """By the index of the family: at most ``SAMPLE_SIZE``, of each ``LONGEST`` bytes and one more."""
        return {family: [key for _, key in sorted(picked)] for family, picked in self._picked.items()}

    def _pick(self, family: int, key: bytes) -> int:
        """Rank a key below those that are kept; how many pass behind it."""
        picked = self._picked.setdefault(family, [])
        highest = picked[-1][0] if len(picked) == SAMPLE_SIZE else 1.0
        picked.append((_random() * highest, key[: LONGEST + 1]))
        picked.sort()
        del picked[SAMPLE_SIZE:]
        return _until_next(picked)


def _until_next(picked: Sequence[tuple[float, bytes]]) -> int:
    """Of keys whose ranks are not below the highest that is kept, how many come before the next that is."""
    if len(picked) < SAMPLE_SIZE:
        return 0
    highest = picked[-1][0]
    return int(log1p(-_random()) / log1p(-highest)) if highest > 0 else sys.maxsize
