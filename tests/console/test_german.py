"""The console in another language: its words, its numbers, and every page of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from django.utils.translation import deactivate
from pytest_django.fixtures import Settings

from dealpurge.engine.sweep.selection import NAMESAKE_WARNING
from dealpurge.models import PurgeRun
from dealpurge.runs import store
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from dealpurge.servers.errors import REFUSED, UNREACHABLE

from .conftest import FORM, LIST, REPORT, ClientOf, MakePreview, latest, page_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def browser(client_of: ClientOf, purger: User, settings: Settings) -> Client:
    settings.LANGUAGE_CODE = "de"
    return client_of(purger)


def html(browser: Client, address: str) -> str:
    response = browser.get(address)
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.parametrize(
    ("address", "words"),
    [
        (LIST, "Bereinigungsläufe"),
        (LIST, "Deals bereinigen …"),
        (FORM, "Auch LangGraph-Checkpoints löschen"),
        (FORM, "Es wird nichts gelöscht, bevor Sie das gesehen haben."),
        (f"{LIST}inventory/", "Noch hat niemand nachgesehen"),
    ],
)
def test_pages_speak_it(browser: Client, address: str, words: str) -> None:
    assert words in html(browser, address)


def test_a_preview_speaks_it_and_groups_digits_its_way(
    browser: Client, make_preview: MakePreview, purger: User
) -> None:
    run = make_preview(purger, deals_purged=1200, exclude_active_within_secs=7200)

    page = html(browser, page_of(run))

    assert "Diese 1.200 Deals bereinigen" in page
    assert "Zur Bestätigung <strong>1.200</strong> eingeben" in page
    assert "bleiben: letzte Aktivität höchstens 2 Stunden her" in page
    assert "Probelauf · nichts gelöscht" in page


def test_a_purge_is_made_in_it(browser: Client, deals: redis.Redis) -> None:
    browser.post(FORM, {"mode": "by_deal", "deals": "acme:deal-1", "exclude_active_0": "", "exclude_active_1": "60"})
    preview = latest()
    assert "Diesen Deal bereinigen" in html(browser, page_of(preview))

    browser.post(page_of(preview, "apply"))

    assert latest().status == "completed"
    assert "Schlüssel gelöscht, von" in html(browser, page_of(latest()))
    assert deals.dbsize() == 5


# What is stored is English, whoever looks at it


WARNED = (NAMESAKE_WARNING.format("birch <i>12</i>, cedar {12}"), "A warning of an older version.")


@pytest.fixture
def by_request(client_of: ClientOf, superuser: User, settings: Settings) -> Iterator[Client]:
    """A browser that asks for German, on a site that asks the browser."""
    place = settings.MIDDLEWARE.index("django.middleware.common.CommonMiddleware")
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE[:place], "django.middleware.locale.LocaleMiddleware", *settings.MIDDLEWARE[place:]
    ]  # fmt: skip
    browser = client_of(superuser)
    browser.defaults["HTTP_ACCEPT_LANGUAGE"] = "de"
    yield browser
    deactivate()


@pytest.mark.parametrize("inventory", [False, True])
def test_warnings_and_errors_are_said_in_it(
    by_request: Client, make_preview: MakePreview, superuser: User, inventory: bool
) -> None:
    report = REPORT | {"warnings": WARNED}
    error = REFUSED.format("<b>WEIRD")
    run = make_preview(superuser, inventory=inventory, status="failed", report=report, error=error)

    page = html(by_request, page_of(run, "inventory" if inventory else "change"))

    assert "<strong>Redis hat einen Befehl verweigert (&lt;b&gt;WEIRD).</strong>" in page
    assert (
        "<li>Schlüssel derselben Deal-ID in einer anderen Organisation wurden nicht angerührt: "
        "birch &lt;i&gt;12&lt;/i&gt;, cedar {12}.</li><li>A warning of an older version.</li>" in page
    )


def test_the_api_says_them_as_they_are_stored(
    by_request: Client, make_preview: MakePreview, superuser: User, bearer: Callable[[User], dict[str, str]]
) -> None:
    run = make_preview(
        superuser, status="failed", report=REPORT | {"warnings": WARNED}, error=UNREACHABLE.format("2 s")
    )

    answer = by_request.get(f"/api/superadmin/purge_runs/{run.pk}", headers=bearer(superuser)).json()

    assert (answer["error"], answer["report"]["warnings"]) == ("Redis cannot be reached (tried for 2 s).", [*WARNED])


def test_who_finds_a_lost_run_out_stores_it_in_english(by_request: Client, superuser: User) -> None:
    run = store.create(PurgeScope(mode="all"), Origin(source="admin", actor=superuser), queued=True)
    PurgeRun.objects.update(created_at=timezone.now() - timedelta(minutes=16))

    page = html(by_request, page_of(run))

    assert "Kein Worker hat ihn rechtzeitig übernommen." in page
    assert latest().error == "No worker took it in time."


def test_why_nothing_was_begun_is_said_in_it(by_request: Client, settings: Settings) -> None:
    settings.DEALPURGE_ENQUEUE = {}.__getitem__  # a queue that knows of no run

    page = by_request.post(FORM, {"mode": "all"}, follow=True).content.decode()

    assert "Der Lauf konnte nicht eingereiht werden, daher wurde nichts bereinigt." in page
    assert latest().error == "The run could not be queued, so nothing was purged."
