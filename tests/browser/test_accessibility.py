"""What must hold of every page of the console in every state: axe-core finds nothing, nothing sticks out, and what is
drawn stands out from what is behind it. All are looked at once, at a desk in daylight and on a telephone at night."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from pytest_django import DjangoDbBlocker

from tests.generators.tools import NODE_MODULES
from tests.support.console_pages import Site, console
from tests.support.console_states import STATES, State
from tests.support.looks import CUT, FAINT, PALE, SETTLE
from tests.support.servers import RedisServer, missing

pytestmark = [pytest.mark.browser, pytest.mark.django_db, pytest.mark.xdist_group("accessibility")]

AXE = NODE_MODULES / "axe-core" / "axe.min.js"
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
}
#: All that axe-core knows is asked of the first look, and of the other what depends on colours and width.
RULES: dict[str, list[str] | None] = {
    "light": None,
    "dark": ["color-contrast", "link-in-text-block", "scrollable-region-focusable"],
}
#: What Django's admin draws by itself, and no page of ours can change.
DJANGOS = (
    ".breadcrumbs",  # its colours; ours is only the markup, which differs from version to version
    "#changelist-search",  # a field that has its help for a label, and a link that is not underlined
)
RUN_AXE = """
async ([excluded, rules]) => (await axe.run({exclude: excluded.map((selector) => [selector])},
    {resultTypes: ["violations"], ...(rules && {runOnly: rules})}))
    .violations.flatMap((rule) => rule.nodes.map((node) => `${rule.id}: ${node.html.slice(0, 200)}`))
"""


@pytest.fixture(scope="module")
def site(
    shared_server: Any, django_db_setup: None, django_db_blocker: DjangoDbBlocker, chromium: Browser
) -> Iterator[Site]:
    if not AXE.exists():
        missing("axe-core is not installed (npm ci --ignore-scripts --prefix tests/generators)")
    server: RedisServer = shared_server("valkey")
    with console(server, django_db_blocker) as site:
        yield site


@pytest.fixture(scope="module")
def seen(site: Site, chromium: Browser) -> dict[tuple[str, str], list[str]]:
    """Of each state in each look, by one visit. Pictures of them go where DEALPURGE_SCREENSHOTS says."""
    pictures = os.environ.get("DEALPURGE_SCREENSHOTS")
    found = {}
    with chromium.new_context(locale="en-GB") as context:
        context.add_cookies([{"name": "sessionid", "value": site.cookie, "url": site.url}])
        page = context.new_page()
        for name, state in STATES.items():
            visit(page, site.url + state.make(site.pages), state)
            page.evaluate(AXE.read_text())  # not as a script of the page, which its policy would refuse
            for look, options in LOOKS.items():
                page.set_viewport_size(options["viewport"])
                page.emulate_media(color_scheme=options["color_scheme"])
                page.evaluate(SETTLE)
                if pictures:
                    picture = f"{name.replace(',', '').replace(' ', '-')}-{look}.png"
                    page.screenshot(path=Path(pictures, picture), full_page=True)
                found[name, look] = look_at(page, RULES[look])
            page.goto("about:blank")  # it would load itself again when the run is over
            site.pages.end_all()
    return found


def visit(page: Page, address: str, state: State) -> None:
    response = page.goto(address)
    assert response is not None
    assert response.status == 200, address
    if state.press:
        page.click(state.press)
        page.wait_for_selector(f"#content :text({json.dumps(state.shows)}):visible")
    assert state.shows in page.inner_text("#content"), address


def look_at(page: Page, rules: list[str] | None) -> list[str]:
    """What is wrong with it; by which rules of axe-core, or by all of them."""
    found: list[str] = page.evaluate(RUN_AXE, [DJANGOS, rules])
    found += [complaint for question in (FAINT, PALE, CUT) for complaint in page.evaluate(question)]
    assert page.viewport_size
    wider = page.evaluate("document.documentElement.scrollWidth") - page.viewport_size["width"]
    return [*found, *([f"{wider} pixels wider than the window"] if wider > 0 else [])]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", STATES)
def test_a_page_is_for_everybody(seen: dict[tuple[str, str], list[str]], name: str, look: str) -> None:
    assert seen[name, look] == []
