"""How often the servers are gone over, and what the report says of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from dealpurge.engine.guard.guarded_pass import GuardedPass
from dealpurge.engine.pass_warnings import REPLACED_DRY_WARNING, REPLACED_WARNING, RESTLESS_WARNING
from dealpurge.engine.passes import Passes
from dealpurge.engine.sweep.fates import notes_of
from dealpurge.engine.sweep.tally import Tally
from dealpurge.exceptions import RedisUnavailable
from dealpurge.servers.discovery import Standalone
from dealpurge.servers.errors import Departed
from tests.support.purging import before_removal, carry_out, purge
from tests.support.seeding import HOUR, names, seed_deal

pytestmark = pytest.mark.usefixtures("deal_settings")


@pytest.fixture
def layouts(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the servers look like before and after each pass; when it has run out, something else each time."""
    told: list[object] = []
    monkeypatch.setattr(Standalone, "layout", lambda self, keep_going: told.pop(0) if told else object())
    return told


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    begun, one = list[object](), Passes._pass

    def noting(self: Passes) -> object:
        begun.append(self)
        return one(self)

    monkeypatch.setattr(Passes, "_pass", noting)
    return begun


@pytest.fixture(autouse=True)
def deals(redis_client: redis.Redis) -> Iterator[None]:
    seed_deal(redis_client, "acme", "d1", age=2 * HOUR)
    redis_client.set("session:1", "x")
    yield
    assert "session:1" in names(redis_client)


@pytest.mark.parametrize("window", [None, HOUR])
def test_servers_that_stand_still_are_gone_over_once(
    layouts: list[object], passes: list[object], window: int | None
) -> None:
    layouts += ["as it was", "as it was"]

    report = purge(exclude_active_within_secs=window)

    assert (len(passes), report.warnings, report.keys.deleted) == (1, (), 5)


@pytest.mark.parametrize("window", [None, HOUR])
def test_servers_that_changed_are_gone_over_again(
    layouts: list[object], passes: list[object], window: int | None
) -> None:
    layouts += ["as it was", "reshaped", "reshaped", "reshaped"]

    report = purge(exclude_active_within_secs=window)

    assert (len(passes), report.warnings, report.keys.deleted) == (2, (REPLACED_WARNING,), 5)


@pytest.mark.parametrize("window", [None, HOUR])
@pytest.mark.parametrize("dry_run", [False, True])
def test_servers_that_never_stand_still_are_gone_over_three_times(
    layouts: list[object], passes: list[object], window: int | None, dry_run: bool
) -> None:
    report = purge(exclude_active_within_secs=window, dry_run=dry_run)

    assert len(passes) == 3
    assert report.keys.matched == 5
    assert set(report.warnings) == {REPLACED_DRY_WARNING if dry_run else REPLACED_WARNING, RESTLESS_WARNING}


def test_a_deal_that_a_pass_left_half_way_is_interrupted_where_the_next_one_fails(
    redis_client: redis.Redis, layouts: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    seed_deal(redis_client, "acme", "large", age=2 * HOUR, image_crops=2500)
    layouts += ["as it was"]
    tally, removals = Tally(), list[int]()
    planning = GuardedPass._plan

    def plan(self: GuardedPass, *args: Any) -> Any:
        if removals:
            raise RedisUnavailable("refused", "for some reason")
        return planning(self, *args)

    def depart(keys: list[bytes]) -> None:
        if len(keys) == 1000:
            removals.append(1)
            if len(removals) == 2:
                raise Departed

    monkeypatch.setattr(GuardedPass, "_plan", plan)
    with before_removal(monkeypatch, depart), pytest.raises(RedisUnavailable):
        carry_out(tally, exclude_active_within_secs=HOUR)

    assert notes_of(tally)[b"acme:large"].outcome == "interrupted"
