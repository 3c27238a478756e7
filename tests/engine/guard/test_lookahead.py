from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Any

import pytest
import redis
from redis.exceptions import NoPermissionError, ResponseError

from dealpurge.engine.guard import lookahead
from dealpurge.engine.guard.activity_reader import ActivityReader
from dealpurge.engine.guard.lookahead import LookAhead
from dealpurge.engine.guard.plan import Plan, Unit
from dealpurge.engine.pass_warnings import BROKEN_WARNING
from dealpurge.engine.sweep.fates import notes_of
from dealpurge.engine.sweep.tally import Tally
from tests.support.purging import before_removal, carry_out, purge
from tests.support.seeding import HOUR, existing, names, seed_deal, touch

pytestmark = pytest.mark.usefixtures("deal_settings")

DEALS, BATCH = 120, 16


@pytest.fixture(autouse=True)
def _many_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookahead, "JUDGED_AT_ONCE", BATCH)


@pytest.fixture
def kept(redis_client: redis.Redis) -> set[str]:
    """Every fourth deal is active; the keys of those."""
    deals = {n: seed_deal(redis_client, "acme", f"d{n:03}", age=HOUR * (n % 4) * 2) for n in range(DEALS)}
    return {key for n, keys in deals.items() if n % 4 == 0 for key in keys}


def assert_purged(client: redis.Redis, kept: set[str], *, warnings: tuple[str, ...] = ()) -> None:
    report = purge(exclude_active_within_secs=HOUR)

    assert names(client) == kept
    assert (report.deals.purged, report.deals.skipped_active) == (DEALS * 3 // 4, DEALS // 4)
    assert report.keys.deleted + report.keys.vanished == DEALS * 3 // 4 * 5
    assert report.warnings == warnings


def test_the_next_deals_are_looked_at_behind_a_transaction(
    redis_client: redis.Redis, kept: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    owed, look = list[tuple[int, int]](), ActivityReader.read_steps

    def read_steps(self: ActivityReader, *args: Any) -> Any:
        owed.append((self.connection.owed, len(args[0])))
        return look(self, *args)

    monkeypatch.setattr(ActivityReader, "read_steps", read_steps)

    assert_purged(redis_client, kept)

    sizes = [BATCH] * (DEALS // BATCH) + [DEALS % BATCH]
    assert owed == [(0, sizes[0]), *((2, size) for size in sizes[1:])]  # the replies to UNLINK and EXEC


@pytest.mark.parametrize("stage", range(1, 12))
def test_a_connection_that_is_lost_with_a_look_under_way(
    redis_client: redis.Redis, kept: set[str], monkeypatch: pytest.MonkeyPatch, stage: int
) -> None:
    ask, looks = LookAhead.questions, list[int]()

    def cut(self: LookAhead) -> Any:
        questions = ask(self)
        if questions:
            looks.append(len(questions))
            if len(looks) == stage:
                self._activity.connection._connection._sock.shutdown(socket.SHUT_RDWR)
        return questions

    monkeypatch.setattr(LookAhead, "questions", cut)

    assert_purged(redis_client, kept, warnings=(BROKEN_WARNING,))
    assert len(looks) > stage


def test_deals_whose_transaction_was_aborted_are_not_lost_with_the_look_behind_it(
    redis_client: redis.Redis, kept: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a server has no NO-TOUCH a look takes two questions, of which only the first goes behind a transaction."""
    woken, cut, ask = list[str](), list[int](), LookAhead.questions
    monkeypatch.setattr(ActivityReader, "open", lambda self: None)

    def wake(keys: list[bytes]) -> None:
        if not woken:
            woken.append(touch(redis_client, "acme", "d001"))

    def lose(self: LookAhead) -> Any:
        questions, connection = ask(self), self._activity.connection
        if woken and not cut and questions and not connection.owed:
            cut.append(len(questions))
            connection._connection._sock.shutdown(socket.SHUT_RDWR)
        return questions

    monkeypatch.setattr(LookAhead, "questions", lose)
    with before_removal(monkeypatch, wake):
        report = purge(exclude_active_within_secs=HOUR)

    assert len(cut) == 1
    assert {key for key in names(redis_client) if ":d001" not in key} == kept
    assert existing(redis_client, woken) == 1
    assert (report.deals.purged, report.deals.skipped_active) == (DEALS * 3 // 4 - 1, DEALS // 4 + 1)


def test_nothing_is_looked_at_twice(redis_client: redis.Redis, kept: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    taken, make = list[bytes](), Plan.unit

    def taking(self: Plan, token: bytes) -> Any:
        taken.append(token)
        return make(self, token)

    monkeypatch.setattr(Plan, "unit", taking)

    assert_purged(redis_client, kept)
    assert taken == sorted(set(taken))
    assert len(taken) == DEALS


def test_where_all_are_active_it_is_asked_whether_to_go_on(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookahead, "JUDGED_AT_ONCE", 1)
    for number in range(DEALS):
        seed_deal(redis_client, "acme", f"d{number}", age=1)
    asked = iter(range(1, 1000))

    report = purge(exclude_active_within_secs=HOUR, keep_going=lambda: next(asked) < DEALS // 2)

    assert (report.status, report.keys.deleted) == ("cancelled", 0)
    assert 0 < report.deals.skipped_active < DEALS // 2


def test_what_ends_the_run_before_its_first_deal_leaves_no_deal_purged(
    redis_client: redis.Redis, kept: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: LookAhead) -> Any:
        raise KeyboardInterrupt

    before = names(redis_client)
    monkeypatch.setattr(LookAhead, "questions", interrupted)
    tally = Tally()

    with pytest.raises(KeyboardInterrupt):
        carry_out(tally, exclude_active_within_secs=HOUR)

    assert names(redis_client) == before
    assert notes_of(tally) == {}


def looking_at(*tokens: bytes) -> LookAhead:
    units = [Unit(token, [], (b"canvas:events:" + token,)) for token in tokens]
    return LookAhead(ActivityReader(None, Tally()), iter(units))  # type: ignore[arg-type]  # nothing is asked here


TIME, GONE = [b"1700000000", b"0"], b"none"


def test_a_look_that_is_complete_is_handed_out_once() -> None:
    ahead = looking_at(b"acme:d1", b"acme:d2")

    sizes = [("MEMORY", "USAGE", key) for key in (b"canvas:events:acme:d1", b"canvas:events:acme:d2")]
    assert ahead.questions() == [("TIME",), ("INFO", "memory"), *sizes]
    ahead.take([TIME, b"", 4760, 4760])
    assert ahead.questions() == [("TYPE", b"canvas:events:acme:d1"), ("TYPE", b"canvas:events:acme:d2")]
    ahead.take([GONE, GONE])
    assert ahead.questions() == []

    units, reading = ahead.hand_out()
    assert [unit.token for unit in units] == [b"acme:d1", b"acme:d2"]
    assert reading is not None
    assert reading.now == 1_700_000_000_000
    assert ahead.units() == []
    assert ahead.hand_out() == ([], None)


@pytest.mark.parametrize(
    "replies",
    [
        [ResponseError("BUSY Redis is busy running a script")],
        [NoPermissionError("User x has no permissions to run the 'time' command"), b"", 4760],
    ],
)
def test_a_look_that_is_in_trouble_is_not_begun_anew_ahead(replies: Sequence[Any]) -> None:
    ahead = looking_at(b"acme:d1")
    assert ahead.questions()

    ahead.take(replies)

    assert ahead.questions() == []
    units, reading = ahead.hand_out()
    assert (len(units), reading) == (1, None)


@pytest.mark.parametrize("complete", [False, True])
def test_what_was_seen_over_a_lost_connection_is_forgotten(complete: bool) -> None:
    ahead = looking_at(b"acme:d1")
    assert ahead.questions()
    if complete:
        ahead.take([TIME, b"", None])

    ahead.forget()

    assert ahead.questions() == []
    units, reading = ahead.hand_out()
    assert (len(units), reading) == (1, None)
    assert (ahead.dropped is not None) == complete


def test_who_was_active_by_a_look_that_was_dropped_stays(
    redis_client: redis.Redis, kept: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server lost its last events together with the connection."""
    take, takes = LookAhead.take, list[int]()

    def lose(self: LookAhead, replies: Sequence[Any]) -> None:
        take(self, replies)
        if self._reading is not None and not takes:
            takes.append(1)
            for number in range(0, DEALS, 4):
                redis_client.delete(f"canvas:events:acme:d{number:03}")
            self.forget()

    monkeypatch.setattr(LookAhead, "take", lose)
    report = purge(exclude_active_within_secs=HOUR)

    first = {f"canvas:lock:acme:d{number:03}" for number in range(0, BATCH, 4)}
    assert existing(redis_client, sorted(first)) == len(first)
    assert report.deals.skipped_active == len(first)
