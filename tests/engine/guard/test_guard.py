from __future__ import annotations

import sys
import threading
from itertools import islice
from typing import Any
from unittest.mock import ANY

import pytest
import redis
from pytest_django.fixtures import Settings

from dealpurge.conf import conf
from dealpurge.engine.guard import lookahead
from dealpurge.engine.guard.guarded_pass import SHARED_WARNING
from dealpurge.engine.guard.plan import OVERSIZED_WARNING, Plan, place_of
from dealpurge.engine.pass_warnings import BROKEN_OFF_WARNING
from dealpurge.engine.sweep.deal_log import DealNote
from dealpurge.engine.sweep.fates import notes_of
from dealpurge.engine.sweep.selection import NAMESAKE_WARNING
from dealpurge.engine.sweep.tally import Tally
from dealpurge.exceptions import RedisUnavailable
from dealpurge.i18n import as_json
from tests.support.purging import before_removal, carry_out, purge
from tests.support.seeding import HOUR, existing, key_of, names, seed_deal, touch
from tests.support.servers import RedisServer

pytestmark = pytest.mark.usefixtures("deal_settings")

#: Bytes of a plan for one key of a deal of five.
A_KEY = 180


@pytest.fixture(autouse=True, params=["one look", "looks ahead"])
def _looks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "looks ahead":
        monkeypatch.setattr(lookahead, "JUDGED_AT_ONCE", 2)


def test_idle_deals_go_and_active_ones_stay(redis_client: redis.Redis) -> None:
    seed_deal(redis_client, "acme", "idle", age=2 * HOUR)
    seed_deal(redis_client, "acme", "quiet", age=None)
    kept = seed_deal(redis_client, "acme", "busy", age=60)

    report = purge(exclude_active_within_secs=HOUR)

    assert names(redis_client) == set(kept)
    assert (report.deals.matched, report.deals.purged, report.deals.skipped_active) == (3, 2, 1)
    assert [(deal.org_id, deal.deal_id) for deal in report.skipped] == [("acme", "busy")]
    assert report.keys.deleted == 9


def test_an_event_between_judgement_and_exec_keeps_every_key_of_the_deal(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = seed_deal(redis_client, "acme", "wakes", age=2 * HOUR)
    gone = [key for n in range(5) for key in seed_deal(redis_client, "acme", f"idle{n}", age=2 * HOUR)]

    def wake(keys: list[bytes]) -> None:
        if b"canvas:lock:acme:wakes" in keys:
            touch(redis_client, "acme", "wakes")

    with before_removal(monkeypatch, wake):
        report = purge(exclude_active_within_secs=HOUR)

    assert existing(redis_client, kept) == len(kept)
    assert existing(redis_client, gone) == 0
    assert (report.deals.purged, report.deals.skipped_active, report.keys.deleted) == (5, 1, len(gone))


def test_the_first_event_ever_keeps_the_deal_too(redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = seed_deal(redis_client, "acme", "new", age=None)

    with before_removal(monkeypatch, lambda keys: touch(redis_client, "acme", "new")):
        report = purge(exclude_active_within_secs=HOUR)

    assert existing(redis_client, kept) == len(kept)
    assert report.deals.skipped_active == 1


def test_a_deal_whose_old_events_keep_moving_counts_as_active(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = seed_deal(redis_client, "acme", "trimmed", age=2 * HOUR)
    moving, lengths = key_of("events", "acme", "trimmed"), iter(range(20, 0, -1))
    for age in range(21, 0, -1):
        touch(redis_client, "acme", "trimmed", age=HOUR + age)

    with before_removal(monkeypatch, lambda keys: redis_client.xtrim(moving, maxlen=next(lengths), approximate=False)):
        report = purge(exclude_active_within_secs=HOUR)

    assert existing(redis_client, kept) == len(kept)
    assert report.deals.skipped_active == 1


@pytest.mark.parametrize(("aborts", "stays"), [(2, False), (3, True)])
def test_a_deal_that_aborts_three_times_by_itself_counts_as_active(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch, aborts: int, stays: bool
) -> None:
    kept = seed_deal(redis_client, "acme", "trimmed", age=2 * HOUR)
    moving, lengths = key_of("events", "acme", "trimmed"), iter(range(aborts, 0, -1))
    for age in range(aborts, 0, -1):
        touch(redis_client, "acme", "trimmed", age=HOUR + age)

    def trim(keys: list[bytes]) -> None:
        for length in islice(lengths, 1):
            redis_client.xtrim(moving, maxlen=length, approximate=False)

    with before_removal(monkeypatch, trim):
        report = purge(exclude_active_within_secs=HOUR)

    assert existing(redis_client, kept) == (len(kept) if stays else 0)
    assert (report.deals.skipped_active, report.deals.purged) == ((1, 0) if stays else (0, 1))


@pytest.mark.parametrize("place", [0, 40, 63])
def test_after_an_abort_the_deals_go_in_halves(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    monkeypatch.setattr(lookahead, "JUDGED_AT_ONCE", 64)
    for number in range(64):
        seed_deal(redis_client, "acme", f"d{number:02}", age=2 * HOUR, image_crops=0)
    moving = key_of("events", "acme", f"d{place:02}")
    for age in range(40, 0, -1):
        touch(redis_client, "acme", f"d{place:02}", age=HOUR + age)
    sizes, lengths = list[int](), iter(range(40, 0, -1))

    def trim(keys: list[bytes]) -> None:
        sizes.append(len(keys))
        if moving.encode() in keys:
            redis_client.xtrim(moving, maxlen=next(lengths), approximate=False)

    with before_removal(monkeypatch, trim):
        report = purge(exclude_active_within_secs=HOUR)

    assert (report.deals.purged, report.deals.skipped_active) == (63, 1)
    assert sorted(sizes, reverse=True) == [128, 64, 64, 32, 32, 16, 16, 8, 8, 4, 4, 2, 2, 2, 2]


def test_a_deal_that_wakes_between_two_transactions_is_interrupted(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = seed_deal(redis_client, "acme", "large", age=2 * HOUR, image_crops=2500)
    seen: list[int] = []

    def wake_later(keys: list[bytes]) -> None:
        seen.append(len(keys))
        if len(seen) == 2:
            touch(redis_client, "acme", "large")

    with before_removal(monkeypatch, wake_later):
        report = purge(exclude_active_within_secs=HOUR)

    assert report.status == "partial"
    assert (report.deals.interrupted, report.deals.purged, report.keys.deleted) == (1, 0, 1000)
    assert existing(redis_client, kept) == len(kept) - 1000
    assert redis_client.exists(key_of("events", "acme", "large"))


def test_a_large_deal_goes_in_transactions_of_a_thousand_its_events_last(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed_deal(redis_client, "acme", "large", age=2 * HOUR, image_crops=2500)
    batches: list[list[bytes]] = []

    with before_removal(monkeypatch, batches.append):
        report = purge(exclude_active_within_secs=HOUR)

    assert [len(batch) for batch in batches] == [1000, 1000, 501, 1]
    assert batches[-1] == [key_of("events", "acme", "large").encode()]
    assert (report.deals.purged, report.keys.deleted, redis_client.dbsize()) == (1, 2502, 0)


@pytest.mark.parametrize("dry_run", [True, False])
def test_orgless_keys_follow_their_deal(redis_client: redis.Redis, dry_run: bool) -> None:
    redis_client.mset({f"checkpoint:{deal}:__empty__:1": "x" for deal in ("idle", "busy", "both", "lonely")})
    seed_deal(redis_client, "acme", "idle", age=2 * HOUR)
    seed_deal(redis_client, "acme", "busy", age=1)
    seed_deal(redis_client, "acme", "both", age=2 * HOUR)
    seed_deal(redis_client, "beta", "both", age=1)

    report = purge(exclude_active_within_secs=HOUR, include_checkpoints=True, dry_run=dry_run)

    left = {name for name in names(redis_client) if name.startswith("checkpoint")}
    stay = {"checkpoint:busy:__empty__:1", "checkpoint:both:__empty__:1"}
    assert left == (stay if not dry_run else stay | {"checkpoint:idle:__empty__:1", "checkpoint:lonely:__empty__:1"})
    assert (report.deals.matched, report.deals.purged, report.deals.skipped_active) == (5, 3, 2)
    assert report.families["checkpoints"] == 2


def test_an_id_that_is_an_organisation_and_never_a_deal_is_left_with_a_word(redis_client: redis.Redis) -> None:
    seed_deal(redis_client, "acme", "d1", age=2 * HOUR)
    redis_client.set("checkpoint:acme:d1:__empty__", "x")

    report = purge(exclude_active_within_secs=HOUR, include_checkpoints=True)

    assert names(redis_client) == {"checkpoint:acme:d1:__empty__"}
    assert any("DEALPURGE_CHECKPOINT_THREAD" in warning for warning in report.warnings)


@pytest.mark.parametrize("limit", [1, 7, 40])
def test_a_plan_that_does_not_fit_is_done_in_parts(settings: Settings, redis_client: redis.Redis, limit: int) -> None:
    settings.DEALPURGE_MAX_PLAN_MEMORY = limit * A_KEY
    kept: set[str] = set()
    for number in range(12):
        keys = seed_deal(redis_client, "acme", f"d{number}", age=1 if number % 3 == 0 else 2 * HOUR)
        kept |= set(keys) if number % 3 == 0 else set()

    report = purge(exclude_active_within_secs=HOUR)

    assert names(redis_client) == kept
    assert (report.deals.matched, report.deals.purged, report.deals.skipped_active) == (12, 8, 4)
    assert (report.keys.matched, report.keys.deleted) == (60, 40)


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """The plans of a run, one a pass."""
    made, init = list[Plan](), Plan.__init__

    def noting(self: Plan, *args: Any) -> None:
        made.append(self)
        init(self, *args)

    monkeypatch.setattr(Plan, "__init__", noting)
    return made


@pytest.mark.parametrize(("limit", "passes"), [(200, 1), (130, 2), (80, 4)])
def test_a_pass_that_finds_too_much_goes_on_with_a_part(
    settings: Settings, redis_client: redis.Redis, plans: list[Plan], limit: int, passes: int
) -> None:
    settings.DEALPURGE_MAX_PLAN_MEMORY, settings.DEALPURGE_SCAN_COUNT = limit * A_KEY, 10
    for number in range(40):
        seed_deal(redis_client, "acme", f"d{number}", age=2 * HOUR)

    report = purge(exclude_active_within_secs=HOUR)

    assert (report.keys.scanned, report.keys.matched, report.keys.deleted) == (200, 200, 200)
    assert len(plans) <= passes
    for plan in plans:
        assert plan.memory <= limit * A_KEY
        assert plan.deal_index._events.keys() <= plan.deals.keys()  # memory holds nothing of other parts


def test_a_plan_is_bounded_in_bytes_however_long_the_keys_are(
    settings: Settings, redis_client: redis.Redis, plans: list[Plan]
) -> None:
    settings.DEALPURGE_MAX_PLAN_MEMORY, settings.DEALPURGE_SCAN_COUNT = 200_000, 10
    for number in range(60):
        redis_client.set(f"canvas:image_crop:acme:d{number}:{'x' * 10_000}", "x")

    report = purge(exclude_active_within_secs=HOUR)

    assert (report.keys.matched, report.keys.deleted, redis_client.dbsize()) == (60, 60, 0)
    assert len(plans) > 3
    assert all(sum(sys.getsizeof(key) for rows in plan.deals.values() for key in rows[::2]) < 200_000 for plan in plans)


@pytest.mark.parametrize(("keys", "size", "limit"), [(None, None, 2**29), (10, None, 1300), (10, 4000, 4000)])
def test_the_limit_of_old_that_counted_keys_is_still_read(
    settings: Settings, keys: int | None, size: int | None, limit: int
) -> None:
    if keys:
        settings.DEALPURGE_MAX_PLANNED_KEYS = keys
    if size:
        settings.DEALPURGE_MAX_PLAN_MEMORY = size

    assert conf.max_plan_memory == limit


@pytest.mark.parametrize("large", ["d0", "d7", "d13", "d21", "d39"])
def test_a_large_deal_among_small_ones_takes_a_pass_of_its_own(
    settings: Settings, redis_client: redis.Redis, plans: list[Plan], large: str
) -> None:
    settings.DEALPURGE_MAX_PLAN_MEMORY, settings.DEALPURGE_SCAN_COUNT = 120 * A_KEY, 10
    for number in range(40):
        seed_deal(redis_client, "acme", f"d{number}", age=2 * HOUR, image_crops=300 if large == f"d{number}" else 1)

    report = purge(exclude_active_within_secs=HOUR)

    assert redis_client.dbsize() == 0
    assert report.keys.matched == report.keys.deleted
    assert report.warnings == (OVERSIZED_WARNING.format(large),)
    assert len(plans) <= 5  # its own, and those of the small ones before and behind it
    assert all(plan.memory <= 120 * A_KEY or len(plan.deals) == 1 for plan in plans)


def test_ids_that_share_a_place_are_not_called_large(
    settings: Settings, redis_client: redis.Redis, plans: list[Plan]
) -> None:
    settings.DEALPURGE_MAX_PLAN_MEMORY = 5 * A_KEY
    for deal_id in ("rnrsgud", "aspjwwk"):
        seed_deal(redis_client, "acme", deal_id, age=2 * HOUR, image_crops=1)
    assert len({place_of(token.encode()) for token in ("rnrsgud", "aspjwwk")}) == 1

    report = purge(exclude_active_within_secs=HOUR)

    assert (redis_client.dbsize(), report.deals.purged, report.warnings) == (0, 2, ())
    assert len(plans) == 1


def test_a_plan_is_not_cut_again_and_again_for_an_id_that_does_not_fit(
    settings: Settings, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEALPURGE_MAX_PLAN_MEMORY, settings.DEALPURGE_SCAN_COUNT = 50 * A_KEY, 10
    for number in range(1000):
        redis_client.set(f"canvas:lock:org{number}:1", "x")
    cuts, cut = list[Plan](), Plan._cut

    def counted(self: Plan) -> None:
        cuts.append(self)
        cut(self)

    monkeypatch.setattr(Plan, "_cut", counted)

    report = purge(exclude_active_within_secs=HOUR)

    assert (redis_client.dbsize(), report.deals.purged) == (0, 1000)
    assert report.warnings == (OVERSIZED_WARNING.format("1"),)
    assert len(cuts) == 1


def test_a_run_that_fails_in_a_later_pass_counts_no_key_twice(
    settings: Settings, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEALPURGE_MAX_PLAN_MEMORY, settings.DEALPURGE_SCAN_COUNT = 120 * A_KEY, 10
    for number in range(40):
        seed_deal(redis_client, "acme", f"d{number}", age=2 * HOUR)
        redis_client.set(f"checkpoint:d{number}:x", "x")
    tally = Tally()

    def keep_going() -> bool:
        scanned, _, deleted = tally.progress()[:3]
        if deleted and scanned > 260:
            raise RedisUnavailable("refused", "for some reason")
        return True

    with pytest.raises(RedisUnavailable):
        carry_out(tally, keep_going=keep_going, exclude_active_within_secs=HOUR)

    assert (tally.scanned, tally.matched, tally.checkpoints_kept) == (240, 200, 40)
    assert 0 < tally.deleted < 200


def test_one_deal_above_the_limit_is_planned_whole_and_says_so(settings: Settings, redis_client: redis.Redis) -> None:
    settings.DEALPURGE_MAX_PLAN_MEMORY = 3 * A_KEY
    seed_deal(redis_client, "acme", "large", age=2 * HOUR, image_crops=10)

    report = purge(exclude_active_within_secs=HOUR)

    assert redis_client.dbsize() == 0
    assert report.warnings == (OVERSIZED_WARNING.format("large"),)


def test_a_warning_of_many_deals_is_one_sentence(settings: Settings, redis_client: redis.Redis) -> None:
    settings.DEALPURGE_MAX_PLAN_MEMORY = 1 * A_KEY
    for number in range(12):
        seed_deal(redis_client, "acme", f"d{number:02}", age=2 * HOUR, image_crops=1)

    report = purge(exclude_active_within_secs=HOUR)

    assert redis_client.dbsize() == 0
    assert report.warnings == (OVERSIZED_WARNING.format("d00, d01, d02, d03, d04 and 7 more"),)
    parameters = [{"names": ("d00", "d01", "d02", "d03", "d04"), "more": 7}]
    assert as_json(report.warnings[0]) == {"code": "deals_oversized", "parameters": parameters}


def test_namesakes_in_other_organisations_are_named_in_one_sentence(redis_client: redis.Redis) -> None:
    for organisation in ("acme", "birch", "cedar"):
        seed_deal(redis_client, organisation, "12", age=None)

    report = purge(mode="by_deal", deals=(("acme", "12"),))

    assert report.warnings == (NAMESAKE_WARNING.format("birch 12, cedar 12"),)


def test_a_stop_leaves_the_deals_whose_turn_had_not_come(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(500):
        seed_deal(redis_client, "acme", f"d{number}", age=2 * HOUR)
    done: list[list[bytes]] = []

    with before_removal(monkeypatch, done.append):
        report = purge(exclude_active_within_secs=HOUR, keep_going=lambda: not done)

    assert report.status == "cancelled"
    assert 0 < report.deals.purged < 500
    assert redis_client.dbsize() == 2500 - report.keys.deleted
    assert report.keys.deleted == 5 * report.deals.purged


def test_a_large_deal_asks_before_every_transaction_whether_to_go_on(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = seed_deal(redis_client, "acme", "large", age=2 * HOUR, image_crops=4500)
    done: list[list[bytes]] = []

    with before_removal(monkeypatch, done.append):
        report = purge(exclude_active_within_secs=HOUR, keep_going=lambda: len(done) < 2)

    assert report.status == "cancelled"
    assert (report.deals.interrupted, report.deals.purged, report.keys.deleted) == (1, 0, 2000)
    assert existing(redis_client, kept) == len(kept) - 2000


def test_a_large_deal_that_an_error_ends_half_way_is_interrupted(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed_deal(redis_client, "acme", "large", age=2 * HOUR, image_crops=2500)
    tally, done = Tally(), list[list[bytes]]()

    def fail_later(keys: list[bytes]) -> None:
        done.append(keys)
        if len(done) == 2:
            raise RedisUnavailable("refused", "for some reason")

    with before_removal(monkeypatch, fail_later), pytest.raises(RedisUnavailable):
        carry_out(tally, exclude_active_within_secs=HOUR)

    assert tally.deleted == 1000
    assert notes_of(tally) == {b"acme:large": DealNote("interrupted", 1000, None, ANY)}
    assert BROKEN_OFF_WARNING in tally.warnings


def test_deals_under_constant_work_survive_whole(redis_server: RedisServer, redis_client: redis.Redis) -> None:
    keys = {n: seed_deal(redis_client, "acme", f"d{n}", age=2 * HOUR, image_crops=20) for n in range(300)}
    worked_on = range(0, 300, 2)
    stop, rounds = threading.Event(), []

    def work() -> None:
        with redis_server.client() as client:
            while not stop.is_set():
                for number in worked_on:
                    touch(client, "acme", f"d{number}")
                rounds.append(1)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        while not rounds:
            stop.wait(0.01)
        report = purge(exclude_active_within_secs=HOUR)
    finally:
        stop.set()
        worker.join()

    assert all(existing(redis_client, keys[number]) == len(keys[number]) for number in worked_on)
    assert all(existing(redis_client, keys[number]) == 0 for number in range(1, 300, 2))
    assert (report.deals.purged, report.deals.skipped_active) == (150, 150)


def test_orgless_keys_that_stay_for_another_organisations_sake_are_told_of(redis_client: redis.Redis) -> None:
    seed_deal(redis_client, "acme", "both", age=2 * HOUR)
    seed_deal(redis_client, "beta", "both", age=1)
    redis_client.set("checkpoint:both:__empty__:1", "x")

    report = purge(mode="by_deal", deals=(("acme", "both"),), exclude_active_within_secs=HOUR, include_checkpoints=True)

    assert redis_client.exists("checkpoint:both:__empty__:1")
    assert (report.keys.matched, report.keys.deleted) == (6, 5)
    assert SHARED_WARNING.format("both") in report.warnings
