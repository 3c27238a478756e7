from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import redis
from pytest_django.fixtures import Settings
from redis.exceptions import ResponseError

from dealpurge.engine.guard.activity import Reading
from dealpurge.engine.guard.activity_reader import LFU_WARNING, ActivityReader
from dealpurge.engine.sweep.tally import Tally
from dealpurge.servers.connection import ServerConnection
from tests.support.purging import purge
from tests.support.seeding import HOUR, existing, key_of, seed_deal
from tests.support.servers import RedisServer

KEY = "canvas:events:acme:d"
WINDOW = HOUR * 1000


@pytest.fixture
def now(redis_client: redis.Redis) -> int:
    seconds, micros = redis_client.time()
    return int(seconds) * 1000 + int(micros) // 1000


@pytest.fixture
def tally() -> Tally:
    return Tally()


@pytest.fixture
def activity(redis_client: redis.Redis, tally: Tally) -> Iterator[ActivityReader]:
    connection = ServerConnection(redis_client.connection_pool, lambda: True)
    connection.open()
    activity = ActivityReader(connection, tally)
    activity.open()
    yield activity
    connection.close()


def last_active(activity: ActivityReader) -> int | None:
    return activity.read([KEY.encode()]).verdict([KEY.encode()], WINDOW).last_active


def is_active(activity: ActivityReader) -> bool:
    return activity.read([KEY.encode()]).verdict([KEY.encode()], WINDOW).active


def test_no_events_key_means_no_activity(activity: ActivityReader) -> None:
    assert not is_active(activity)
    assert last_active(activity) is None


def test_the_newest_id_of_a_stream_counts_even_when_trimmed_away(
    redis_client: redis.Redis, activity: ActivityReader, now: int
) -> None:
    redis_client.xadd(KEY, {"a": "b"}, id=f"{now - 5000}-0")
    redis_client.xtrim(KEY, maxlen=0, approximate=False)

    assert last_active(activity) == now - 5000


def test_a_time_in_the_future_counts_as_now(redis_client: redis.Redis, activity: ActivityReader, now: int) -> None:
    redis_client.xadd(KEY, {"a": "b"}, id=f"{now + 10**9}-0")

    assert is_active(activity)
    assert now <= (last_active(activity) or 0) < now + 60_000


@pytest.mark.parametrize("unit", [1, 1000, 10**6, 10**9])
def test_the_highest_score_counts_in_any_unit(
    redis_client: redis.Redis, activity: ActivityReader, now: int, unit: int
) -> None:
    moment = now // 1000 - 500
    redis_client.zadd(KEY, {"old": (moment - 99) * unit, "new": moment * unit})

    assert last_active(activity) == pytest.approx(moment * 1000, abs=2)


@pytest.mark.parametrize("score", ["inf", "1e300"])
def test_an_absurd_score_counts_as_now_or_as_no_time(
    redis_client: redis.Redis, activity: ActivityReader, score: str
) -> None:
    redis_client.zadd(KEY, {"member": float(score)})

    assert is_active(activity)


def test_an_id_that_is_no_time_is_judged_by_idle_time(redis_client: redis.Redis, activity: ActivityReader) -> None:
    redis_client.xadd(KEY, {"a": "b"}, id="5-1")

    reading = activity.read([KEY.encode()])

    assert reading.idle == {KEY.encode()}
    assert reading.verdict([KEY.encode()], WINDOW).active


def test_any_other_type_is_judged_by_idle_time(redis_client: redis.Redis, activity: ActivityReader) -> None:
    redis_client.rpush(KEY, "event")

    reading = activity.read([KEY.encode()])

    assert reading.now - (reading.last[KEY.encode()] or 0) < 60_000


def second_look(activity: ActivityReader, before: Reading) -> int | None:
    """What a second look in one round trip tells; and the long one tells the same."""
    key = KEY.encode()
    last = activity.again([key], before).verdict([key], WINDOW).last_active
    assert activity.read([key], before).verdict([key], WINDOW).last_active == pytest.approx(last, abs=2000)
    return last


def long_idle(before: Reading, age: int = HOUR) -> Reading:
    """As if the key had been idle for long when it was looked at: nothing here waits for that."""
    before.last = dict.fromkeys(before.last, before.now - age * 1000)
    return before


@pytest.mark.parametrize("kind", ["stream", "sorted set"])
def test_our_own_look_is_no_use_of_what_tells_no_time(
    redis_client: redis.Redis, activity: ActivityReader, kind: str
) -> None:
    if kind == "stream":
        redis_client.xadd(KEY, {"a": "b"}, id="5-1")
    else:
        redis_client.zadd(KEY, {"a": 3, "b": 2})
    before = activity.read([KEY.encode()])
    if before.marks:  # without CLIENT NO-TOUCH our look has reset the idle time
        assert second_look(activity, long_idle(before)) == before.now - HOUR * 1000
    else:
        assert second_look(activity, before) == pytest.approx(before.last[KEY.encode()], abs=2000)


@pytest.mark.parametrize("kind", ["string", "list", "stream", "sorted set", "replaced"])
def test_a_write_right_behind_our_look_is_seen(redis_client: redis.Redis, activity: ActivityReader, kind: str) -> None:
    write: dict[str, Callable[[], object]] = {
        "string": lambda: redis_client.set(KEY, "x"),
        "list": lambda: redis_client.rpush(KEY, "x"),
        "stream": lambda: redis_client.xadd(KEY, {"a": "b"}, id="5-*"),
        "sorted set": lambda: redis_client.zincrby(KEY, 1, "a"),
    }
    write.get(kind, write["string"])()
    before = long_idle(activity.read([KEY.encode()]))
    if kind == "replaced":
        redis_client.delete(KEY)
    write.get(kind, write["stream"])()

    assert (second_look(activity, before) or 0) > before.now - 2000


def test_a_stream_that_goes_while_we_look_at_it_tells_nothing_wrong(activity: ActivityReader) -> None:
    activity.no_touch = False
    look = activity.read_steps([KEY.encode()])

    assert next(look) == [("TIME",), ("INFO", "memory"), ("MEMORY", "USAGE", KEY.encode())]
    assert look.send([[1_700_000_000, 0], b"", 5000]) == [("TYPE", KEY.encode())]
    assert look.send([b"stream"]) == look.send([]) == []  # nothing more of its size
    assert look.send([]) == [("OBJECT", "IDLETIME", KEY.encode())]
    assert look.send([100]) == [("XINFO", "STREAM", KEY.encode())]
    assert look.send([ResponseError("ERR no such key")]) == []
    with pytest.raises(StopIteration) as end:
        look.send([])

    assert (end.value.value.last, end.value.value.marks) == ({}, {})
    assert end.value.value.types == {KEY.encode(): b"none"}  # whoever makes it anew is seen by the second look


def test_what_cannot_be_judged_counts_as_active(
    redis_server: RedisServer, redis_client: redis.Redis, deal_settings: Settings
) -> None:
    redis_client.config_set("maxmemory-policy", "allkeys-lfu")
    kept = seed_deal(redis_client, "acme", "d")
    redis_client.rpush(key_of("events", "acme", "d"), "event")
    try:
        report = purge(exclude_active_within_secs=1)
    finally:
        redis_client.config_set("maxmemory-policy", "noeviction")

    assert existing(redis_client, kept) == len(kept)
    assert (report.deals.skipped_active, report.skipped[0].last_active_at) == (1, None)
    assert LFU_WARNING in report.warnings


def test_a_key_that_came_into_being_since_the_first_look_counts_as_active(
    redis_client: redis.Redis, activity: ActivityReader
) -> None:
    key = KEY.encode()
    before = activity.read([key])
    redis_client.rpush(KEY, "event")

    replies = activity.connection.ask_all(activity.questions([key], before))

    assert activity.answers([key], before, replies).verdict([key], WINDOW).active


def test_a_key_that_changed_its_type_counts_as_active(
    redis_client: redis.Redis, activity: ActivityReader, now: int
) -> None:
    key = KEY.encode()
    redis_client.xadd(KEY, {"a": "b"}, id=f"{now - 2 * WINDOW}-0")
    before = activity.read([key])
    redis_client.delete(KEY)
    redis_client.set(KEY, "x")

    replies = activity.connection.ask_all(activity.questions([key], before))

    assert not before.verdict([key], WINDOW).active
    assert activity.answers([key], before, replies).verdict([key], WINDOW).active
