"""Deletes that were carried out and not answered: whether they were is not known, so what went stays in the archive."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

import pytest
import redis
from pytest_django.fixtures import Settings

from dealpurge.engine import transaction
from dealpurge.engine.archive import archived_sweep, removal
from dealpurge.engine.archive.check import Compared
from dealpurge.engine.archive.entries import Entries
from dealpurge.servers import backoff
from dealpurge.servers.connection import ServerConnection
from tests.support.archiving import MemoryKeeper, load, purge_into, snapshot
from tests.support.seeding import key_of
from tests.support.servers import RedisServer

KEYS = [key_of("locks", "acme", f"deal-{number}").encode() for number in range(20)]
FIRST = KEYS[0]


@pytest.fixture(autouse=True)
def _soon(settings: Settings) -> None:
    settings.DEALPURGE_RETRY_SECONDS = 2


@pytest.fixture
def seeded(server: redis.Redis) -> redis.Redis:
    for key in KEYS:
        server.set(key, b"as it was")
    return server


def nothing() -> None:
    """Happens."""


@pytest.fixture
def answers_lost(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Have the connection end behind an EXEC, the first time, or in front of it; what happens ``then``, and what
    does in front of the next one."""

    def lose(
        then: Callable[[], object] = nothing, *, before_next: Callable[[], object] = nothing, carried_out: bool = True
    ) -> None:
        sent, send_commit = list[Sequence[bytes]](), transaction.send_commit

        def losing(connection: ServerConnection, keys: list[bytes], packed: Sequence[bytes]) -> None:
            sent.append(keys)
            if len(sent) == 2:
                before_next()
            if carried_out or len(sent) > 1:
                send_commit(connection, keys, packed)
            if len(sent) == 1:
                if carried_out:
                    connection.read_all(2)
                then()
                raise redis.ConnectionError("Connection closed by server.")

        for module in (removal, transaction):
            monkeypatch.setattr(module, "send_commit", losing)

    return lose


def archived(keeper: MemoryKeeper, other: RedisServer) -> dict[bytes, bytes]:
    """What loading gives back of strings."""
    load(keeper.data, other)
    with other.client() as loaded:
        return {key: value for key, (_, value, _) in snapshot(loaded).items()}


def test_what_went_without_an_answer_stays_archived(
    seeded: redis.Redis, other: RedisServer, keeper: MemoryKeeper, answers_lost: Callable[..., None]
) -> None:
    answers_lost()

    tally = purge_into(keeper)

    assert archived(keeper, other) == dict.fromkeys(KEYS, b"as it was")
    assert (seeded.dbsize(), tally.deleted + tally.vanished) == (0, len(KEYS))


def test_what_did_not_go_is_deleted_and_archived_once(
    seeded: redis.Redis, keeper: MemoryKeeper, answers_lost: Callable[..., None]
) -> None:
    answers_lost(carried_out=False)

    tally = purge_into(keeper)

    assert sorted(keeper.keys) == sorted(KEYS)
    assert (seeded.dbsize(), tally.deleted) == (0, len(KEYS))


def test_what_came_back_before_it_was_looked_at_again(
    seeded: redis.Redis, other: RedisServer, keeper: MemoryKeeper, answers_lost: Callable[..., None]
) -> None:
    """The value that went is in the archive, and the one that came is not lost to it."""
    answers_lost(lambda: seeded.set(FIRST, b"new"))

    tally = purge_into(keeper)

    assert archived(keeper, other) == dict.fromkeys(KEYS, b"as it was")
    assert seeded.get(FIRST) == b"new"
    assert (seeded.dbsize(), tally.not_removed) == (1, 1)


def test_what_went_stays_archived_when_the_next_try_is_aborted(
    seeded: redis.Redis, other: RedisServer, keeper: MemoryKeeper, answers_lost: Callable[..., None]
) -> None:
    """Of one that came back as it was, and was written once more in front of EXEC."""
    answers_lost(lambda: seeded.set(FIRST, b"as it was"), before_next=lambda: seeded.set(FIRST, b"new"))

    purge_into(keeper)

    assert archived(keeper, other).keys() == set(KEYS)


@pytest.mark.parametrize("on_full", ["stop", "unchecked"])
def test_what_went_stays_archived_when_the_next_try_is_refused(
    seeded: redis.Redis,
    other: RedisServer,
    keeper: MemoryKeeper,
    answers_lost: Callable[..., None],
    settings: Settings,
    on_full: str,
) -> None:
    """Up to 7.0 a full server takes no transaction."""
    settings.DEALPURGE_ARCHIVE_ON_FULL = on_full
    answers_lost(lambda: seeded.set(FIRST, b"as it was") and seeded.config_set("maxmemory", 1))

    try:
        tally = purge_into(keeper)
    finally:
        seeded.config_set("maxmemory", 0)

    left = snapshot(seeded)
    assert archived(keeper, other).keys() | left.keys() == set(KEYS)
    assert left.keys() <= {FIRST}
    assert tally.not_removed == len(left)


@pytest.mark.parametrize("carried_out", [True, False])
def test_a_key_by_itself_is_archived_once(
    seeded: redis.Redis,
    other: RedisServer,
    keeper: MemoryKeeper,
    answers_lost: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    carried_out: bool,
) -> None:
    monkeypatch.setattr("dealpurge.engine.archive.archived_sweep.MOST_CHANGES", 1)
    changed = list[bytes]()

    def compare(reader: object, entries: Entries, replies: object) -> Compared:
        changed.extend(entries.keys)
        return Compared(changed=entries)

    monkeypatch.setattr(removal, "compare", compare)
    answers_lost(carried_out=carried_out)

    purge_into(keeper)

    assert sorted(changed) == sorted(KEYS)
    assert archived(keeper, other) == dict.fromkeys(KEYS, b"as it was")
    assert sorted(keeper.keys) == sorted(KEYS)
    assert seeded.dbsize() == 0


def test_a_connection_for_the_archive_is_tried_as_long_as_any_other(
    seeded: redis.Redis, keeper: MemoryKeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server was reached before, so it is no address that never answered."""
    monkeypatch.setattr(backoff, "FIRST_SECONDS", 0.0)
    open_, losses = ServerConnection.connect, iter(["once"])

    def connect(connection: ServerConnection) -> None:
        if archived_sweep.ArchivedSweep.open.__code__ in {frame.frame.f_code for frame in inspect.stack()}:
            for loss in losses:
                raise redis.ConnectionError(loss)
        open_(connection)

    monkeypatch.setattr(ServerConnection, "connect", connect)

    purge_into(keeper)

    assert seeded.dbsize() == 0
    assert sorted(keeper.keys) == sorted(KEYS)
