"""As ``test_lost_replies``, with a guard: somebody may write a deal's keys again before it is known that they went."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import redis
from pytest_django.fixtures import Settings

from dealpurge.engine import transaction
from dealpurge.engine.guard import pipeline
from dealpurge.engine.guard.archived.delete import ArchivedDelete
from dealpurge.servers.connection import ServerConnection
from tests.support.archiving import MemoryKeeper, load, purge_into, snapshot
from tests.support.purging import report_of
from tests.support.seeding import HOUR, key_of, seed_deal, touch
from tests.support.servers import RedisServer

GUARD: dict[str, Any] = {"exclude_active_within_secs": HOUR}
CROPS = [key_of("image_crops", "acme", "1", number) for number in range(700)]


@pytest.fixture(autouse=True)
def _soon(settings: Settings) -> None:
    settings.DEALPURGE_RETRY_SECONDS = 2


@pytest.fixture
def answer_lost(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], object]], None]:
    """Have the connection end behind the first EXEC, and something happen then."""

    def lose(then: Callable[[], object]) -> None:
        sent, send_commit = list[object](), transaction.send_commit

        def losing(connection: ServerConnection, keys: list[bytes], packed: Sequence[bytes]) -> None:
            sent.append(keys)
            send_commit(connection, keys, packed)
            if len(sent) == 1:
                connection.read_all(2)
                then()
                raise redis.ConnectionError("Connection closed by server.")

        for module in (pipeline, transaction):
            monkeypatch.setattr(module, "send_commit", losing)

    return lose


def assert_kept(keeper: MemoryKeeper, before: dict[bytes, Any], client: redis.Redis, other: RedisServer) -> None:
    """Whatever there was is in the archive as it was, and once, or in Redis as it was."""
    there = snapshot(client)
    load(keeper.data, other)
    with other.client() as loaded:
        archived = snapshot(loaded)
    assert {key for key, value in before.items() if value not in (there.get(key), archived.get(key))} == set()
    assert sorted(set(keeper.keys)) == sorted(keeper.keys)


def test_what_went_of_a_large_deal_stays_archived_when_a_key_comes_back(
    server: redis.Redis,
    other: RedisServer,
    keeper: MemoryKeeper,
    answer_lost: Callable[[Callable[[], object]], None],
) -> None:
    seed_deal(server, "acme", "1", age=2 * HOUR)
    for key in CROPS:
        server.set(key, "as it was")
    before = snapshot(server)

    def come_back() -> None:
        gone = next(key for key in sorted(before) if not server.exists(key))
        server.set(gone, "new")

    answer_lost(come_back)

    tally = purge_into(keeper, **GUARD)

    assert_kept(keeper, before, server, other)
    (left,) = server.keys()
    assert server.get(left) == b"new"
    assert (tally.deleted + tally.vanished, tally.not_removed) == (len(before) - 1, 1)


def test_what_went_of_a_deal_stays_archived_when_a_key_comes_back(
    server: redis.Redis,
    other: RedisServer,
    keeper: MemoryKeeper,
    answer_lost: Callable[[Callable[[], object]], None],
) -> None:
    for number in range(5):
        seed_deal(server, "acme", f"{number}", age=2 * HOUR)
    before, key = snapshot(server), key_of("image_crops", "acme", "1")
    answer_lost(lambda: server.set(key, "new"))

    tally = purge_into(keeper, **GUARD)

    assert_kept(keeper, before, server, other)
    assert server.keys() == [key.encode()]
    assert (tally.deleted + tally.vanished, tally.not_removed) == (len(before) - 1, 1)


def test_what_went_of_a_deal_stays_archived_when_somebody_begins_to_work_on_it(
    server: redis.Redis,
    other: RedisServer,
    keeper: MemoryKeeper,
    answer_lost: Callable[[Callable[[], object]], None],
) -> None:
    for number in range(5):
        seed_deal(server, "acme", f"{number}", age=2 * HOUR)
    before = snapshot(server)
    answer_lost(lambda: touch(server, "acme", "1"))

    tally = purge_into(keeper, **GUARD)

    assert_kept(keeper, before, server, other)
    assert server.keys() == [key_of("events", "acme", "1").encode()]
    assert report_of(tally).deals.purged == 4


def test_what_went_stays_archived_where_a_signal_comes_before_it_is_counted(
    server: redis.Redis, other: RedisServer, keeper: MemoryKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed_deal(server, "acme", "1", age=2 * HOUR)
    for key in CROPS:
        server.set(key, "as it was")
    before = snapshot(server)

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ArchivedDelete, "_record", interrupted)

    with pytest.raises(KeyboardInterrupt):
        purge_into(keeper, **GUARD)

    assert server.dbsize() < len(before)
    assert_kept(keeper, before, server, other)
