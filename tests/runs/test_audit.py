"""Written down first: on a real server and a real database, whatever goes wrong with either."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.db import connection, connections, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from pytest_django.fixtures import Settings

from dealpurge import services
from dealpurge.engine.sweep import reporting
from dealpurge.exceptions import AuditUnavailable
from dealpurge.execution import purge as execution
from dealpurge.models import PurgeRun, PurgeRunDeal
from dealpurge.runs import record
from dealpurge.servers.connection import ServerConnection
from dealpurge.services import Progress
from tests.support.databases import locked_database, read_only_database, seen_by_others
from tests.support.seeding import seed_deal

pytestmark = pytest.mark.django_db(transaction=True)

KEYS = 2_000
ALL: dict[str, Any] = {"mode": "all", "dry_run": False}


@pytest.fixture
def deals(valkey_settings: Settings, valkey_client: redis.Redis) -> redis.Redis:
    """Keys of a hundred deals."""
    for number in range(100):
        seed_deal(valkey_client, "acme", f"deal-{number}", locks=0, image_crops=KEYS // 100)
    return valkey_client


@pytest.fixture
def rows_at_first_unlink(monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    """What a second database connection read at the moment when the first UNLINK went out."""
    seen: list[list[Any]] = []
    send, send_all = ServerConnection.send, ServerConnection.send_all

    def look(*commands: Any) -> None:
        if not seen and any(command[0] == "UNLINK" for command in commands):
            seen.append(seen_by_others("SELECT status, dry_run FROM dealpurge_purgerun"))

    def spy_send(connection: ServerConnection, *command: Any) -> None:
        look(command)
        send(connection, *command)

    def spy_send_all(connection: ServerConnection, commands: Any) -> int:
        look(*commands)
        return send_all(connection, commands)

    monkeypatch.setattr(ServerConnection, "send", spy_send)
    monkeypatch.setattr(ServerConnection, "send_all", spy_send_all)
    return seen


# A host whose requests are transactions


def careless(request: HttpRequest) -> HttpResponse:
    services.purge_deals(**ALL, source="api")
    return HttpResponse("done")


@transaction.non_atomic_requests
def careful(request: HttpRequest) -> HttpResponse:
    return careless(request)


@transaction.non_atomic_requests
def broken(request: HttpRequest) -> HttpResponse:
    services.purge_deals(**ALL, source="api")
    raise ValueError("a bug of the host")


urlpatterns = [path(view.__name__, view) for view in (careless, careful, broken)]


@pytest.fixture
def atomic_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)


@pytest.fixture
def client_of_host(settings: Settings, atomic_requests: None) -> Client:
    settings.ROOT_URLCONF = __name__
    return Client(raise_request_exception=False)


def test_others_see_the_row_before_the_first_unlink(
    deals: redis.Redis, client_of_host: Client, rows_at_first_unlink: list[Any]
) -> None:
    assert client_of_host.get("/careful").content == b"done"

    assert rows_at_first_unlink == [[("running", 0)]]
    assert deals.dbsize() == 0


def test_others_see_the_row_of_an_api_call_before_the_first_unlink(
    deals: redis.Redis,
    atomic_requests: None,
    rows_at_first_unlink: list[Any],
    purger: User,
    bearer: Callable[[User], dict[str, str]],
) -> None:
    body = {"mode": "all", "dry_run": False}

    response = Client().post(
        "/api/superadmin/purge_deals", body, content_type="application/json", headers=bearer(purger)
    )

    assert response.json()["keys"]["deleted"] == KEYS
    assert rows_at_first_unlink == [[("running", 0)]]


def test_the_row_survives_a_500(deals: redis.Redis, client_of_host: Client) -> None:
    assert client_of_host.get("/broken").status_code == 500

    run = PurgeRun.objects.get()
    assert (run.status, run.keys_deleted) == ("completed", KEYS)


def test_a_view_that_is_a_transaction_purges_nothing(deals: redis.Redis, client_of_host: Client) -> None:
    assert client_of_host.get("/careless").status_code == 500

    assert deals.dbsize() == KEYS
    assert not PurgeRun.objects.exists()


# Trouble with the database


@pytest.mark.parametrize("trouble", [read_only_database, locked_database])
def test_nothing_is_purged_that_cannot_be_written_down(deals: redis.Redis, trouble: Callable[[], Any]) -> None:
    with trouble(), pytest.raises(AuditUnavailable):
        services.purge_deals(**ALL)

    assert deals.dbsize() == KEYS


def test_nothing_is_purged_where_the_table_is_missing(deals: redis.Redis) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE dealpurge_purgerun RENAME TO elsewhere")
    try:
        with pytest.raises(AuditUnavailable):
            services.purge_deals(**ALL)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO dealpurge_purgerun")

    assert deals.dbsize() == KEYS


def test_a_database_that_is_locked_meanwhile_does_not_stop_a_purge(
    deals: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEALPURGE_SCAN_COUNT = 10
    monkeypatch.setattr(record, "HEARTBEAT_SECONDS", 0)
    lock = locked_database()
    pages = 0

    def observer(progress: Progress) -> bool:
        nonlocal pages
        pages += 1
        if pages == 3:
            lock.__enter__()
        if pages == 50:
            lock.__exit__(None, None, None)
        return True

    report = services.purge_deals(**ALL, observer=observer)

    assert pages > 50
    assert (report.status, report.keys.deleted) == ("completed", KEYS)
    assert PurgeRun.objects.get().status == "completed"


def test_progress_is_written_while_it_goes_on(
    deals: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEALPURGE_SCAN_COUNT = 10
    monkeypatch.setattr(record, "HEARTBEAT_SECONDS", 0)
    seen: list[int] = []

    def observer(progress: Progress) -> bool:
        ((total, scanned, deleted),) = seen_by_others(
            "SELECT keys_total, keys_scanned, keys_deleted FROM dealpurge_purgerun"
        )
        assert total == KEYS or not scanned
        assert deleted <= scanned <= total
        seen.append(deleted)
        return True

    services.purge_deals(**ALL, observer=observer)

    assert seen == sorted(seen)
    assert len(set(seen)) > KEYS // 50


def test_a_cancellation_is_heard_at_the_next_page(
    deals: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEALPURGE_SCAN_COUNT = 10
    monkeypatch.setattr(record, "HEARTBEAT_SECONDS", 0)

    def observer(progress: Progress) -> bool:
        if progress.deleted >= KEYS // 2:
            services.cancel(PurgeRun.objects.get().pk)
        return True

    report = services.purge_deals(**ALL, observer=observer)

    run = PurgeRun.objects.get()
    assert (report.status, run.status, run.cancel_requested) == ("cancelled", "cancelled", True)
    assert report.keys.deleted == run.keys_deleted == KEYS - deals.dbsize()
    assert KEYS // 2 <= report.keys.deleted < KEYS * 3 // 4


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_no_deal_is_purged_by_the_record_that_has_keys_left(
    deals: redis.Redis, settings: Settings, error: type[BaseException] | None
) -> None:
    settings.DEALPURGE_SCAN_COUNT = 10

    def observer(progress: Progress) -> bool:
        if error and progress.deleted >= KEYS // 2:
            raise error
        return progress.deleted < KEYS // 2

    with pytest.raises(error) if error else nullcontext():
        services.purge_deals(**ALL, observer=observer)

    report = PurgeRun.objects.get().report
    rows = Counter(PurgeRunDeal.objects.values_list("outcome", flat=True))
    assert report is not None
    assert rows == {"interrupted": report["deals"]["matched"]}
    assert (report["deals"]["purged"], report["deals"]["interrupted"]) == (0, rows["interrupted"])


def test_an_interruption_while_the_report_is_made_ends_the_run(
    deals: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = reporting.report_of

    def interrupted(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(execution, "report_of", make)
        raise KeyboardInterrupt

    monkeypatch.setattr(execution, "report_of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        services.purge_deals(**ALL)

    run = PurgeRun.objects.get()
    assert (run.status, run.keys_deleted, run.run_deals.count()) == ("failed", KEYS, 100)
