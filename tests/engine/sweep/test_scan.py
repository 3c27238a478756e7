from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import redis

from dealpurge.engine.pass_warnings import BROKEN_WARNING
from dealpurge.engine.sweep.selection import Selection
from dealpurge.engine.sweep.tally import Tally
from tests.support.purging import carry_out
from tests.support.seeding import names, seed_deal

pytestmark = pytest.mark.usefixtures("deal_settings")


@pytest.mark.parametrize("pages", [1, 2, 5])
def test_what_redis_deletes_while_a_claim_fails_is_counted(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch, pages: int
) -> None:
    for number in range(1000):
        seed_deal(redis_client, "acme", str(number))
    seeded, take, calls = len(names(redis_client)), Selection.take, iter(range(pages))

    def failing(self: Selection, keys: Sequence[bytes]) -> Any:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return take(self, keys)

    monkeypatch.setattr(Selection, "take", failing)
    tally = Tally()

    with pytest.raises(KeyboardInterrupt):
        carry_out(tally)

    assert tally.deleted == sum(tally.families.values()) == seeded - len(names(redis_client)) > 0


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_interruption_beside_a_count_neither_doubles_it_nor_hides_it(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """The handler of a signal may raise at any line."""
    for number in range(1000):
        seed_deal(redis_client, "acme", str(number))
    seeded, count, calls = len(names(redis_client)), Selection.count_removal, iter(range(2))

    def interrupted(self: Selection, *args: Any) -> None:
        last = next(calls, None) is None
        if last and moment == "before":
            raise KeyboardInterrupt
        count(self, *args)
        if last:
            raise KeyboardInterrupt

    monkeypatch.setattr(Selection, "count_removal", interrupted)
    tally = Tally()

    with pytest.raises(KeyboardInterrupt):
        carry_out(tally)

    gone = seeded - len(names(redis_client))
    assert 0 < tally.deleted <= gone
    assert BROKEN_WARNING in tally.warnings
