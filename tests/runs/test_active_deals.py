"""Who was seen active is in the record before anything is deleted, and a run that slept asks before it deletes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.utils import timezone

from dealpurge import clock, services
from dealpurge.engine.guard import lookahead
from dealpurge.engine.sweep.scan import Scan
from dealpurge.engine.transaction import Opening
from dealpurge.exceptions import RunLost
from dealpurge.models import PurgeRun, PurgeRunDeal
from dealpurge.runs import termination
from tests.support.purging import before_removal
from tests.support.seeding import HOUR, seed_deal, touch

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("deal_settings")]

GUARDED: dict[str, Any] = {"mode": "all", "dry_run": False, "exclude_active_within_secs": HOUR}


def outcomes() -> dict[str, str]:
    """By deal, of which each has one row."""
    rows = PurgeRunDeal.objects.values_list("deal_id", "outcome")
    assert len(rows) == len(dict(rows))
    return dict(rows)


def test_who_is_active_is_written_before_each_batch_of_deletes(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookahead, "JUDGED_AT_ONCE", 10)
    for number in range(40):
        seed_deal(redis_client, "acme", f"d{number:02}", age=0 if number % 2 else 2 * HOUR)
    redis_client.set("checkpoint:d01:x", "x")
    before: list[set[str]] = []

    def active() -> set[str]:
        return {deal for deal, outcome in outcomes().items() if outcome == "skipped_active"}

    with before_removal(monkeypatch, lambda keys: before.append(active())):
        report = services.purge_deals(**GUARDED, include_checkpoints=True)

    written = [{f"d{number:02}" for number in range(1, 10 * batch, 2)} for batch in (1, 2, 3, 4)]
    assert before == written
    assert (report.deals.skipped_active, len(outcomes())) == (20, 40)
    assert active() == written[-1]


def test_a_deal_that_was_begun_is_written_as_interrupted(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed_deal(redis_client, "acme", "a-large", age=2 * HOUR, image_crops=2500)
    seed_deal(redis_client, "acme", "idle", age=2 * HOUR)
    seen: list[dict[str, str]] = []

    def wake(keys: list[bytes]) -> None:
        seen.append(outcomes())
        if len(seen) == 2:
            touch(redis_client, "acme", "a-large")

    with before_removal(monkeypatch, wake):
        report = services.purge_deals(**GUARDED)

    assert report.deals.interrupted == 1
    assert (report.deals.skipped_active, report.skipped) == (0, ())
    assert seen[-1] == {"a-large": "interrupted"}
    assert outcomes() == {"a-large": "interrupted", "idle": "purged"}


def test_org_less_keys_are_no_deal_of_their_own_in_the_record(redis_client: redis.Redis) -> None:
    for org_id, age in (("acme", 0), ("initech", 2 * HOUR)):
        seed_deal(redis_client, org_id, "7", age=age)
    redis_client.set("checkpoint:7:x", "x")

    services.purge_deals(**GUARDED, include_checkpoints=True)

    rows = set(PurgeRunDeal.objects.values_list("org_id", "deal_id", "outcome"))
    assert rows == {("acme", "7", "skipped_active"), ("initech", "7", "purged")}


def test_a_dry_run_tells_who_would_be_left(redis_client: redis.Redis) -> None:
    seed_deal(redis_client, "acme", "busy", age=0)

    services.purge_deals(**GUARDED | {"dry_run": True})

    assert outcomes() == {"busy": "would_be_skipped"}


@pytest.fixture
def sleep(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Let a long time pass for everybody but the run, which others take for lost meanwhile."""
    late, seconds = [0.0], clock.seconds
    monkeypatch.setattr(clock, "seconds", lambda: seconds() + late[0])

    def sleep() -> None:
        late[0] += 90
        PurgeRun.objects.update(heartbeat_at=timezone.now() - timedelta(seconds=90))
        assert termination.fail_lost_runs() == 1

    return sleep


@pytest.mark.parametrize("guarded", [False, True])
def test_a_run_that_slept_asks_before_it_deletes_anything_more(
    redis_client: redis.Redis,
    sleep: Callable[[], None],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    guarded: bool,
) -> None:
    settings.DEALPURGE_SCAN_COUNT = 100
    for number in range(30):
        seed_deal(redis_client, "acme", f"d{number:02}", age=2 * HOUR, image_crops=100)
    calls, left = [0], list[int]()
    owner, name = (Opening, "answers") if guarded else (Scan, "_take")
    act = getattr(owner, name)

    def dozing(self: Any, *args: Any) -> Any:
        done = act(self, *args)
        calls[0] += 1
        if calls[0] == 3:
            left.append(int(redis_client.dbsize()))
            sleep()
        return done

    monkeypatch.setattr(owner, name, dozing)

    with pytest.raises(RunLost):
        services.purge_deals(**GUARDED | ({} if guarded else {"exclude_active_within_secs": None}))

    # What was sent before it slept is carried out, and nothing after it.
    under_way = 0 if guarded else 200
    assert left[0] - under_way <= redis_client.dbsize() <= left[0]
    assert redis_client.dbsize() > 100
