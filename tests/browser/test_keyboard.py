"""A purge from the form to its end by keyboard alone, with the focus in sight at every stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import redis
from playwright.sync_api import Page, expect

from .conftest import LIST, Person, Worker

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

#: What has the focus, where it is in ours and nothing tells so: it looks the same without.
UNSEEN = """
() => {
    const element = document.activeElement;
    if (!element.closest(".dp-content")) return null;
    const look = () => {
        const style = getComputedStyle(element);
        const outline = style.outlineStyle === "none" ? "0px" : style.outlineWidth;
        return [outline, style.boxShadow, style.backgroundColor, style.borderBottomColor].join();
    };
    const box = element.getBoundingClientRect(), focused = look();
    element.blur();
    const plain = look();
    element.focus();
    if (box.bottom < 0 || box.top > innerHeight) return "out of sight: " + element.outerHTML;
    return focused === plain ? element.outerHTML : null;
}
"""


@dataclass
class Keys:
    """Somebody who has no mouse."""

    page: Page

    def press(self, key: str, times: int = 1) -> None:
        for _ in range(times):
            self.page.keyboard.press(key)

    def tab_to(self, selector: str) -> None:
        """Go on from stop to stop, all of which are seen."""
        for _ in range(60):
            self.press("Tab")
            assert self.page.evaluate(UNSEEN) is None
            if self.page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
                return
        raise AssertionError(f"no way to {selector}")

    def skip(self) -> None:
        """By the admin's own link past its header and its list of apps."""
        self.tab_to(".skip-to-content-link")
        self.press("Enter")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_purge_is_made_and_stopped_by_keyboard_alone(
    person: Callable[..., Person], deals: redis.Redis, worker: Worker, theme: str
) -> None:
    somebody = person(color_scheme=theme)
    page, keys = somebody.page, Keys(somebody.page)
    somebody.go(f"{LIST}purge/")

    keys.skip()
    keys.tab_to("input[name=mode]:checked")
    while not page.is_checked("input[name=mode][value=all]"):
        keys.press("ArrowDown")
    keys.tab_to("button.default")
    keys.press("Enter")
    page.wait_for_selector("#id_typed")
    keys.skip()
    keys.tab_to("a[href='#ask']")
    keys.press("Enter")
    keys.tab_to("#id_typed")
    page.keyboard.type("10")
    worker.hold_at = [600]
    keys.tab_to(".dp-danger")
    keys.press("Enter")
    page.wait_for_selector("h1:has-text('Purge:')")
    page.wait_for_selector("[data-dp-poll]")
    keys.skip()
    keys.tab_to("form[action$='/cancel/'] button")
    keys.press("Space")

    expect(page.locator("#dp-end")).to_contain_text("Cancelled by root")
    assert somebody.run().status == "cancelled"
    assert deals.dbsize() > 3112 - 2500
    keys.skip()
    keys.tab_to("#dp-end ~ form button, section:has(> div > #dp-end) button")
