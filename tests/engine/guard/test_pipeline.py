from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import redis
from redis.connection import Connection

from dealpurge.engine import transaction
from dealpurge.engine.guard import lookahead, pipeline
from dealpurge.engine.pass_warnings import BROKEN_WARNING
from dealpurge.engine.sweep.tally import Tally
from dealpurge.exceptions import RedisUnavailable
from dealpurge.servers.connection import ServerConnection
from tests.support.purging import carry_out, purge
from tests.support.seeding import HOUR, existing, names, seed_deal, touch
from tests.support.servers import RedisServer, wait_until

pytestmark = pytest.mark.usefixtures("deal_settings")

#: Deals of 22 keys: five transactions, one behind the other.
DEALS, KEYS = 200, 22


@pytest.fixture(autouse=True, params=["one look", "looks ahead"])
def looks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "looks ahead":
        monkeypatch.setattr(lookahead, "JUDGED_AT_ONCE", 60)
    return str(request.param)


@pytest.fixture
def deals(redis_client: redis.Redis) -> dict[str, list[str]]:
    """Idle ones, by their ids."""
    ids = [f"d{number:03}" for number in range(DEALS)]
    return {deal: seed_deal(redis_client, "acme", deal, age=2 * HOUR, image_crops=KEYS - 2) for deal in ids}


def around_commit(
    monkeypatch: pytest.MonkeyPatch, *, before: Callable[[int], object] = id, after: Callable[[int], object] = id
) -> list[int]:
    """Let something happen before and after UNLINK and EXEC are sent; both get the number of the transaction. The
    sizes of all so far."""
    send, sizes = transaction.send_commit, list[int]()

    def sending(connection: ServerConnection, keys: list[bytes], packed: Sequence[bytes]) -> None:
        sizes.append(len(keys))
        before(len(sizes))
        send(connection, keys, packed)
        after(len(sizes))

    for module in (transaction, pipeline):
        monkeypatch.setattr(module, "send_commit", sending)
    return sizes


def test_a_transaction_is_opened_behind_the_one_under_way(
    deals: dict[str, list[str]], redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch, looks: str
) -> None:
    owed, send = list[int](), transaction.Opening.send

    def opening(connection: ServerConnection, keys: list[bytes], questions: list[Any]) -> Any:
        owed.append(connection.owed)
        return send(connection, keys, questions)

    monkeypatch.setattr(transaction.Opening, "send", opening)

    report = purge(exclude_active_within_secs=HOUR)

    assert (report.deals.purged, report.keys.deleted, redis_client.dbsize()) == (DEALS, DEALS * KEYS, 0)
    assert sum(number >= 2 for number in owed) >= 2  # the replies to UNLINK and EXEC
    assert set(owed) == {0, 2} if looks == "one look" else max(owed) > 2  # and those to a look


def test_a_deal_that_wakes_in_a_row_stays_whole_and_the_others_go(
    deals: dict[str, list[str]], redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken = ["d010", "d060", "d061", "d199"]

    def wake(number: int) -> None:
        if number <= len(woken):
            touch(redis_client, "acme", woken[number - 1])

    sizes = around_commit(monkeypatch, before=wake)
    report = purge(exclude_active_within_secs=HOUR)

    assert {key for deal in woken for key in deals[deal]} == names(redis_client)
    assert (report.deals.purged, report.deals.skipped_active) == (DEALS - len(woken), len(woken))
    assert (report.keys.deleted, report.keys.vanished) == ((DEALS - len(woken)) * KEYS, 0)
    assert len(sizes) > 5  # in halves


def test_keys_that_vanish_in_a_row_are_told_from_deleted_ones(
    deals: dict[str, list[str]], redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = [deals[deal][0] for deal in ("d010", "d060", "d110", "d199")]

    sizes = around_commit(monkeypatch, before=lambda number: redis_client.delete(*lost[number - 1 : number], "other"))
    report = purge(exclude_active_within_secs=HOUR)

    assert len(sizes) >= 4
    assert redis_client.dbsize() == 0
    assert report.keys.vanished == len(lost)
    assert report.keys.deleted == DEALS * KEYS - len(lost)
    assert report.deals.purged == DEALS


@pytest.mark.parametrize("lost", ["the request", "the reply"])
def test_a_connection_that_is_lost_with_a_transaction_under_way(
    deals: dict[str, list[str]], redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    def cut(number: int) -> None:
        if number == 3:
            redis_client.client_kill_filter(_type="normal", skipme=True)

    sizes = around_commit(monkeypatch, **{"before" if lost == "the request" else "after": cut})
    report = purge(exclude_active_within_secs=HOUR)

    assert redis_client.dbsize() == 0
    assert (report.status, report.deals.purged) == ("completed", DEALS)
    assert report.keys.deleted + report.keys.vanished == DEALS * KEYS
    assert report.keys.vanished in (0, sizes[2])  # whether Redis carried it out is not known
    assert BROKEN_WARNING in report.warnings


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_redis_deletes_when_the_row_ends_is_counted(
    deals: dict[str, list[str]], redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def end(number: int) -> None:
        if number == 3:
            raise error

    around_commit(monkeypatch, before=end)
    tally = Tally()

    with pytest.raises(error):
        carry_out(tally, exclude_active_within_secs=HOUR)

    assert tally.deleted == sum(tally.families.values()) == DEALS * KEYS - int(redis_client.dbsize()) > 0


def test_a_stop_reads_what_is_owed(
    deals: dict[str, list[str]], redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = around_commit(monkeypatch)

    report = purge(exclude_active_within_secs=HOUR, keep_going=lambda: len(sizes) < 3)

    assert report.status == "cancelled"
    assert report.keys.deleted == sum(sizes) == DEALS * KEYS - int(redis_client.dbsize())
    assert report.deals.purged == report.keys.deleted // KEYS


def test_keys_that_may_not_be_deleted_are_left_in_every_transaction_of_a_row(
    deals: dict[str, list[str]], redis_server: RedisServer, redis_client: redis.Redis, cache_at: Any
) -> None:
    rules = ("on", ">password", "+@all", "~canvas:session:*", "~canvas:events:*", "~canvas:image_crop:*")
    redis_client.execute_command("ACL", "SETUSER", "row", *rules)  # type: ignore[no-untyped-call]
    cache_at(f"redis://row:password@127.0.0.1:{redis_server.port}/0")
    locks = [f"canvas:lock:acme:{deal}" for deal in deals]
    try:
        report = purge(exclude_active_within_secs=HOUR)
    finally:
        redis_client.acl_deluser("row")

    assert existing(redis_client, locks) == DEALS == redis_client.dbsize()
    assert (report.status, report.keys.deleted, report.keys.not_removed) == ("partial", DEALS * (KEYS - 1), DEALS)


def purge_until_it_ends(window: int | None) -> Tally:
    """A purge that an exception of ours ends, and what it has counted."""
    tally = Tally()
    with pytest.raises((KeyboardInterrupt, RedisUnavailable)):
        carry_out(tally, exclude_active_within_secs=window)
    return tally


@pytest.mark.parametrize("window", [HOUR, None])
def test_an_interruption_while_redis_deletes_is_told(
    deals: dict[str, list[str]],
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    window: int | None,
) -> None:
    unlinks, read, send = list[bytes](), Connection.read_response, Connection.send_packed_command

    def sending(self: Connection, command: Any, *args: Any, **kwargs: Any) -> Any:
        unlinks.extend(piece for piece in command if b"UNLINK" in piece)
        return send(self, command, *args, **kwargs)  # type: ignore[no-untyped-call]

    def reading(self: Connection, *args: Any, **kwargs: Any) -> Any:
        if len(unlinks) == 4 and self.client_name != "test":  # as the handler of a signal does in recv()
            unlinks.append(b"")
            raise KeyboardInterrupt
        return read(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Connection, "send_packed_command", sending)
        patch.setattr(Connection, "read_response", reading)
        tally = purge_until_it_ends(window)

    wait_until(lambda: not strangers(redis_client), what="the end of the connections")
    gone = DEALS * KEYS - int(redis_client.dbsize())
    assert tally.deleted == gone or BROKEN_WARNING in tally.warnings
    assert tally.deleted < gone


def strangers(client: redis.Redis) -> list[str]:
    own = str(client.client_id())
    return [row["id"] for row in client.client_list(_type="normal") if row["id"] != own]


def test_what_is_answered_before_a_transaction_cannot_be_left_is_told(
    deals: dict[str, list[str]],
    redis_server: RedisServer,
    redis_client: redis.Redis,
    cache_at: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rules = ("on", ">password", "+@all", "-discard", "~*")
    redis_client.execute_command("ACL", "SETUSER", "row", *rules)  # type: ignore[no-untyped-call]
    cache_at(f"redis://row:password@127.0.0.1:{redis_server.port}/0")
    around_commit(monkeypatch, before=lambda number: redis_client.delete(deals["d099"][0]))
    try:
        tally = purge_until_it_ends(HOUR)
    finally:
        redis_client.acl_deluser("row")

    gone = DEALS * KEYS - 1 - int(redis_client.dbsize())
    assert gone > 0
    assert tally.deleted == gone or BROKEN_WARNING in tally.warnings
