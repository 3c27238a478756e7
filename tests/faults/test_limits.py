"""A purge with a limit whose server dies, is restarted or cuts connections: in the count, behind it, in the deletes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import redis

from dealpurge.engine.limits import Budget
from dealpurge.engine.sweep.tally import Tally
from dealpurge.exceptions import LimitExceeded
from dealpurge.servers import backoff
from tests.conftest import PointCacheAt
from tests.support.proxy import CuttingProxy, cut_every
from tests.support.purging import carry_out, report_of, run, while_deleting
from tests.support.seeding import HOUR, names, seed_scene
from tests.support.servers import RedisServer

pytestmark = pytest.mark.faults

DEALS = 1500
EXACT = {"at_most_deals": DEALS, "at_most_keys": DEALS * 6}
STOPPED = "Stopped before more keys than the limit of 9,000 went"
either = pytest.mark.parametrize("guarded", [False, True], ids=["sweep", "guarded"])


def while_counting(scanned: int, total: int, deleted: int) -> bool:
    """In the first pass, by which a sweep counts and a guarded purge plans."""
    return deleted == 0 and total // 6 < scanned < total // 3


@pytest.fixture
def behind_the_count(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Let something happen, once, when all is counted and nothing is deleted yet."""

    def let(happen: Callable[[], object]) -> None:
        check, happened = Budget.check, list[bool]()

        def check_then(self: Budget, deals: int, keys: int) -> None:
            check(self, deals, keys)
            if not happened:
                happened.append(True)
                happen()

        monkeypatch.setattr(Budget, "check", check_then)

    return let


def restarting(server: RedisServer) -> Callable[[], None]:
    """With the data of the last save."""

    def restart() -> None:
        server.kill()
        server.start()

    return restart


@either
def test_replaced_in_the_count(server: RedisServer, client: redis.Redis, guarded: bool) -> None:
    scene = seed_scene(client, deals=DEALS)
    client.save()

    outcome = run(restarting(server), when=while_counting, guarded=guarded, **EXACT)

    scene.assert_purged(client)
    assert (outcome.report.status, outcome.report.keys.deleted) == ("completed", DEALS * 6)


@either
def test_replaced_in_the_count_of_what_is_refused(server: RedisServer, client: redis.Redis, guarded: bool) -> None:
    scene = seed_scene(client, deals=DEALS)
    client.save()

    with pytest.raises(LimitExceeded, match=r"^1500 deals would go, 1 more than the limit of 1,499: "):
        run(restarting(server), when=while_counting, guarded=guarded, at_most_deals=DEALS - 1)

    assert names(client) == scene.all


@either
def test_replaced_behind_the_count(
    server: RedisServer, client: redis.Redis, behind_the_count: Any, guarded: bool
) -> None:
    """It is waited for as in the middle of any purge."""
    scene = seed_scene(client, deals=DEALS)
    client.save()
    behind_the_count(restarting(server))

    outcome = run(guarded=guarded, at_most_deals=DEALS, at_most_keys=DEALS * 6 + 1000)

    scene.assert_purged(client)
    assert (outcome.report.status, outcome.report.keys.deleted) == ("completed", DEALS * 6)


@either
def test_back_only_after_a_while_behind_the_count(
    server: RedisServer,
    client: redis.Redis,
    behind_the_count: Any,
    guarded: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who counted has met it: it is not one that is down from the start."""
    monkeypatch.setattr(backoff, "FIRST_SECONDS", 0)
    scene = seed_scene(client, deals=DEALS)
    client.save()
    behind_the_count(server.kill)
    asked = list[bool]()

    def keep_going() -> bool:
        if server.process is None:
            asked.append(True)
            if len(asked) == 3:
                server.start()
        return True

    tally = Tally()
    options: dict[str, Any] = {"exclude_active_within_secs": HOUR if guarded else None, "at_most_deals": DEALS}
    carry_out(tally, keep_going=keep_going, **options)

    scene.assert_purged(client)


@either
def test_more_deals_came_with_the_server_that_took_over(
    server: RedisServer, client: redis.Redis, behind_the_count: Any, guarded: bool
) -> None:
    """What is counted no more is held by what was deleted."""
    scene = seed_scene(client, deals=DEALS)
    client.save()
    client.delete(*(key for key in scene.mine if int(re.findall("deal-([0-9]+)", key)[0]) % 2))
    behind_the_count(restarting(server))

    tally = Tally()
    options: dict[str, Any] = {"exclude_active_within_secs": HOUR if guarded else None, "at_most_deals": DEALS // 2}
    with pytest.raises(LimitExceeded):
        carry_out(tally, **options)

    assert report_of(tally, failed=True).keys.deleted <= DEALS // 2 * 6
    assert len(names(client)) >= DEALS // 2 * 6


@either
def test_replaced_in_the_deletes(server: RedisServer, client: redis.Redis, guarded: bool) -> None:
    """What was deleted and is there again counts twice: the limit is one of keys that go, whatever comes back."""
    scene = seed_scene(client, deals=DEALS)
    client.save()

    with pytest.raises(LimitExceeded, match=STOPPED):
        run(restarting(server), when=while_deleting, guarded=guarded, at_most_keys=DEALS * 6)

    assert scene.foreign <= names(client)


@either
def test_nothing_is_called_refused_of_which_some_is_deleted(
    server: RedisServer, client: redis.Redis, guarded: bool
) -> None:
    """By the server that took over more would go than the limit, but then it is too late to refuse."""
    seed_scene(client, deals=DEALS)
    client.save()

    def replace_with_more() -> None:
        restarting(server)()
        client.mset({f"canvas:lock:new:new-{number}": "x" for number in range(DEALS + 1)})

    with pytest.raises(LimitExceeded, match=r"^Stopped before more deals than the limit of 1,500 went"):
        run(replace_with_more, when=while_deleting, guarded=guarded, at_most_deals=DEALS)


@either
def test_replaced_in_the_deletes_with_room_for_it(server: RedisServer, client: redis.Redis, guarded: bool) -> None:
    scene = seed_scene(client, deals=DEALS)
    client.save()

    run(restarting(server), when=while_deleting, guarded=guarded, at_most_keys=DEALS * 12, at_most_deals=DEALS)

    scene.assert_purged(client)


@either
@pytest.mark.parametrize("every", [1_000, 7_777, 31_313])
def test_a_cut_connection_takes_nothing_twice(
    server: RedisServer,
    client: redis.Redis,
    cache_at: PointCacheAt,
    monkeypatch: pytest.MonkeyPatch,
    every: int,
    guarded: bool,
) -> None:
    """The replies that are owed are those of keys that were sent once, and are sent again."""
    monkeypatch.setattr(backoff, "LONGEST_WAIT", 0.1)
    scene = seed_scene(client, deals=DEALS, active_every=5 if guarded else 0)
    with CuttingProxy(server.address, cut_every(every, 20)) as proxy:
        cache_at(proxy.url)
        outcome = run(guarded=guarded, at_most_keys=len(scene.mine), at_most_deals=len(scene.mine) // 6)
        assert proxy.cuts > 15

    scene.assert_purged(client)
    assert outcome.report.keys.deleted + outcome.report.keys.vanished == len(scene.mine)
