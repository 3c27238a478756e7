"""The admin: a preview says that it exceeds a limit, and a limit holds whenever it came."""

from __future__ import annotations

import pytest
import redis
from django.test import Client
from pytest_django.fixtures import Settings

from dealpurge.models import PurgeRun
from tests.support.seeding import HOUR, seed_deal

from .doors import FORM, IDLE, KEYS, WORDS, assert_nothing_went, latest

pytestmark = pytest.mark.django_db(transaction=True)


def preview(browser: Client) -> str:
    """Make a preview and look at it; the address of its page."""
    page = browser.post(FORM, {"mode": "all"}).headers["Location"]
    browser.get(page)
    return page


def test_a_preview_tells_that_it_exceeds_a_limit_and_cannot_be_applied(
    deals: redis.Redis, browser: Client, settings: Settings
) -> None:
    settings.DEALPURGE_MAX_DEALS = 3

    page = preview(browser)
    answer = browser.post(page.replace("/change/", "/apply/"), {"typed": "purge 4"})

    assert WORDS in browser.get(page).content.decode()
    assert 'name="typed"' not in browser.get(page).content.decode()
    assert answer.status_code == 302
    assert not PurgeRun.objects.filter(dry_run=False).exists()
    assert deals.dbsize() == KEYS + 1


@pytest.mark.parametrize("limits", [{"MAX_DEALS": IDLE}, {"MAX_KEYS": KEYS}, {}])
def test_a_preview_within_its_limits_is_applied(
    deals: redis.Redis, browser: Client, settings: Settings, limits: dict[str, int]
) -> None:
    for name, limit in limits.items():
        setattr(settings, f"DEALPURGE_{name}", limit)

    browser.post(preview(browser).replace("/change/", "/apply/"), {"typed": "purge 4"})

    assert (latest().dry_run, latest().status) == (False, "completed")
    assert deals.keys() == [b"somebody:else"]


@pytest.mark.parametrize("setting", [{"MAX_DEALS": 3}, {"MAX_KEYS": 19}])
def test_a_limit_that_came_behind_the_preview_holds(
    deals: redis.Redis, browser: Client, settings: Settings, setting: dict[str, int]
) -> None:
    page = preview(browser)
    for name, limit in setting.items():
        setattr(settings, f"DEALPURGE_{name}", limit)

    browser.post(page.replace("/change/", "/apply/"), {"typed": "purge 4"})

    assert not PurgeRun.objects.filter(dry_run=False).exists()
    assert deals.dbsize() == KEYS + 1


def test_deals_that_came_behind_the_preview_count(deals: redis.Redis, browser: Client, settings: Settings) -> None:
    settings.DEALPURGE_MAX_DEALS = 4
    page = preview(browser)
    seed_deal(deals, "acme", "deal-4", age=2 * HOUR)

    browser.post(page.replace("/change/", "/apply/"), {"typed": "purge 4"})

    words = "5 deals would go, 1 more than the limit of 4: the purge is refused."
    assert_nothing_went(deals, words, KEYS + 5 + 1)
    assert words in browser.get(f"/admin/dealpurge/purgerun/{latest().pk}/change/").content.decode()


def test_a_preview_is_not_applied_by_a_setting_that_is_no_limit(
    deals: redis.Redis, browser: Client, settings: Settings
) -> None:
    page = preview(browser)
    settings.DEALPURGE_MAX_KEYS = "500"

    answer = browser.post(page.replace("/change/", "/apply/"), {"typed": "purge 4"}, follow=True)

    assert "DEALPURGE_MAX_KEYS is no limit: &#x27;500&#x27;." in answer.content.decode()
    assert not PurgeRun.objects.filter(dry_run=False).exists()
    assert deals.dbsize() == KEYS + 1
