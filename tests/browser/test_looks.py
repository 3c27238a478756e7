"""What a picture would show: nothing sticks out at 400 pixels, and both themes are readable."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis
from django.db.models.functions import Now
from pytest_django.fixtures import Settings

from dealpurge.models import PurgeRun

from .conftest import LIST, Person, Worker

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NARROW = {"viewport": {"width": 400, "height": 800}}

#: Contrast of the text of every element with text of its own against the first background behind it.
CONTRASTS = """
() => {
    const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
        .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (element) => {
        for (let e = element; e; e = e.parentElement) {
            const colour = rgb(getComputedStyle(e).backgroundColor);
            if (colour.length === 3 || colour[3] === 1) return colour;
        }
        return rgb(getComputedStyle(document.body).backgroundColor);
    };
    const poor = [];
    for (const element of document.querySelectorAll("#content *, .dp-where *")) {
        const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
        if (!own || !element.checkVisibility() || element.closest(".visually-hidden, noscript, option")) continue;
        const [a, b] = [light(rgb(getComputedStyle(element).color)), light(behind(element))].sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05);
        if (ratio < 4.5) poor.push(`${element.className || element.tagName}: ${ratio.toFixed(2)}`);
    }
    return poor;
}
"""

#: Frames, fields, buttons and signs that stand out too little from what is behind them.
FAINT = """
() => {
    const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = (text) => rgb(text).slice(0, 3).map((c) => c / 255)
        .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (element) => {
        for (let e = element; e; e = e.parentElement) {
            const colour = getComputedStyle(e).backgroundColor;
            if (rgb(colour)[3] !== 0) return colour;
        }
    };
    const ratio = (one, other) => {
        const [a, b] = [light(one), light(other)].sort((x, y) => y - x);
        return (a + 0.05) / (b + 0.05);
    };
    const faint = [];
    for (const element of document.querySelectorAll(".dp-ask, .dp-risk, .dp-page .button, .dp-typed, .dp-icon")) {
        const style = getComputedStyle(element), ground = behind(element.parentElement);
        const colours = element.matches(".dp-icon") ? [style.stroke]
            : [style.borderLeftColor, ...(element.matches(".button") ? [style.backgroundColor] : [])];
        const best = Math.max(...colours.filter((c) => rgb(c)[3] !== 0).map((c) => ratio(c, ground)));
        if (best < 3) faint.push(`${element.className.baseVal ?? element.className}: ${best.toFixed(2)}`);
    }
    return faint;
}
"""

#: Fields and buttons that a screen reader could not name.
NAMELESS = """
() => [...document.querySelectorAll(
    "#content :is(input:not([type=hidden]), select, textarea, button, progress)"
)].filter((e) => !e.closest("#changelist"))
  .filter((e) => !e.labels?.length && !e.ariaLabel && !e.textContent.trim())
  .map((e) => e.outerHTML)
"""


def pages_of(somebody: Person) -> dict[str, str]:
    """The addresses of all kinds of pages."""
    preview = somebody.preview(deals="acme:deal-3\nacme:deal-1")
    somebody.press("Purge 1 deal")
    somebody.page.wait_for_selector("h1:has-text('Purge:')")
    live = somebody.run()
    fresh = somebody.preview()
    somebody.go(f"{LIST}purge/?mode=all")
    somebody.page.uncheck("[name=guard]")
    somebody.page.check("[name=include_checkpoints]")
    somebody.press("Preview")
    somebody.page.wait_for_selector(".dp-risk.dp-high")
    risky = somebody.run()
    somebody.go(f"{LIST}inventory/")
    somebody.press("Scan Redis")
    somebody.page.wait_for_selector(".dp-scanned")
    return {
        "inventory": f"{LIST}inventory/",
        "selection": f"{LIST}{PurgeRun.objects.get(inventory=True).pk}/inventory/purge/?org=birch",
        "form": f"{LIST}purge/",
        "list": LIST,
        "applied": f"{LIST}{preview.pk}/change/",
        "live": f"{LIST}{live.pk}/change/",
        "preview": f"{LIST}{fresh.pk}/change/",
        "risky": f"{LIST}{risky.pk}/change/",
    }


def test_nothing_sticks_out_at_400_pixels(person: Callable[..., Person], deals: redis.Redis) -> None:
    somebody = person(**NARROW)

    for name, address in pages_of(somebody).items():
        somebody.go(address)
        assert somebody.page.evaluate("document.documentElement.scrollWidth") <= 400, name


def test_the_longest_id_does_not_stick_out_either(person: Callable[..., Person], deals: redis.Redis) -> None:
    somebody, longest = person(**NARROW), "x" * 255
    run = somebody.preview(deals=longest)
    told = {**(run.report or {}), "warnings": [f"Keys of the same deal id were left alone: {longest}."]}
    PurgeRun.objects.filter(pk=run.pk).update(report=told)

    somebody.go(f"{LIST}{run.pk}/change/")

    assert somebody.page.locator(f"li:has-text('{longest}')").count()
    assert somebody.page.evaluate("document.documentElement.scrollWidth") <= 400


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_button_that_copies_a_command_covers_none_of_it(
    person: Callable[..., Person], deals: redis.Redis, settings: Settings, language: str
) -> None:
    somebody = person(**NARROW)
    run = somebody.preview()
    settings.LANGUAGE_CODE = language

    somebody.go(f"{LIST}{run.pk}/change/")
    somebody.page.click(".dp-fold:has(.dp-code) > summary")
    somebody.page.click(".dp-copy >> nth=0")
    somebody.page.wait_for_selector(".dp-copied")

    room = somebody.page.locator(".dp-copyable pre").first.evaluate(
        "(e) => e.getBoundingClientRect().right - parseFloat(getComputedStyle(e).paddingRight)"
    )
    box = somebody.page.locator(".dp-copied").bounding_box()
    assert box
    assert room <= box["x"]


@pytest.mark.parametrize("width", [1280, 1360])
def test_the_list_fits_a_laptop_between_navigation_and_filter(
    person: Callable[..., Person], deals: redis.Redis, width: int
) -> None:
    somebody = person(viewport={"width": width, "height": 800})
    somebody.preview(deals="acme:deal-3\nacme:deal-1")
    somebody.preview()

    somebody.go(LIST)

    assert somebody.page.evaluate("(e => e.scrollWidth - e.clientWidth)(document.querySelector('.results'))") <= 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_is_readable_in_both_themes(person: Callable[..., Person], deals: redis.Redis, theme: str) -> None:
    somebody = person(color_scheme=theme)

    for name, address in pages_of(somebody).items():
        if name != "list":  # the list is Django's own
            somebody.go(address)
            assert somebody.page.evaluate(CONTRASTS) == [], name


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_which_redis_it_is_stays_in_sight_and_is_readable(
    person: Callable[..., Person], deals: redis.Redis, settings: Settings, theme: str, width: int
) -> None:
    somebody = person(color_scheme=theme, viewport={"width": width, "height": 700})
    PurgeRun.objects.create(mode="all", org_id="hooli", status="running", dry_run=False, heartbeat_at=Now())

    for tone in ("production", "staging", "development", None):
        settings.DEALPURGE_ENVIRONMENT = {"name": "eu-1 " * 8, "tone": tone} if tone else None
        for address in (f"{LIST}purge/", LIST):
            somebody.go(address)
            assert somebody.page.evaluate(CONTRASTS) == [] or address == LIST, tone
            assert somebody.page.evaluate("document.documentElement.scrollWidth") <= width
            somebody.page.evaluate("document.querySelector('#content').style.minHeight = '5000px'")
            somebody.page.evaluate("scrollTo(0, 4000)")
            box = somebody.page.locator(".dp-where").bounding_box()
            assert box
            assert (box["y"], box["height"] < 120) == (0, True), (tone, address)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_frames_and_signs_are_seen_in_both_themes(
    person: Callable[..., Person], deals: redis.Redis, theme: str
) -> None:
    somebody = person(color_scheme=theme)

    for name, address in pages_of(somebody).items():
        if name != "list":
            somebody.go(address)
            assert somebody.page.evaluate(FAINT) == [], name


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_one_button_that_deletes_is_red(
    person: Callable[..., Person], deals: redis.Redis, worker: Worker, theme: str
) -> None:
    somebody = person(color_scheme=theme)
    red = "rgb(186, 33, 33)"

    def reds() -> list[str]:
        buttons = somebody.page.locator("#content .button").all()
        colour = "(e) => getComputedStyle(e).backgroundColor"
        return [button.inner_text() for button in buttons if button.evaluate(colour) == red]

    somebody.go(f"{LIST}purge/?mode=all")
    assert reds() == []
    worker.hold_at = [600]
    somebody.press("Preview")
    somebody.page.wait_for_selector("button:has-text('Stop this')")
    assert reds() == []
    worker.release()
    somebody.page.wait_for_selector("#ask")
    assert reds() == ["Purge 10 deals"]


def test_every_field_and_button_has_a_name(person: Callable[..., Person], deals: redis.Redis) -> None:
    somebody = person()

    for name, address in pages_of(somebody).items():
        somebody.go(address)
        nameless = somebody.page.evaluate(NAMELESS)
        assert nameless == [], name
