"""What the page of a finished preview asks, or why it asks nothing."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
import redis
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags
from pytest_django.fixtures import Settings

from dealpurge.models import PurgeRun
from dealpurge.runs import store
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from tests.console.conftest import FORM, REPORT, ClientOf, MakePreview, latest, page_of

HOUR = 3600
GUARDED: dict[str, Any] = {"exclude_active_within_secs": HOUR, "org_id": "acme"}


@pytest.fixture
def browser(client_of: ClientOf, purger: User) -> Client:
    return client_of(purger)


@pytest.fixture
def _production(settings: Settings) -> None:
    settings.DEALPURGE_ENVIRONMENT = {"name": "production", "tone": "production"}


def html(response: Any) -> str:
    return " ".join(response.content.decode().split())


def shown(browser: Client, run: PurgeRun) -> str:
    return html(browser.get(page_of(run)))


def report(checkpoints: int = 0, **deals: int) -> dict[str, Any]:
    families = {"locks": 1, "checkpoints": checkpoints}
    return {**REPORT, "families": families, "deals": {**REPORT["deals"], **deals}}  # type: ignore[dict-item]


def applied(run: PurgeRun) -> bool:
    return PurgeRun.objects.filter(preview=run).exists()


# The risk


def test_a_few_deals_with_the_guard_on_have_the_red_button_alone(
    browser: Client, make_preview: MakePreview, purger: User
) -> None:
    page = shown(browser, make_preview(purger, deals_purged=1, **GUARDED))

    assert '<button type="submit" class="button dp-danger">Purge 1 deal</button>' in page
    assert "dp-risk" not in page
    assert "asked:" not in page
    assert 'name="typed"' not in page


@pytest.mark.usefixtures("_production")
def test_one_reason_is_an_amber_note(browser: Client, make_preview: MakePreview, purger: User) -> None:
    page = shown(browser, make_preview(purger, deals_purged=8993, **GUARDED))

    assert '<section class="dp-risk" aria-labelledby="dp-risk">' in page
    assert '<h2 id="dp-risk">Read before you purge</h2>' in page
    assert "<dt><strong>8,993</strong></dt><dd>deals, in <strong>production</strong>.</dd>" in page
    assert "Purge 8,993 deals from production?" in page
    assert "Why you&#x27;re asked:" in page
    assert '<span class="dp-badge">8,993 deals</span>' in page
    assert "Type <kbd>8993</kbd> to confirm" in page
    assert "Turn the guard on" not in page
    assert 'class="dp-ask dp-apply"' in page


@pytest.mark.usefixtures("_production")
def test_two_reasons_are_framed_in_red(browser: Client, make_preview: MakePreview, purger: User) -> None:
    run = make_preview(purger, deals_purged=8993, include_checkpoints=True, report=report(checkpoints=31204))

    page = shown(browser, run)

    assert '<section class="dp-risk dp-high" aria-labelledby="dp-risk">' in page
    assert '<h2 id="dp-risk">High risk</h2>' in page
    assert "<dt><strong>31,204</strong></dt><dd>checkpoint keys would be deleted. Synthesis runs in flight" in page
    assert 'class="dp-ask dp-apply dp-high"' in page
    assert "guard off</span>" in page
    assert "checkpoints included</span>" in page
    assert "Type <kbd>production 8993</kbd> to confirm" in page
    assert "Purge 8,993 deals, active ones too</button>" in page
    assert 'action="' + page_of(run, "apply") + '" data-dp-once' in page


def test_who_may_not_purge_reads_the_risk_and_has_no_button(
    client_of: ClientOf, make_preview: MakePreview, purger: User, staff: User
) -> None:
    staff.user_permissions.add(Permission.objects.get(codename="view_purgerun"))

    page = shown(client_of(staff), make_preview(purger))

    assert "High risk" in page
    assert "Turn the guard on" not in page
    assert "dp-ask" not in page


def test_the_guard_is_turned_on_by_another_preview(browser: Client, deals: redis.Redis) -> None:
    browser.post(FORM, {"mode": "organisation", "org_id": "acme", "include_checkpoints": "on", "reason": "ticket 4711"})
    unguarded = latest()
    page = browser.get(page_of(unguarded)).content.decode()
    form = page.partition('<section class="dp-risk')[2].partition("<form ")[2].partition("</form>")[0]
    assert form.startswith(f'method="post" action="{page_of(unguarded, "repeat")}" data-dp-once')

    browser.post(page_of(unguarded, "repeat"), dict(re.findall(r'<input [^>]*name="([^"]*)" value="([^"]*)"', form)))

    run = latest()
    assert (run.dry_run, run.mode, run.org_id, run.reason) == (True, "all", "acme", "ticket 4711")
    assert (run.exclude_active_within_secs, run.include_checkpoints) == (HOUR, True)
    assert PurgeRun.objects.count() == 2


def test_a_preview_made_again_keeps_its_guard_as_it_was(browser: Client, deals: redis.Redis) -> None:
    browser.post(FORM, {"mode": "all"})

    browser.post(page_of(latest(), "repeat"))

    assert [run.exclude_active_within_secs for run in PurgeRun.objects.all()] == [None, None]


# The confirmation


@pytest.mark.usefixtures("_production")
def test_what_is_wrong_is_said_at_the_field_and_keeps_what_was_typed(
    browser: Client, make_preview: MakePreview, purger: User
) -> None:
    run = make_preview(purger)

    response = browser.post(page_of(run, "apply"), {"typed": "production 8"})

    page = response.content.decode()
    (field,) = re.findall(r'<input [^>]*id="id_typed"[^>]*>', page)
    assert 'value="production 8"' in field
    assert 'aria-invalid="true"' in field
    assert " autofocus" in field
    (described_by,) = re.findall(r'aria-describedby="(\S+)', field)
    told = page.partition(f'id="{described_by}"')[2].partition(">")[2].partition("</ul>")[0]
    assert unescape(strip_tags(told)).strip() == 'That is not "production 7". Nothing was deleted.'
    assert not applied(run)


def test_a_field_that_nobody_has_filled_in_does_not_take_the_focus(
    browser: Client, make_preview: MakePreview, purger: User
) -> None:
    assert "autofocus" not in shown(browser, make_preview(purger))


@pytest.mark.parametrize(("fields", "keyboard"), [({**GUARDED, "org_id": None}, True), ({}, False)])
def test_a_number_alone_is_typed_on_a_keyboard_of_digits(
    browser: Client, make_preview: MakePreview, purger: User, fields: dict[str, Any], keyboard: bool
) -> None:
    assert ('inputmode="numeric"' in shown(browser, make_preview(purger, **fields))) == keyboard


def test_a_setting_that_was_lowered_meanwhile_asks(
    browser: Client, make_preview: MakePreview, purger: User, settings: Settings
) -> None:
    run = make_preview(purger, **GUARDED)
    assert 'name="typed"' not in shown(browser, run)
    settings.DEALPURGE_CONFIRM_DEALS = 7

    response = browser.post(page_of(run, "apply"))

    assert "That is not &quot;7&quot;. Nothing was deleted." in html(response)
    assert not applied(run)
    browser.post(page_of(run, "apply"), {"typed": "7"})
    assert applied(run)


def test_an_environment_that_was_named_meanwhile_is_the_one_to_type(
    browser: Client, make_preview: MakePreview, purger: User, settings: Settings
) -> None:
    run = make_preview(purger)
    assert "<kbd>purge 7</kbd>" in shown(browser, run)
    settings.DEALPURGE_ENVIRONMENT = {"name": "production"}

    response = browser.post(page_of(run, "apply"), {"typed": "purge 7"})

    assert "That is not &quot;production 7&quot;. Nothing was deleted." in html(response)
    assert not applied(run)


def test_what_is_asked_comes_from_the_preview_and_not_from_the_form(
    browser: Client, make_preview: MakePreview, purger: User
) -> None:
    run = make_preview(purger)

    browser.post(page_of(run, "apply"), {"typed": "1", "deals_purged": "1", "exclude_active_within_secs": "3600"})

    assert not applied(run)


def test_until_when_it_is_good_is_told_in_utc(browser: Client, make_preview: MakePreview, purger: User) -> None:
    made = timezone.now() - timedelta(minutes=2, seconds=5)
    until = made + timedelta(minutes=15)

    page = shown(browser, make_preview(purger, finished_at=made))

    assert f"Preview made 2 minutes ago, good until {until:%H:%M} UTC." in page


def test_the_way_back_deletes_nothing(browser: Client, make_preview: MakePreview, purger: User) -> None:
    page = browser.get(page_of(make_preview(purger))).content.decode()

    (back,) = re.findall(r'<a class="button dp-plain" href="([^"]+)">No, take me back</a>', page)
    assert browser.get(back, follow=True).status_code == 200
    assert page.count('<a href="#ask">To the confirmation ↓</a>') == 1
    assert '<h2 id="ask"' in page


# Where nothing is asked


def test_a_preview_that_is_too_old_has_expired(browser: Client, make_preview: MakePreview, purger: User) -> None:
    page = shown(browser, make_preview(purger, finished_at=timezone.now() - timedelta(minutes=16)))

    assert '<h2 id="ask">Expired.</h2>' in page
    assert '<button type="submit" class="button default">Preview again</button>' in page
    assert "dp-risk" not in page
    assert "dp-danger" not in page


@pytest.mark.parametrize(
    ("matched", "active", "words"),
    [
        (12, 12, "Nothing to purge: all 12 deals are active."),
        (1, 1, "Nothing to purge: the only deal is active."),
        (12, 11, "Nothing to purge</h2>"),
        (0, 0, "Nothing to purge</h2>"),
    ],
)
def test_a_preview_of_nothing_says_why_in_grey(
    browser: Client, make_preview: MakePreview, purger: User, matched: int, active: int, words: str
) -> None:
    counts = report(matched=matched, purged=0, skipped_active=active)

    page = shown(browser, make_preview(purger, deals_purged=0, report=counts))

    assert f'<h2 id="ask" class="dp-quiet">{words}' in page
    assert ('<p class="dp-quiet">0 keys</p>' in page) == ("deal" not in words)
    assert "dp-danger" not in page
    assert "dp-risk" not in page


def test_a_preview_of_somebody_else_tells_its_risk(browser: Client, make_preview: MakePreview, superuser: User) -> None:
    page = shown(browser, make_preview(superuser))

    assert "High risk" in page
    assert "Only root, who made this preview, can apply it." in page
    assert "dp-danger" not in page


def test_a_preview_that_was_applied_warns_of_nothing(browser: Client, make_preview: MakePreview, purger: User) -> None:
    preview = make_preview(purger)
    make_preview(purger, dry_run=False, preview=preview)

    page = shown(browser, preview)

    assert "This preview was applied" in page
    assert "dp-risk" not in page


@pytest.mark.parametrize(("status", "again"), [("running", False), ("cancelled", True), ("failed", True)])
def test_a_preview_that_did_not_finish_asks_nothing(
    browser: Client, make_preview: MakePreview, purger: User, status: str, again: bool
) -> None:
    page = shown(browser, make_preview(purger, status=status, heartbeat_at=timezone.now(), deals_purged=0))

    assert ("Run again…</button>" in page) == again
    assert "dp-ask" not in page
    assert "Nothing to purge" not in page


def test_stopping_deletes_nothing_and_is_grey(browser: Client) -> None:
    run = store.create(PurgeScope(mode="all", dry_run=False), Origin(source="api"))

    page = shown(browser, run)

    assert '<button type="submit" class="button dp-plain" aria-describedby="dp-stop">Stop this purge</button>' in page
    assert "dp-danger" not in page
