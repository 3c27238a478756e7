"""What the database knows of a purge while it goes on, and once it cannot be written any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from typing import Any

import pytest
import redis
from django.db import OperationalError, connection
from pytest_django.fixtures import Settings

from dealpurge import services
from dealpurge.engine import transaction
from dealpurge.engine.guard import lookahead, pipeline
from dealpurge.exceptions import RedisUnavailable, RunLost
from dealpurge.models import PurgeRun, PurgeRunDeal
from dealpurge.runs import record, retry
from dealpurge.servers.discovery import Standalone
from dealpurge.services import Progress
from tests.conftest import PointCacheAt, start_server
from tests.support.databases import locked_database, seen_by_others
from tests.support.purging import before_removal
from tests.support.seeding import HOUR, names, seed_deal

pytestmark = pytest.mark.django_db(transaction=True)

DEALS, KEYS_A_DEAL = 100, 20
KEYS = DEALS * KEYS_A_DEAL
ALL: dict[str, Any] = {"mode": "all", "dry_run": False}
GUARDED = ALL | {"exclude_active_within_secs": HOUR}


@pytest.fixture
def client(valkey_settings: Settings, valkey_client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> redis.Redis:
    """Keys of a hundred deals, small pages, small looks, and a record that is written at each of them."""
    valkey_settings.DEALPURGE_SCAN_COUNT = 20
    monkeypatch.setattr(record, "HEARTBEAT_SECONDS", 0)
    monkeypatch.setattr(lookahead, "JUDGED_AT_ONCE", 10)
    for number in range(DEALS):
        seed_deal(valkey_client, "acme", f"d{number:03}", age=2 * HOUR, locks=0, image_crops=KEYS_A_DEAL - 1)
    return valkey_client


def keys_left(client: redis.Redis) -> Counter[str]:
    """By deal."""
    return Counter(name.split(":")[3] for name in names(client))


def written() -> dict[str, str]:
    """The rows of deals as others see them, and their outcomes."""
    return dict(seen_by_others("SELECT deal_id, outcome FROM dealpurge_purgerundeal"))


@pytest.mark.parametrize("options", [ALL, GUARDED], ids=["sweep", "guarded"])
def test_whatever_lost_keys_by_the_last_page_is_in_the_database(client: redis.Redis, options: dict[str, Any]) -> None:
    every_deal = {f"d{number:03}" for number in range(DEALS)}
    lost_before, outcomes = set[str](), set[str]()

    def observer(progress: Progress) -> bool:
        nonlocal lost_before
        rows, left = written(), keys_left(client)
        assert lost_before <= rows.keys()
        assert not any(left[deal] for deal, outcome in rows.items() if outcome == "purged")
        outcomes.update(rows.values())
        lost_before = {deal for deal in every_deal if left[deal] < KEYS_A_DEAL}
        return True

    services.purge_deals(**options, observer=observer)

    assert outcomes == {"purged" if options is GUARDED else "interrupted"}
    assert Counter(written().values()) == {"purged": DEALS}


@pytest.mark.parametrize("options", [ALL, GUARDED], ids=["sweep", "guarded"])
def test_a_dry_run_writes_what_would_be_and_never_what_was(client: redis.Redis, options: dict[str, Any]) -> None:
    services.purge_deals(**options | {"dry_run": True})

    assert Counter(written().values()) == {"would_be_purged": DEALS}


def test_a_deal_that_goes_in_pieces_is_interrupted_until_its_last_one(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.flushdb()
    seed_deal(client, "acme", "large", age=2 * HOUR, image_crops=3500)
    seen = list[dict[str, str]]()

    with before_removal(monkeypatch, lambda keys: seen.append(written())):
        services.purge_deals(**GUARDED)

    assert seen == [{}, *([{"large": "interrupted"}] * (len(seen) - 1))]
    assert len(seen) == 5
    assert written() == {"large": "purged"}


def test_the_keys_of_deals_that_are_written_down_are_counted(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "HEARTBEAT_SECONDS", HOUR)
    seed_deal(client, "acme", "d015", age=0)
    seen = list[tuple[int, int]]()

    def look(keys: list[bytes]) -> None:
        ((deleted,),) = seen_by_others("SELECT keys_deleted FROM dealpurge_purgerun")
        seen.append((len([outcome for outcome in written().values() if outcome == "purged"]), deleted))

    with before_removal(monkeypatch, look):
        services.purge_deals(**GUARDED)

    assert seen[0] == (0, 0)
    assert seen[-1][0] > 0
    assert all(deleted == deals * KEYS_A_DEAL for deals, deleted in seen)


@pytest.fixture
def lock() -> Iterator[ExitStack]:
    """Locks the database once it is told to."""
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("options", [ALL, GUARDED], ids=["sweep", "guarded"])
def test_nothing_more_is_deleted_until_it_can_be_written(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch, lock: ExitStack, options: dict[str, Any]
) -> None:
    monkeypatch.setattr(record, "BEHIND_SECONDS", 0)
    left = list[int]()

    def observer(progress: Progress) -> bool:
        if left or progress.deleted > KEYS // 4:
            left.append(int(client.dbsize()))
        if len(left) == 1:
            lock.enter_context(locked_database())
        if len(left) == 8:
            lock.close()
        return True

    report = services.purge_deals(**options, observer=observer)

    # What was sent before is carried out, and nothing behind it.
    assert left[2:8] == [left[2]] * 6
    assert left[2] > KEYS // 4
    assert (report.status, report.keys.deleted) == ("completed", KEYS)
    assert Counter(written().values()) == {"purged": DEALS}


def test_a_lock_for_good_ends_the_run_with_what_was_done(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch, lock: ExitStack
) -> None:
    monkeypatch.setattr(record, "BEHIND_SECONDS", 0)
    monkeypatch.setattr(retry, "RETRY_FOR_SECONDS", 0.3)

    def observer(progress: Progress) -> bool:
        if progress.deleted > KEYS // 4 and not locked:
            locked.append(lock.enter_context(locked_database()))
        return True

    locked = list[None]()
    with pytest.raises(RunLost) as caught:
        services.purge_deals(**ALL, observer=observer)
    lock.close()

    run = PurgeRun.objects.get()
    assert caught.value.report.keys.deleted == KEYS - client.dbsize()
    assert KEYS // 4 < caught.value.report.keys.deleted < KEYS // 2
    assert 0 < run.keys_deleted <= caught.value.report.keys.deleted
    assert set(written().values()) == {"interrupted"}
    assert run.status == "running"


def fill_disk() -> None:
    """The database grows no further, and has no room left."""
    with connection.cursor() as cursor, suppress(OperationalError):
        cursor.execute("CREATE TABLE IF NOT EXISTS filling (bytes BLOB)")
        cursor.execute("PRAGMA max_page_count = 1")  # which is taken as the pages that there are
        while True:
            cursor.execute("INSERT INTO filling VALUES (zeroblob(1000))")


@pytest.mark.skipif(connection.vendor != "sqlite", reason="no other database can be told how large it may be")
def test_a_full_disk_stops_the_run(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(KEYS):  # more than there is room for on the last pages
        client.set(f"canvas:lock:initech:{number}", "x")
    monkeypatch.setattr(record, "BEHIND_SECONDS", 0)
    monkeypatch.setattr(retry, "RETRY_FOR_SECONDS", 0.3)

    def observer(progress: Progress) -> bool:
        if progress.deleted > KEYS // 10:
            fill_disk()
        return True

    try:
        with pytest.raises(RunLost) as caught:
            services.purge_deals(**ALL, observer=observer)
        assert str(caught.value.__cause__) == "database or disk is full"
    finally:
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE filling")

    assert KEYS // 10 < caught.value.report.keys.deleted < KEYS
    assert caught.value.report.keys.deleted == 2 * KEYS - client.dbsize()
    assert set(written().values()) == {"interrupted"}


@pytest.mark.parametrize("large", [False, True])
def test_deals_of_which_nobody_knows_whether_they_went_are_interrupted(
    settings: Settings,
    tmp_path_factory: pytest.TempPathFactory,
    cache_at: PointCacheAt,
    monkeypatch: pytest.MonkeyPatch,
    large: bool,
) -> None:
    settings.DEALPURGE_RETRY_SECONDS = 0.2
    server = start_server("valkey", tmp_path_factory.mktemp("server"))
    cache_at(server.url)
    with closing(server.client()) as client:
        for number in range(4):
            seed_deal(client, "acme", f"d{number}", age=2 * HOUR, image_crops=1500 if large else 400)
    send, sent = transaction.send_commit, list[int]()

    def last_words(*arguments: Any) -> None:
        sent.append(1)
        if len(sent) == 2:
            server.pause()
        send(*arguments)
        if len(sent) == 2:
            server.kill()

    for module in (pipeline, transaction):
        monkeypatch.setattr(module, "send_commit", last_words)
    with pytest.raises(RedisUnavailable):
        services.purge_deals(**GUARDED)

    report = PurgeRun.objects.get().report
    assert report is not None
    purged = [] if large else ["d0", "d1"]
    expected = dict.fromkeys(purged, "purged") | dict.fromkeys(["d0"] if large else ["d2", "d3"], "interrupted")
    assert written() == expected
    assert report["deals"]["interrupted"] == Counter(expected.values())["interrupted"]


def test_deals_of_which_nobody_knows_are_in_the_database_while_redis_is_waited_for(
    settings: Settings,
    tmp_path_factory: pytest.TempPathFactory,
    cache_at: PointCacheAt,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.DEALPURGE_RETRY_SECONDS = 0.5
    monkeypatch.setattr(record, "HEARTBEAT_SECONDS", 0)
    server = start_server("valkey", tmp_path_factory.mktemp("server"))
    cache_at(server.url)
    with closing(server.client()) as client:
        seed_deal(client, "acme", "d0", age=2 * HOUR)
    send, seen = transaction.send_commit, list[dict[str, str]]()

    def last_words(*arguments: Any) -> None:
        server.pause()
        send(*arguments)
        server.kill()

    def observer(progress: Progress) -> bool:
        seen.append(written())
        return True

    for module in (pipeline, transaction):
        monkeypatch.setattr(module, "send_commit", last_words)
    with pytest.raises(RedisUnavailable):
        services.purge_deals(**GUARDED, observer=observer)

    assert seen[-1] == {"d0": "interrupted"}


@pytest.mark.parametrize("everything", [False, True])
def test_keys_without_an_organisation_of_an_id_that_others_hold_are_in_the_database(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch, everything: bool
) -> None:
    monkeypatch.setattr(lookahead, "JUDGED_AT_ONCE", 1)
    client.flushdb()
    for number in range(4):
        seed_deal(client, "", f"a{number}", checkpoints=3, locks=0, image_crops=0)
        for org_id in ("zenith", "zorro") if everything else ("zorro",):
            seed_deal(client, org_id, f"a{number}", age=2 * HOUR)
    scope: dict[str, Any] = {"deals": [("zenith", f"a{number}") for number in range(4)], "mode": "by_deal"}
    seen = list[list[Any]]()

    def observer(progress: Progress) -> bool:
        seen.append(seen_by_others("SELECT org_id, deal_id, outcome FROM dealpurge_purgerundeal"))
        return True

    services.purge_deals(**GUARDED | ({} if everything else scope), include_checkpoints=True, observer=observer)

    assert any((None, "a0", "purged") in rows for rows in seen)
    assert written() == {f"a{number}": "purged" for number in range(4)}
    assert PurgeRunDeal.objects.filter(org_id=None).count() == (0 if everything else 4)


@pytest.mark.parametrize("holders", [("zenith",), ("zenith", "zorro")])
def test_of_a_run_that_is_stopped_all_have_rows_that_lost_keys_and_no_others(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch, holders: Sequence[str]
) -> None:
    monkeypatch.setattr(lookahead, "JUDGED_AT_ONCE", 1)
    client.flushdb()
    for number in range(6):
        seed_deal(client, "", f"a{number}", checkpoints=3, locks=0, image_crops=0)
        for org_id in holders:
            seed_deal(client, org_id, f"a{number}", age=2 * HOUR)
    before = names(client)

    report = services.purge_deals(**GUARDED, include_checkpoints=True, observer=lambda progress: progress.deleted < 6)

    gone = before - names(client)
    assert report.status == "cancelled"
    assert 0 < len(gone) < len(before)
    assert written().keys() == {f"a{number}" for number in range(6) if any(f":a{number}:" in name for name in gone)}


def test_a_deal_that_woke_up_behind_its_purge_is_interrupted(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    layouts = iter(["as it was", "reshaped", "reshaped", "reshaped"])

    def layout(*arguments: Any) -> str:
        if not client.dbsize():
            seed_deal(client, "acme", "d000", age=0)
        return next(layouts)

    monkeypatch.setattr(Standalone, "layout", layout)

    report = services.purge_deals(**GUARDED)

    assert written() == {f"d{number:03}": "interrupted" if number == 0 else "purged" for number in range(DEALS)}
    assert (report.deals.interrupted, report.deals.purged) == (1, DEALS - 1)
