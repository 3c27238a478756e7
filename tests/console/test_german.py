"""The console in another language: its words, its numbers, and every page of it."""

from __future__ import annotations

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from .conftest import FORM, LIST, ClientOf, MakePreview, latest, page_of

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
        (FORM, "Noch wird nichts gelöscht. Die nächste Seite zeigt erst jeden Deal."),
        ("/admin/dealpurge/inventorydeal/", "Noch hat niemand nachgesehen"),
    ],
)
def test_pages_speak_it(browser: Client, address: str, words: str) -> None:
    assert words in html(browser, address)


def test_a_preview_speaks_it_and_groups_digits_its_way(
    browser: Client, make_preview: MakePreview, purger: User
) -> None:
    run = make_preview(purger, deals_purged=1200, exclude_active_within_secs=7200)

    page = html(browser, page_of(run))

    assert "1.200 Deals bereinigen?" in page
    assert "Zur Bestätigung <kbd>1200</kbd> eingeben" in page
    assert "Deals aller Organisationen." in page
    assert "Deals, deren letzte Aktivität höchstens 2 Stunden her ist, Checkpoints</dd>" in page
    assert "Probelauf · nichts gelöscht" in page


def test_a_purge_is_made_in_it(browser: Client, deals: redis.Redis) -> None:
    browser.post(FORM, {"mode": "by_deal", "deals": "acme:deal-1", "exclude_active_0": "", "exclude_active_1": "60"})
    preview = latest()
    assert "1 Deal bereinigen, auch wenn er aktiv ist</button>" in html(browser, page_of(preview))
    refused = browser.post(page_of(preview, "apply"), {"typed": "bereinigen"}).content.decode()
    assert "Das ist nicht „purge“. Es wurde nichts gelöscht." in refused

    browser.post(page_of(preview, "apply"), {"typed": "purge"})

    assert latest().status == "completed"
    assert "<dt>Schlüssel gelöscht</dt>" in html(browser, page_of(latest()))
    assert deals.dbsize() == 5
