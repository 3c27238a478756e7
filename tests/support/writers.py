"""Somebody who writes while a purge is at work, and what went of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
import redis
from hypothesis import strategies as st

from dealpurge.engine.sweep.selection import Selection
from tests.support import keyspaces, oracle
from tests.support.cases import IDLE, USES, Case, Use, cases
from tests.support.purging import before_removal, looks_noted


@dataclass
class Writer:
    """Writes one key after the other, each once, whenever the purge comes to a place where somebody may."""

    client: redis.Redis
    waiting: list[tuple[bytes, Use]]
    #: How often it is asked before it writes.
    pause: int
    written: set[bytes]
    asked: int = 0

    def __call__(self, *_: object) -> bool:
        self.asked += 1
        if self.asked % self.pause == 0 and self.waiting:
            key, use = self.waiting.pop()
            if key not in self.written:
                seconds, micros = self.client.time()
                self.written.add(key)
                use.write(self.client, key, seconds + micros / 1e6 - use.ago)
        return True

    @contextmanager
    def at_work(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Between pages, looks and deletes, whoever it is that purges."""
        fresh = Selection.fresh

        def page(selection: Selection, keys: Sequence[bytes]) -> Sequence[bytes]:
            self()
            return fresh(selection, keys)

        with monkeypatch.context() as patch, looks_noted(monkeypatch, self), before_removal(monkeypatch, self):
            patch.setattr(Selection, "fresh", page)
            yield


def deals_of(keys: set[bytes], table: Mapping[str, list[str]]) -> int:
    """How many deals lost these keys; one without an organisation is none of its own beside one with."""
    deals = {claim[1:] for key in keys if (claim := oracle.read(key, table))}
    with_org = {deal_id for org_id, deal_id in deals if org_id is not None}
    return len([1 for org_id, deal_id in deals if org_id is not None or deal_id not in with_org])


@st.composite
def written(draw: st.DrawFn) -> tuple[Case, list[tuple[bytes, Use]]]:
    """A case, and keys that are written while it is carried out: of its deals, and of new ones."""
    case = draw(cases())
    few = draw(st.lists(st.sampled_from(keyspaces.IDS), min_size=1, max_size=4, unique=True))
    uses = st.one_of(*[st.sampled_from(IDLE)] * 2, st.sampled_from(USES))
    return case, draw(st.lists(st.tuples(keyspaces.keys(case.host.table, few), uses), min_size=5, max_size=60))
