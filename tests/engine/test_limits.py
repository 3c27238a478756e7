"""A purge with a limit: never more goes, by any count; and what exceeds it deletes nothing and says by how much."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from dealpurge.engine.limits import Budget
from dealpurge.engine.pass_warnings import BROKEN_OFF_WARNING
from dealpurge.engine.sweep.tally import Tally
from dealpurge.exceptions import LimitExceeded
from dealpurge.report import PurgeReport
from dealpurge.scope import PurgeScope
from tests.support.cases import (
    FIXTURES_STAY,
    IDLE,
    USES,
    Case,
    Use,
    cases,
    dump,
    expect,
    guarded,
    in_force,
    told,
    write,
)
from tests.support.oracle import Expected, Request
from tests.support.purging import carry_out, looks_noted, report_of
from tests.support.samples import sample
from tests.support.writers import Writer, deals_of, written

Limits = dict[str, Any]
#: How far a limit is from what would go; None is no limit.
DISTANCES = st.sampled_from([None, -3, -1, 0, 1])


def attempt(
    case: Case, *, keep_going: Callable[[], bool] = lambda: True, **options: Any
) -> tuple[PurgeReport, str | None]:
    """Purge; the report, and the words if it was refused or stopped."""
    tally, words = Tally(), None
    options = asdict(case.request) | options
    with in_force(case):
        try:
            carry_out(tally, keep_going=keep_going, **options)
        except LimitExceeded as exc:
            words = str(exc)
        return report_of(tally, failed=words is not None, **options), words


def limits_near(expected: Expected, deals: int | None, keys: int | None) -> Limits:
    """Limits so far from what would go, 1 at least."""

    def near(count: int, distance: int | None) -> int | None:
        return None if distance is None else max(1, count + distance)

    return {
        "at_most_deals": near(expected.deals["purged"] or 0, deals),
        "at_most_keys": near(len(expected.gone), keys),
    }


def refusal(expected: Expected, limits: Limits) -> str | None:
    """What a purge must say that would exceed its limits."""
    parts = []
    for count, limit, unit in (
        (expected.deals["purged"], limits["at_most_deals"], "deal"),
        (len(expected.gone), limits["at_most_keys"], "key"),
    ):
        if limit is not None and count > limit:
            shown = f"{count:,} keys" if unit == "key" else "1 deal" if count == 1 else f"{count} deals"
            parts.append((shown, f"{count - limit:,} more than the limit of {limit:,}"))
    if len(parts) == 2:
        return f"{parts[0][0]} would go, {parts[0][1]}, and {parts[1][0]}, {parts[1][1]}: the purge is refused."
    return f"{parts[0][0]} would go, {parts[0][1]}: the purge is refused." if parts else None


def check(client: redis.Redis, case: Case, deals: int | None, keys: int | None) -> None:
    """Nobody writes meanwhile: refused, or carried out as without limits."""
    expected = expect(case, write(client, case.keys))
    limits = limits_near(expected, deals, keys)
    words, before = refusal(expected, limits), dump(client)

    dry, no_words = attempt(case, dry_run=True, **limits)
    assert no_words is None
    assert [warning for warning in dry.warnings if "would go" in warning] == ([words] if words else [])
    assert (told(dry).deals, dry.status, dump(client)) == (expected.deals, "completed", before)

    live, said = attempt(case, **limits)
    assert said == words
    if words:
        assert dump(client) == before
        assert told(live).deals == {**expected.deals, "purged": 0, "organisations": 0}
        assert told(live).keys == {**expected.keys, "deleted": 0}
        assert (live.status, set(live.families.values())) == ("failed", {0})
    else:
        assert dump(client) == {key: value for key, value in before.items() if key not in expected.gone}
        assert (told(live).deals, told(live).keys) == (expected.deals, expected.keys)
        assert (told(live).families, live.status) == (expected.families, "completed")
    assert told(live).skipped == expected.skipped


@settings(max_examples=sample(100, 600), derandomize=True, suppress_health_check=FIXTURES_STAY)
@given(case=cases(), deals=DISTANCES, keys=DISTANCES)
def test_what_exceeds_a_limit_deletes_nothing_and_what_does_not_goes(
    server: redis.Redis, case: Case, deals: int | None, keys: int | None
) -> None:
    check(server, case, deals, keys)


# Somebody writes meanwhile


@settings(max_examples=sample(100, 600), derandomize=True, suppress_health_check=FIXTURES_STAY)
@given(given_case=written(), deals=DISTANCES, keys=DISTANCES, pause=st.integers(1, 3))
def test_never_more_goes_whoever_writes_meanwhile(
    server: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    given_case: tuple[Case, list[tuple[bytes, Use]]],
    deals: int | None,
    keys: int | None,
    pause: int,
) -> None:
    case, more = given_case
    expected = expect(case, write(server, case.keys))
    limits = limits_near(expected, deals, keys)
    writer = Writer(server, more, pause, set(case.keys))

    with writer.at_work(monkeypatch):
        report, words = attempt(case, **limits)

    gone = writer.written - set(server.keys())
    assert report.keys.deleted == len(gone)
    if limits["at_most_keys"] is not None:
        assert len(gone) <= limits["at_most_keys"]
    if limits["at_most_deals"] is not None:
        assert deals_of(gone, case.host.table) <= limits["at_most_deals"]
    if words and words.endswith("refused."):
        assert not gone
    assert (report.status == "failed") == bool(words)


# Boundaries


def sweep(*keys: bytes) -> Case:
    return replace(guarded(*keys, max_planned_keys=1000), request=Request(mode="all", include_checkpoints=True))


def guard(*keys: bytes, parts: bool = False) -> Case:
    return guarded(*keys, max_planned_keys=1 if parts else 1000)


WAYS: dict[str, Callable[..., Case]] = {
    "sweep": sweep,
    "guarded": guard,
    "guarded in parts": lambda *keys: guard(*keys, parts=True),
}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
LOCKS = [b"canvas:lock:acme:%d:%d" % (deal, number) for deal in range(5) for number in range(3)]


@ways
@pytest.mark.parametrize(("limits", "refused"), [
    ({"at_most_deals": 5}, False),
    ({"at_most_deals": 4}, True),
    ({"at_most_deals": 1}, True),
    ({"at_most_keys": 15}, False),
    ({"at_most_keys": 14}, True),
    ({"at_most_keys": 1}, True),
    ({"at_most_deals": 5, "at_most_keys": 15}, False),
    ({"at_most_deals": 5, "at_most_keys": 14}, True),
    ({"at_most_deals": 4, "at_most_keys": 15}, True),
])  # fmt: skip
def test_exactly_as_many_as_the_limit_go(
    server: redis.Redis, way: Callable[..., Case], limits: Limits, refused: bool
) -> None:
    case = way(*LOCKS)
    write(server, case.keys)

    report, words = attempt(case, **limits)

    assert (words is not None) == refused
    assert server.dbsize() == (15 if refused else 0)
    assert report.deals.purged == (0 if refused else 5)


@ways
def test_one_deal_of_one_key_goes_within_one(server: redis.Redis, way: Callable[..., Case]) -> None:
    case = way(LOCKS[0])
    write(server, case.keys)

    assert attempt(case, at_most_deals=1, at_most_keys=1)[1] is None
    assert server.dbsize() == 0


@ways
@pytest.mark.parametrize("first", ["checkpoint", "lock"])
def test_keys_without_an_organisation_are_no_other_deal(
    server: redis.Redis, way: Callable[..., Case], first: str
) -> None:
    keys = [b"checkpoint:deal-1", b"canvas:lock:acme:deal-1"]
    case = way(*(keys if first == "checkpoint" else keys[::-1]))
    expected = expect(case, write(server, case.keys))
    assert expected.deals["purged"] == 1

    report, words = attempt(case, at_most_deals=1)

    assert (report.deals.purged, words, server.dbsize()) == (1, None, 0)


@ways
def test_keys_without_an_organisation_that_several_hold_are_no_other_deal(
    server: redis.Redis, way: Callable[..., Case]
) -> None:
    case = way(b"checkpoint:1:x", *(b"canvas:lock:%b:1" % org for org in (b"acme", b"zeta")))
    write(server, case.keys)

    assert attempt(case, at_most_deals=1)[1] == "2 deals would go, 1 more than the limit of 1: the purge is refused."
    assert attempt(case, at_most_deals=2)[1] is None
    assert server.dbsize() == 0


def test_of_active_deals_none_is_counted(server: redis.Redis) -> None:
    keys = dict.fromkeys(LOCKS, IDLE[0]) | {b"canvas:events:acme:%d" % number: USES[2] for number in range(3)}
    case = replace(guard(), keys=keys)
    write(server, case.keys)

    assert attempt(case, at_most_deals=1)[1] == "2 deals would go, 1 more than the limit of 1: the purge is refused."
    assert attempt(case, at_most_deals=2)[1] is None
    assert server.dbsize() == 3 * 4


@pytest.mark.parametrize("parts", [False, True])
def test_who_is_active_in_the_count_stays_whatever_redis_forgets(
    server: redis.Redis, monkeypatch: pytest.MonkeyPatch, parts: bool
) -> None:
    case = replace(guard(parts=parts), keys=dict.fromkeys(LOCKS, IDLE[0]) | {b"canvas:events:acme:0": USES[2]})
    write(server, case.keys)
    check_count = Budget.check

    def check_and_forget(self: Budget, deals: int, keys: int) -> None:
        check_count(self, deals, keys)
        server.delete("canvas:events:acme:0")

    monkeypatch.setattr(Budget, "check", check_and_forget)
    report, words = attempt(case, at_most_deals=4)

    assert (words, report.deals.purged, report.deals.skipped_active) == (None, 4, 1)
    assert {*server.keys()} == {key for key in LOCKS if key.startswith(b"canvas:lock:acme:0:")}


@ways
@pytest.mark.parametrize("came", [b"canvas:lock:acme:new-%d", b"checkpoint:new-%d"], ids=["deals", "org-less ids"])
@pytest.mark.parametrize(("limit", "number"), [("at_most_deals", 5), ("at_most_keys", 15)])
def test_what_came_between_the_count_and_the_delete_stops_it(
    server: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    way: Callable[..., Case],
    limit: str,
    number: int,
    came: bytes,
) -> None:
    """What the count had is the limit. Where keys are planned once, none that came later is in the plan."""
    case = way(*LOCKS)
    write(server, case.keys)
    check_count = Budget.check

    def check_and_write(self: Budget, deals: int, keys: int) -> None:
        check_count(self, deals, keys)
        server.mset({came % number: "x" for number in range(100)})

    monkeypatch.setattr(Budget, "check", check_and_write)
    report, words = attempt(replace(case, scan_count=1), **Limits({limit: number}))

    unit = limit.rpartition("_")[2]
    said = f"Stopped before more {unit} than the limit of {number} went: there are more than were counted at first"
    said += "." if unit == "deals" else ", or a server was replaced, and keys came again."
    assert words == (None if way is guard else said)
    assert report.keys.deleted == 115 - server.dbsize() <= 15
    assert report.status == ("completed" if way is guard else "failed")


@ways
def test_only_who_asks_for_a_limit_pays_for_the_count(server: redis.Redis, way: Callable[..., Case]) -> None:
    """A sweep scans once more, and so does a purge in parts; what is planned at once is only judged once more."""
    case = replace(way(*LOCKS, *(key.replace(b"lock", b"events", 1) for key in LOCKS[::3])), scan_count=500)

    def sent(**limits: int) -> tuple[int, int]:
        write(server, case.keys)
        server.config_resetstat()
        assert attempt(case, **Limits(limits))[0].deals.purged == 5
        calls = {name: stats["calls"] for name, stats in server.info("commandstats").items()}
        return calls["cmdstat_scan"], calls.get("cmdstat_xinfo|stream", 0)

    (scans, looks), (scans_with, looks_with) = sent(), sent(at_most_deals=5)

    parts = 1 if case.max_planned_keys == 1000 else 5
    assert scans == parts
    assert scans_with == (parts if way is guard else 2 * parts)
    assert (looks_with > looks) == (looks > 0) == (way is not sweep)


# Progress, and what ends a count


@dataclass
class Watched:
    """How far a purge said that it was, whenever it asked whether to go on."""

    tally: Tally
    seen: list[tuple[int, int, int]]
    #: Says when to stop.
    until: Callable[[int, int, int], bool] = lambda scanned, total, deleted: False

    def __call__(self) -> bool:
        self.seen.append(self.tally.progress()[:3])
        return not self.until(*self.seen[-1])


@ways
@pytest.mark.parametrize("limits", [{}, {"at_most_keys": 500}], ids=["no limit", "limit"])
def test_progress_never_goes_back_and_ends_at_its_total(
    server: redis.Redis, way: Callable[..., Case], limits: Limits
) -> None:
    keys = [b"canvas:lock:acme:%d:%d" % (deal, number) for deal in range(50) for number in range(10)]
    case = replace(way(*keys), scan_count=10)
    if case.max_planned_keys == 1:
        case = replace(case, max_planned_keys=100)
    write(server, case.keys)
    tally = Tally()
    watched = Watched(tally, [])

    with in_force(case):
        carry_out(tally, keep_going=watched, **asdict(case.request), **limits)

    scanned = [item[0] for item in watched.seen]
    assert scanned == sorted(scanned)
    assert all(item[0] <= item[1] for item in watched.seen if item[1])
    before, total, deleted = tally.progress()[:3]
    assert (before, deleted) == (total, 500)
    assert (tally.scanned, tally.total) == (500, 500)
    if limits and way is sweep:
        assert {item[1] for item in watched.seen} <= {0, 1000}


@ways
def test_the_time_for_heartbeats_comes_in_the_count_too(server: redis.Redis, way: Callable[..., Case]) -> None:
    """As often as in a dry run, which is what it is."""
    case = replace(way(*LOCKS), scan_count=1)
    write(server, case.keys)
    dry, live = Watched(Tally(), []), Watched(Tally(), [])

    attempt(case, keep_going=dry, dry_run=True)
    attempt(case, keep_going=live, at_most_keys=1)

    assert len(live.seen) >= len(dry.seen) > 1


@ways
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 1])
def test_told_to_stop_in_the_count(server: redis.Redis, way: Callable[..., Case], share: float) -> None:
    case = replace(way(*LOCKS), scan_count=1)
    write(server, case.keys)
    dry = Watched(Tally(), [])
    attempt(case, keep_going=dry, dry_run=True)
    asked = list[int]()

    def keep_going() -> bool:
        asked.append(1)
        return len(asked) != round(share * len(dry.seen))  # who is not told again goes on no more

    report, words = attempt(case, keep_going=keep_going, at_most_keys=15)

    assert (words, report.status, server.dbsize()) == (None, "cancelled", 15)
    assert (report.deals.purged, report.deals.interrupted, report.keys.deleted) == (0, 0, 0)
    assert set(report.families.values()) == {0}
    assert BROKEN_OFF_WARNING not in report.warnings
    if way is guard and share >= 0.9:  # some were judged by then
        assert report.deals.matched == 5


def test_who_was_judged_in_a_count_that_was_stopped_is_told(
    server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = dict.fromkeys(LOCKS, IDLE[0]) | {b"canvas:events:acme:%d" % number: USES[2] for number in range(5)}
    case = replace(guard(), keys=keys)
    write(server, case.keys)
    looks = list[object]()

    with looks_noted(monkeypatch, lambda: looks.append(1)):
        report, _ = attempt(case, keep_going=lambda: not looks, at_most_deals=5)

    deals = report.deals
    assert (report.status, deals.matched, deals.purged) == ("cancelled", 5, 0)
    assert deals.skipped_active == len(report.skipped) > 0
    assert server.dbsize() == 20


def test_a_limit_beyond_all_databases_is_none_that_matters(server: redis.Redis) -> None:
    assert PurgeScope(mode="all", at_most_deals=10**30).at_most_deals == 10**15
    assert PurgeScope(mode="all", at_most_keys=10**30).at_most_keys == 10**15
