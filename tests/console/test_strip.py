"""Every page says which Redis it is about and whether a purge is under way, without asking Redis."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils.html import strip_tags
from pytest_django.fixtures import Settings

from dealpurge.models import PurgeRun
from tests.conftest import PointCacheAt

from .conftest import FORM, LIST, ClientOf, MakePreview, page_of

PROCESS = {"node": None, "run_id": "a", "replid": "b", "version": "7.4.1", "role": "primary", "kind": "redis"}
ADDRESS = "redis-main.invalid:6379/0"


@pytest.fixture(autouse=True)
def _somewhere(cache_at: PointCacheAt) -> None:
    cache_at("redis://ann:s3cr3t@redis-main.invalid:6379/0")


@pytest.fixture
def browser(client_of: ClientOf, purger: User) -> Client:
    return client_of(purger)


def strip(browser: Client, address: str = FORM) -> tuple[str, str]:
    """What it says, and its colour."""
    page = browser.get(address, follow=True).content.decode()
    found = re.findall(r'<aside class="(dp-where[^"]*)"[^>]*>(.*?)</aside>', page, re.DOTALL)
    assert len(found) == 1
    assert "s3cr3t" not in page
    return " ".join(strip_tags(found[0][1]).split()), found[0][0]


def met(**fields: Any) -> PurgeRun:
    values = {"mode": "all", "status": "completed", "redis_address": ADDRESS, "redis_processes": [PROCESS]}
    return PurgeRun.objects.create(**values | fields)


@pytest.mark.parametrize("tone", ["production", "staging", "development"])
def test_the_environment_stands_first_with_its_tone(browser: Client, settings: Settings, tone: str) -> None:
    settings.DEALPURGE_ENVIRONMENT = {"name": "Live <1>", "tone": tone}
    met()

    words = "Live &lt;1&gt; redis-main.invalid:6379/0 Redis 7.4, primary No purge under way"
    assert strip(browser) == (words, f"dp-where dp-{tone}")


def test_where_it_has_no_name_the_server_stands_there(browser: Client) -> None:
    assert strip(browser) == (f"{ADDRESS} Environment not named No purge under way", "dp-where")


def test_a_label_stands_for_the_address(browser: Client, settings: Settings) -> None:
    settings.DEALPURGE_SERVER_LABEL = "main"

    assert strip(browser)[0] == "main Environment not named No purge under way"


def test_a_setting_that_cannot_be_read_is_told_on_the_page(browser: Client, settings: Settings) -> None:
    settings.DEALPURGE_ENVIRONMENT = {"name": "production", "tone": "red"}

    assert strip(browser)[0].startswith("DEALPURGE_ENVIRONMENT is not a name")


@pytest.mark.parametrize("setting", ["ENVIRONMENT", "SERVER_LABEL", "CONFIRM_DEALS"])
def test_such_a_setting_breaks_no_preview(
    browser: Client, settings: Settings, setting: str, make_preview: MakePreview, purger: User
) -> None:
    setattr(settings, f"DEALPURGE_{setting}", ["no"])

    page = browser.get(page_of(make_preview(purger)))

    assert page.status_code == 200
    assert f"DEALPURGE_{setting} is no" in page.content.decode()
    assert "dp-danger" not in page.content.decode()


def test_what_a_client_alone_tells_is_what_the_last_run_noted(browser: Client, settings: Settings) -> None:
    settings.DEALPURGE_REDIS_CLIENT = lambda: pytest.fail("a page asks for a client")
    met()

    assert strip(browser)[0].startswith(f"{ADDRESS} Redis 7.4, primary")


def test_every_page_has_it(browser: Client, make_preview: MakePreview, purger: User) -> None:
    inventory = make_preview(purger, inventory=True)
    preview = make_preview(purger)
    pages = (LIST, FORM, f"{LIST}inventory/", page_of(inventory, "inventory"), page_of(preview), f"{LIST}deal/?deal=d")

    assert {strip(browser, page)[0] for page in pages} == {f"{ADDRESS} Environment not named No purge under way"}


def test_a_purge_under_way_is_linked(browser: Client) -> None:
    live: dict[str, Any] = {"status": "running", "dry_run": False, "redis_processes": None}
    run = met(**live, org_id="hooli", keys_scanned=460, keys_total=1000)
    met(status="running", dry_run=True, redis_processes=None)

    page = browser.get(FORM).content.decode()

    assert strip(browser)[0].endswith("Purge under way: all deals of hooli, 46 %")
    assert f'<a href="{page_of(run)}">Purge under way' in page


def test_a_run_says_which_redis_it_was_of(browser: Client, make_preview: MakePreview, purger: User) -> None:
    old = make_preview(purger, environment="staging", redis_address="redis-old.invalid:6379/0")

    page = browser.get(page_of(old)).content.decode()

    assert "<dt>Redis</dt><dd><strong>staging</strong> · redis-old.invalid:6379/0</dd>" in page
