"""A storage that hangs or fails: the run goes on telling that it lives, can be stopped, and counts what it did."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from threading import Event
from typing import Any

import pytest
import redis

from dealpurge.engine.archive import archiver
from dealpurge.engine.archive.chunk import Chunk
from dealpurge.engine.sweep.tally import Tally
from dealpurge.exceptions import ArchiveUnavailable
from tests.support.archiving import MemoryKeeper, archive_for
from tests.support.purging import carry_out
from tests.support.seeding import HOUR, seed_deal

GUARD: dict[str, Any] = {"exclude_active_within_secs": HOUR}


class LateKeeper(MemoryKeeper):
    """From the ``first``-th file on each waits for ``over``, or fails; behind the first commit something happens."""

    def __init__(self, first: int, then: Callable[[], object], *, fails: bool = False) -> None:
        super().__init__()
        self.over = Event()
        self._first, self._then, self._fails = first, then, fails

    def save(self, chunk: Chunk, may_go_on: Callable[[], bool]) -> str:
        self._first -= 1
        if self._first < 1:
            if self._fails:
                raise ArchiveUnavailable("The archive cannot be written; nothing unarchived was deleted.")
            self.over.wait(30)
        return super().save(chunk, may_go_on)

    def commit(self, chunk: Chunk, name: str, instead_of: str = "") -> None:
        super().commit(chunk, name, instead_of)
        if not instead_of:
            self._then()


@pytest.fixture
def seeded(server: redis.Redis) -> redis.Redis:
    for number in range(5):
        seed_deal(server, "acme", f"{number}", age=2 * HOUR)
    return server


def change(client: redis.Redis) -> Callable[[], object]:
    """To write one of the keys once."""
    keys = iter(sorted(client.keys("canvas:image_crop:*"))[:1])
    return lambda: [client.set(key, "new") for key in keys]


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize("first", [1, 2])
def test_a_run_is_stopped_while_a_file_is_written(
    seeded: redis.Redis, monkeypatch: pytest.MonkeyPatch, first: int, guarded: bool
) -> None:
    """The second one takes the first one's place, because a key changed."""
    monkeypatch.setattr(archiver, "GRACE", 0.2)
    before, began, asked = seeded.dbsize(), time.monotonic(), list[float]()
    keeper, tally = LateKeeper(first, change(seeded)), Tally()

    def keep_going() -> bool:
        asked.append(time.monotonic())
        return time.monotonic() < began + 2

    try:
        carry_out(tally, keep_going=keep_going, archive=archive_for(keeper), **(GUARD if guarded else {}))
        took = time.monotonic() - began
    finally:
        keeper.over.set()

    assert took < 5
    assert max(later - sooner for sooner, later in pairwise(asked)) < 1
    assert tally.cancelled
    assert tally.deleted == before - seeded.dbsize()
    assert (tally.deleted > 0) == (first == 2)
    assert len(keeper.keys) >= tally.deleted


@pytest.mark.parametrize("guarded", [False, True])
def test_what_went_is_counted_though_its_file_cannot_be_written_again(seeded: redis.Redis, guarded: bool) -> None:
    before = seeded.dbsize()
    keeper, tally = LateKeeper(2, change(seeded), fails=True), Tally()

    with pytest.raises(ArchiveUnavailable):
        carry_out(tally, archive=archive_for(keeper), **(GUARD if guarded else {}))

    assert 0 < tally.deleted == before - seeded.dbsize()
    assert len(keeper.keys) >= tally.deleted
