"""Purges beside real runs of LangGraph: what an interrupted run needs stays, what is asked for goes to the last key."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import redis
from pytest_django.fixtures import Settings
from redis.commands.search.query import Query

from dealpurge.keys.families import CHECKPOINT_PREFIXES
from dealpurge.report import PurgeReport
from dealpurge.services import purge_deals
from tests.support.seeding import HOUR, touch
from tests.support.servers import RedisServer

if TYPE_CHECKING:
    from .flows import Flow

pytestmark = [
    pytest.mark.langgraph,
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings(
        "ignore:get_async_redis_connection:DeprecationWarning"
    ),  # the asynchronous savers call it
]

FINISHED = {"document": "lease", "facts": "ten years", "risk": "low", "answer": "yes", "memo": "sent"}
STEPS = ["read", "weigh", "ask", "ask", "publish"]
MANY = 10_500
REDIS_SAVERS = [
    pytest.param((name, "stack"), id=name)
    for name in ("RedisSaver", "AsyncRedisSaver", "ShallowRedisSaver", "AsyncShallowRedisSaver")
]


class Threads(NamedTuple):
    """A thread of the deal (acme, deal-1), and threads of others whose names come close to it."""

    own: str
    others: tuple[str, ...]


@pytest.fixture(params=["{deal_id}", "{org_id}:{deal_id}"])
def threads(request: pytest.FixtureRequest, settings: Settings) -> Threads:
    """Threads as either common setting names them."""
    settings.DEALPURGE_CHECKPOINT_THREAD = request.param
    if request.param == "{deal_id}":
        return Threads("deal-1", ("deal-10", "deal", "acme"))
    return Threads("acme:deal-1", ("acme:deal-10", "globex:deal-1", "deal-1:acme"))


#: A live purge of the deal, checkpoints included.
LIVE: dict[str, Any] = {
    "mode": "by_deal",
    "deals": [("acme", "deal-1")],
    "include_checkpoints": True,
    "dry_run": False,
}


def purge(**changes: Any) -> PurgeReport:
    return purge_deals(**LIVE | changes)


def keys_of(client: redis.Redis, thread: str) -> set[bytes]:
    """Every key with the thread's id in it, found by no rule of the package."""
    name = thread.encode()
    wanted = (b":" + name + b":", b":{" + name + b"}:")
    return {key for key in client.scan_iter(count=1000) if any(part in key + b":" for part in wanted)}


def content(client: redis.Redis) -> dict[bytes, Any]:
    return {key: client.dump(key) for key in client.scan_iter(count=1000)}


def indexed(client: redis.Redis, thread: str) -> int:
    """Documents of the thread in all search indices; 0 where the server has none."""
    try:
        indices: list[bytes] = client.execute_command("FT._LIST")  # type: ignore[no-untyped-call]
    except redis.ResponseError:
        return 0
    tag = re.sub(r"([-:])", r"\\\1", thread)
    query = Query(f"@thread_id:{{{tag}}}").paging(0, 0)
    return sum(client.ft(name).search(query).total for name in indices)


def test_an_interrupted_run_goes_on_as_if_nothing_had_been(flow: Flow, stored: redis.Redis, threads: Threads) -> None:
    flow.begin(threads.own)
    checkpoints = keys_of(stored, threads.own)
    stored.set("canvas:lock:acme:deal-1", "x")
    before = content(stored)

    report = purge(include_checkpoints=False)

    assert report.keys.deleted == 1
    assert report.keys.checkpoints_kept == len(checkpoints) > 10
    del before[b"canvas:lock:acme:deal-1"]
    assert content(stored) == before
    assert flow.resume(threads.own) == FINISHED
    assert flow.ran == STEPS
    assert not flow.waits(threads.own)


def test_with_checkpoints_no_key_of_the_thread_is_left(flow: Flow, stored: redis.Redis, threads: Threads) -> None:
    for thread in (threads.own, *threads.others):
        flow.begin(thread)
    rest = set(stored.scan_iter(count=1000)) - keys_of(stored, threads.own)
    dry = purge(dry_run=True)

    report = purge()

    assert set(stored.scan_iter(count=1000)) == rest
    assert report.keys.deleted == dry.keys.matched == report.families["checkpoints"] > 10
    assert report.keys.unclaimed == 0
    assert indexed(stored, threads.own) == 0
    for thread in threads.others:
        assert flow.waits(thread)
        assert flow.resume(thread) == FINISHED


def test_a_finished_run_leaves_no_key_either(flow: Flow, stored: redis.Redis, threads: Threads) -> None:
    flow.begin(threads.own)
    flow.resume(threads.own)

    report = purge()

    assert set(stored.scan_iter(count=1000)) == set()
    assert report.keys.unclaimed == 0
    assert indexed(stored, threads.own) == 0


def test_a_purge_of_everything_takes_every_thread(flow: Flow, stored: redis.Redis, threads: Threads) -> None:
    for thread in (threads.own, *threads.others):
        flow.begin(thread)

    purge(mode="all", deals=())

    assert set(stored.scan_iter(count=1000)) == set()


def test_the_purged_thread_can_begin_anew(flow: Flow, stored: redis.Redis, threads: Threads) -> None:
    flow.begin(threads.own)
    purge()
    flow.ran.clear()

    flow.begin(threads.own)

    assert flow.resume(threads.own) == FINISHED
    assert flow.ran == STEPS


def test_a_second_purge_finds_what_a_late_writer_brought_back(
    flow: Flow, stored: redis.Redis, threads: Threads
) -> None:
    flow.begin(threads.own)
    write = flow.writer(threads.own)
    purge()

    write(3)

    late = keys_of(stored, threads.own)
    assert late
    assert purge(dry_run=True).keys.matched == len(late)
    assert purge().families["checkpoints"] == len(late)
    assert set(stored.scan_iter(count=1000)) == set()
    assert indexed(stored, threads.own) == 0


@pytest.mark.parametrize("pair", REDIS_SAVERS, indirect=True)
def test_of_ten_thousand_writes_none_is_left(flow: Flow, stored: redis.Redis, threads: Threads) -> None:
    flow.begin(threads.own)
    flow.writer(threads.own)(MANY)
    written = keys_of(stored, threads.own)
    assert len(written) > MANY
    assert indexed(stored, threads.own) > MANY

    report = purge()

    assert report.keys.deleted == len(written)
    assert set(stored.scan_iter(count=1000)) == set()
    assert indexed(stored, threads.own) == 0


def test_a_guarded_purge_spares_the_thread_of_a_deal_at_work(flow: Flow, stored: redis.Redis, threads: Threads) -> None:
    flow.begin(threads.own)
    touch(stored, "acme", "deal-1")
    before = content(stored)

    report = purge(exclude_active_within_secs=HOUR)

    assert [deal.deal_id for deal in report.skipped] == ["deal-1"]
    assert content(stored) == before
    assert flow.resume(threads.own) == FINISHED


def test_a_guarded_purge_takes_the_thread_of_an_idle_deal(flow: Flow, stored: redis.Redis, threads: Threads) -> None:
    flow.begin(threads.own)
    touch(stored, "acme", "deal-1", age=2 * HOUR)

    purge(exclude_active_within_secs=HOUR)

    assert set(stored.scan_iter(count=1000)) == set()


@pytest.mark.parametrize("pair", [REDIS_SAVERS[0]], indirect=True)
def test_threads_under_the_other_setting_stay_and_the_warning_names_it(
    flow: Flow, stored: redis.Redis, settings: Settings
) -> None:
    settings.DEALPURGE_CHECKPOINT_THREAD = "{deal_id}"
    flow.begin("acme:deal-1")
    touch(stored, "acme", "deal-1", age=2 * HOUR)

    report = purge(mode="all", deals=(), exclude_active_within_secs=HOUR)

    assert any("DEALPURGE_CHECKPOINT_THREAD" in warning for warning in report.warnings)
    assert flow.resume("acme:deal-1") == FINISHED


@pytest.mark.parametrize("pair", [REDIS_SAVERS[0]], indirect=True)
def test_a_saver_with_prefixes_of_its_own_is_one_setting(
    pair: tuple[str, str],
    saver_server: RedisServer,
    stored: redis.Redis,
    settings: Settings,
    opened: Callable[..., Flow],
) -> None:
    settings.DEALPURGE_KEY_FAMILIES = {
        "checkpoints": [
            *(prefix.format(thread="{deal_id}") for prefix in CHECKPOINT_PREFIXES),
            "synthesis:{deal_id}",
            "synthesis_latest:{deal_id}",
            "synthesis_write:{deal_id}",
        ]
    }
    flow = opened(checkpoint_prefix="synthesis", checkpoint_write_prefix="synthesis_write")
    flow.begin("deal-1")
    assert stored.keys("synthesis:*")
    purge(include_checkpoints=False)
    assert flow.waits("deal-1")

    purge()

    assert set(stored.scan_iter(count=1000)) == set()
