"""The console under the themes of the admin that many hosts have: it reads, and can be used, without the admin's own
style sheets. Settings choose the theme (``--ds=tests.themes.on_unfold``); the project's own are Django's admin."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page, ViewportSize
from pytest_django import DjangoDbBlocker

from tests.support.console_pages import Site, console
from tests.support.console_states import STATES, State
from tests.support.looks import BEYOND, CUT, FAINT, SETTLE, STANDING
from tests.support.servers import RedisServer, missing

pytestmark = [pytest.mark.themes, pytest.mark.django_db, pytest.mark.xdist_group("themes")]

THEME: str = getattr(settings, "THEME", "django")
QUESTIONS = (STANDING, FAINT, CUT, BEYOND)
LOOKS: tuple[Literal["light", "dark"], ...] = ("light", "dark")
SIZES: dict[str, ViewportSize] = {"desk": {"width": 1280, "height": 900}, "telephone": {"width": 390, "height": 844}}
CHOSEN = (
    "form with errors",
    "inventory",
    "preview, high risk",
    "running on a cluster",
    "partial",
    "list",
)


@pytest.fixture(scope="module")
def site(
    shared_server: Any, django_db_setup: None, django_db_blocker: DjangoDbBlocker, chromium: Browser
) -> Iterator[Site]:
    if THEME not in ("django", "own", *settings.INSTALLED_APPS):
        missing(f"{THEME} is not installed (pip install -r tests/themes/requirements.txt)")
    server: RedisServer = shared_server("valkey")
    with console(server, django_db_blocker) as site:
        yield site


@pytest.fixture(scope="module")
def page(site: Site, chromium: Browser) -> Iterator[Page]:
    with chromium.new_context(locale="en-GB") as context:
        context.add_cookies([{"name": "sessionid", "value": site.cookie, "url": site.url}])
        yield context.new_page()


@pytest.fixture(scope="module")
def found(site: Site, page: Page) -> dict[tuple[str, str, str], list[str]]:
    """What is wrong with each page in each look and size. Pictures of them go where DEALPURGE_SCREENSHOTS says."""
    pictures = os.environ.get("DEALPURGE_SCREENSHOTS")
    wrong: dict[tuple[str, str, str], list[str]] = {}
    for name in CHOSEN:
        address = site.url + STATES[name].make(site.pages)
        for look in LOOKS:
            page.emulate_media(color_scheme=look)
            page.set_viewport_size(SIZES["desk"])
            open_page(page, address, STATES[name])
            for size, viewport in SIZES.items():
                page.set_viewport_size(viewport)
                page.evaluate(SETTLE)
                if pictures:
                    picture = f"{THEME}-{look}-{size}-{'-'.join(name.split()).replace(',', '')}.png"
                    page.screenshot(path=Path(pictures, picture), full_page=True)
                wrong[name, look, size] = [complaint for question in QUESTIONS for complaint in page.evaluate(question)]
            page.goto("about:blank")  # it would load itself again when the run is over
        site.pages.end_all()
    return wrong


def open_page(page: Page, address: str, state: State) -> None:
    page.goto(address)
    if state.press:
        page.click(state.press)
    page.get_by_text(state.shows).locator("visible=true").first.wait_for()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", CHOSEN)
def test_a_page_stands_on_its_own_feet(
    found: dict[tuple[str, str, str], list[str]], name: str, look: str, size: str
) -> None:
    assert found[name, look, size] == []
