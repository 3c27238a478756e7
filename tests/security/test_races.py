"""Two at once, somebody else's page, and requests that were made up: the doors hold one by one and together."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import User
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connection, connections, transaction
from django.db.models.functions import Now
from django.test import AsyncClient, Client
from pytest_django.fixtures import Settings

from dealpurge import services, tasks
from dealpurge.models import PurgeRun
from dealpurge.runs import store
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope

from .conftest import LIVE, Bearer, Call

pytestmark = pytest.mark.django_db(transaction=True)

PLACE = "/admin/dealpurge/purgerun/"
PAGES = ["purge/", "inventory/scan/", "{run}/inventory/purge/", "{run}/apply/", "{run}/cancel/", "{run}/repeat/"]
ALL = PurgeScope(mode="all", dry_run=False)


@pytest.fixture
def preview(purger: User) -> PurgeRun:
    """A finished dry run of all deals that ``purger`` has seen."""
    return preview_of(purger)


def preview_of(user: User) -> PurgeRun:
    seen: dict[str, Any] = {"status": "completed", "started_at": Now(), "finished_at": Now(), "seen_at": Now()}
    return PurgeRun.objects.create(source="admin", actor=user, mode="all", deals_purged=7, **seen)


def browser_of(user: User, **options: Any) -> Client:
    client = Client(**options)
    client.force_login(user)
    return client


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    barrier = Barrier(len(calls))

    def attempt(call: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return call()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(attempt, calls))


def apply(client: Client, run: PurgeRun) -> Callable[[], Any]:
    return lambda: client.post(f"{PLACE}{run.pk}/apply/", {"typed": "purge 7"})


# At once


def test_a_preview_applied_by_many_clicks_at_once_is_one_run(
    preview: PurgeRun, purger: User, engine_calls: list[PurgeScope]
) -> None:
    answers = at_once(*(apply(browser_of(purger), preview) for _ in range(6)))

    assert {answer.status_code for answer in answers} == {302}
    assert PurgeRun.objects.filter(preview=preview).count() == 1
    assert engine_calls == [ALL]


def test_of_two_operators_one_begins(
    purger: User, superuser: User, settings: Settings, engine_calls: list[PurgeScope]
) -> None:
    settings.DEALPURGE_ENQUEUE = lambda run_id: None
    operators = (purger, superuser)

    at_once(*(apply(browser_of(user), preview_of(user)) for user in operators))

    assert PurgeRun.objects.filter(dry_run=False).count() == 1


def test_a_run_that_is_cancelled_while_a_worker_takes_it_is_one_or_the_other(
    purger: User, engine_calls: list[PurgeScope]
) -> None:
    run = store.create(ALL, Origin(source="admin", actor=purger), queued=True)

    at_once(lambda: services.cancel(run.pk), lambda: tasks.carry_out.func(str(run.pk)))

    run.refresh_from_db()
    assert (run.status, len(engine_calls)) in [("cancelled", 0), ("completed", 1)]
    assert run.exclusive is None


# Made up


@pytest.mark.parametrize("name", ["dry_run", "scope", "source", "inventory", "status", "preview", "actor", "exclusive"])
def test_a_form_cannot_ask_for_more_than_a_preview(
    purger: User, superuser: User, engine_calls: list[PurgeScope], name: str
) -> None:
    browser_of(purger).post(f"{PLACE}purge/", {"mode": "all", name: "false", f"{name}_id": superuser.pk})

    (run,) = PurgeRun.objects.all()
    assert (run.dry_run, run.source, run.actor, run.inventory) == (True, "admin", purger, False)
    assert [scope.dry_run for scope in engine_calls] == [True]


@pytest.mark.parametrize("what", ["apply", "repeat"])
def test_an_address_with_another_run_in_its_body_is_about_the_address(
    preview: PurgeRun, purger: User, superuser: User, engine_calls: list[PurgeScope], what: str
) -> None:
    other = preview_of(superuser)
    forged = {
        "typed": "purge 7",
        "run_id": preview.pk,
        "preview": preview.pk,
        "object_id": preview.pk,
        "actor": purger.pk,
    }

    browser_of(purger).post(f"{PLACE}{other.pk}/{what}/?run_id={preview.pk}", forged)

    assert not PurgeRun.objects.filter(dry_run=False).exists()
    assert not PurgeRun.objects.filter(preview=preview).exists()


# Other sites


def token_of(browser: Client) -> str:
    browser.get(f"{PLACE}purge/")
    return browser.cookies["csrftoken"].value


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("middleware", [True, False], ids=["with the middleware", "without"])
def test_no_page_is_posted_to_by_another_site(
    preview: PurgeRun,
    purger: User,
    settings: Settings,
    engine_calls: list[PurgeScope],
    page: str,
    middleware: bool,
) -> None:
    if not middleware:
        settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "csrf" not in name]
    browser = browser_of(purger, enforce_csrf_checks=True)
    token, path = token_of(browser), PLACE + page.format(run=preview.pk)
    data = {"typed": "purge 7", "mode": "all"}

    assert browser.post(path, data).status_code == 403
    assert browser.post(path, data | {"csrfmiddlewaretoken": "x" * 32}).status_code == 403
    foreign = {"Origin": "https://evil.example", "X-CSRFToken": token}
    assert browser.post(path, data, headers=foreign).status_code == 403
    assert PurgeRun.objects.count() == 1
    assert browser.post(path, data, headers={"X-CSRFToken": token}).status_code == 302


def test_a_link_from_elsewhere_only_fills_in_a_form(purger: User, engine_calls: list[PurgeScope]) -> None:
    browser_of(purger).get(f"{PLACE}purge/", {"mode": "all", "dry_run": "false", "typed": "purge 7", "prefill": "1"})

    assert (engine_calls, PurgeRun.objects.count()) == ([], 0)


# Transactions


@pytest.fixture
def atomic_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)


QUEUES: dict[str, dict[str, Any]] = {
    "immediate": {},
    "database": {"TASKS": {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}},
    "callable": {"DEALPURGE_ENQUEUE": lambda run_id: services.run(run_id)},
}


@pytest.mark.parametrize("queue", QUEUES)
def test_a_site_with_atomic_requests_can_queue(
    queue: str,
    settings: Settings,
    atomic_requests: None,
    purge: Call,
    bearer: Bearer,
    purger: User,
    engine_calls: list[PurgeScope],
) -> None:
    for name, value in QUEUES[queue].items():
        setattr(settings, name, value)
    header = bearer(purger) | {"Prefer": "respond-async"}

    answer = purge(header)
    browser_of(purger).post(f"{PLACE}purge/", {"mode": "all"})

    assert answer.status_code == 202
    expected = "queued" if queue == "database" else "completed"
    assert [run.status for run in PurgeRun.objects.all()] == [expected, expected]
    address = answer.headers["Location"]
    assert Client().get(address, headers=bearer(purger)).json()["status"] == expected
    assert Client().post(f"{address}/cancel", headers=bearer(purger)).status_code == (
        200 if queue == "database" else 409
    )


def test_a_worker_inside_a_transaction_purges_nothing(engine_calls: list[PurgeScope]) -> None:
    run = store.create(ALL, Origin(source="api"), queued=True)

    with pytest.raises(RuntimeError), transaction.atomic():
        services.run(run.pk)

    run.refresh_from_db()
    assert (run.status, engine_calls) == ("queued", [])
    services.run(run.pk)
    assert engine_calls == [ALL]


def test_an_async_host_calls_it_in_a_thread(engine_calls: list[PurgeScope]) -> None:
    """Django itself refuses a database in an event loop, before anything is purged."""

    async def directly() -> None:
        services.purge_deals(mode="all", dry_run=False)

    with pytest.raises(SynchronousOnlyOperation):
        async_to_sync(directly)()
    assert engine_calls == []

    report = async_to_sync(sync_to_async(services.purge_deals))(mode="all", dry_run=False)
    assert (report.status, engine_calls) == ("completed", [ALL])


def test_the_endpoint_works_under_asgi(purger: User, bearer: Bearer, engine_calls: list[PurgeScope]) -> None:
    async def ask() -> list[int]:
        client, path = AsyncClient(), "/api/superadmin/purge_deals"
        good = await client.post(path, LIVE, content_type="application/json", headers=header)
        bad = await client.post(path, LIVE, content_type="application/json")
        return [good.status_code, bad.status_code]

    header = bearer(purger)

    assert async_to_sync(ask)() == [200, 401]
    assert len(engine_calls) == 1
