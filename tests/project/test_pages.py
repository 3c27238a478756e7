"""The host's own pages in a real browser, under the Content-Security-Policy they are sent with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.support.servers import missing
from tests.support.terminal import Demo

CHROMIUM = Path("/usr/bin/chromium")
QUIET = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update"]

pytestmark = pytest.mark.browser


@pytest.fixture
def page() -> Iterator[Page]:
    if not CHROMIUM.exists():
        missing("Chromium is not installed (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-sync", *QUIET])
        yield browser.new_page()
        browser.close()


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """What the browser found wrong: refused by the policy, broken scripts."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


def test_swagger_shows_the_endpoint(page: Page, complaints: list[str], shared_demo: Demo) -> None:
    page.goto(f"{shared_demo.address}/api/docs")

    page.get_by_text("/api/superadmin/purge_deals", exact=True).first.wait_for()
    assert complaints == []


def test_the_list_of_deals_works(page: Page, complaints: list[str], shared_demo: Demo) -> None:
    user, password = shared_demo.found(r"user (\w+), password (\S+)")
    page.goto(f"{shared_demo.address}/admin/deals/deal/")
    page.fill("#id_username", user)
    page.fill("#id_password", password)
    page.click("[type=submit]")

    page.click("#action-toggle")

    page.wait_for_selector("text=100 of 100 selected")
    assert [complaint for complaint in complaints if "favicon" not in complaint and "404" not in complaint] == []
