"""What a picture would show, where it takes more than the states of `test_accessibility.py`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis
from django.db.models.functions import Now
from pytest_django.fixtures import Settings

from dealpurge.models import PurgeRun
from tests.support.looks import PALE

from .conftest import LIST, Person, Worker

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NARROW = {"viewport": {"width": 400, "height": 800}}


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


@pytest.mark.usefixtures("archive")
def test_a_box_that_is_not_ticked_says_what_that_means(person: Callable[..., Person], deals: redis.Redis) -> None:
    somebody = person()
    somebody.go(f"{LIST}purge/")
    notes = somebody.page.locator(".dp-off")

    def shown() -> list[str]:
        return [note.inner_text().strip().partition(" ")[0] for note in notes.all() if note.is_visible()]

    assert shown() == []
    somebody.page.uncheck("[name=guard]")
    assert shown() == ["Deals"]
    somebody.page.uncheck("[name=keep_archive]")
    assert shown() == ["Deals", "Without"]
    assert "can be undone until" not in somebody.text()
    somebody.page.check("[name=guard]")
    assert shown() == ["Without"]


@pytest.mark.parametrize("width", [1280, 1360])
def test_the_list_fits_a_laptop_between_navigation_and_filter(
    person: Callable[..., Person], deals: redis.Redis, width: int
) -> None:
    somebody = person(viewport={"width": width, "height": 800})
    somebody.preview(deals="acme:deal-3\nacme:deal-1")
    somebody.preview()

    somebody.go(LIST)

    assert somebody.page.evaluate("(e => e.scrollWidth - e.clientWidth)(document.querySelector('.results'))") <= 0


@pytest.mark.parametrize(("theme", "width"), [("light", 390), ("dark", 1280)])
def test_which_redis_it_is_stays_in_sight_and_is_readable(
    person: Callable[..., Person], deals: redis.Redis, settings: Settings, theme: str, width: int
) -> None:
    somebody = person(color_scheme=theme, viewport={"width": width, "height": 700})
    PurgeRun.objects.create(mode="all", org_id="hooli", status="running", dry_run=False, heartbeat_at=Now())

    for tone in ("production", "staging", "development", None):
        settings.DEALPURGE_ENVIRONMENT = {"name": "eu-1 " * 8, "tone": tone} if tone else None
        for address in (f"{LIST}purge/", LIST):
            somebody.go(address)
            assert somebody.page.evaluate(PALE) == [], (tone, address)
            assert somebody.page.evaluate("document.documentElement.scrollWidth") <= width
            somebody.page.evaluate("document.querySelector('#content').style.minHeight = '5000px'")
            somebody.page.evaluate("scrollTo(0, 4000)")
            box = somebody.page.locator(".dp-where").bounding_box()
            assert box
            assert (box["y"], box["height"] < 120) == (0, True), (tone, address)


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
