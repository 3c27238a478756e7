"""Purges that are limited, and deals without any events, on the pages of the admin."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from dealpurge import services
from dealpurge.console import shell_commands
from dealpurge.console.forms.purge import PurgeForm
from dealpurge.models import PurgeRun, PurgeRunDeal
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from tests.support.seeding import HOUR, seed_deal

from .conftest import FORM, ClientOf, MakePreview, latest, page_of

pytestmark = pytest.mark.django_db(transaction=True)

TOO_MANY = "3 deals would go, 1 more than the limit of 2: the purge is refused."


@pytest.fixture
def browser(client_of: ClientOf, purger: User) -> Client:
    return client_of(purger)


def page(browser: Client, run: PurgeRun) -> str:
    return " ".join(browser.get(page_of(run)).content.decode().split())


def preview(browser: Client, **fields: str) -> PurgeRun:
    browser.post(FORM, {"mode": "all"} | fields)
    return latest()


def test_a_preview_of_more_than_may_go_cannot_be_applied(
    browser: Client, deals: redis.Redis, settings: Settings
) -> None:
    settings.DEALPURGE_MAX_DEALS = 2
    run = preview(browser)

    shown = page(browser, run)
    assert "This preview cannot be applied" in shown
    assert f"<p>{TOO_MANY}</p>" in shown
    assert "to confirm" not in shown

    answer = browser.post(page_of(run, "apply"), {"typed": "purge 3"}, follow=True).content.decode()
    assert TOO_MANY in answer
    assert not PurgeRun.objects.filter(dry_run=False).exists()
    assert deals.dbsize() == 7


def test_a_preview_of_just_as_much_as_may_go_is_applied(
    browser: Client, deals: redis.Redis, settings: Settings
) -> None:
    settings.DEALPURGE_MAX_DEALS, settings.DEALPURGE_MAX_KEYS = 3, 6
    run = preview(browser)
    page(browser, run)

    browser.post(page_of(run, "apply"), {"typed": "purge 3"})

    assert latest().status == "completed"
    assert deals.dbsize() == 1


def test_what_came_behind_the_preview_counts_too(browser: Client, deals: redis.Redis, settings: Settings) -> None:
    settings.DEALPURGE_MAX_DEALS = 3
    run = preview(browser)
    page(browser, run)
    seed_deal(deals, "cedar", "deal-4", canvas_sessions=1, image_crops=0)
    before = deals.dbsize()

    browser.post(page_of(run, "apply"), {"typed": "purge 3"})

    live = latest()
    assert (live.status, live.dry_run, live.keys_deleted) == ("failed", False, 0)
    assert "4 deals would go, 1 more than the limit of 3: the purge is refused." in page(browser, live)
    assert deals.dbsize() == before


@pytest.mark.parametrize("limit", [0, True, "2", 1.5])
def test_a_limit_that_is_none_lets_nothing_through(
    browser: Client, make_preview: MakePreview, purger: User, settings: Settings, limit: object
) -> None:
    run = make_preview(purger)
    settings.DEALPURGE_MAX_DEALS = limit

    assert f"DEALPURGE_MAX_DEALS is no limit: {limit!r}.".replace("'", "&#x27;") in page(browser, run)
    browser.post(page_of(run, "apply"), {"typed": "purge 7"})
    assert not PurgeRun.objects.filter(dry_run=False).exists()


def test_deals_without_events_stay_if_the_form_says_so(browser: Client, deals: redis.Redis) -> None:
    deals.delete("canvas:events:acme:deal-2")
    run = preview(browser, guard="on", exclude_active_0="1", exclude_active_1=str(HOUR), leave_never_active="on")

    shown = page(browser, run)
    assert run.leave_never_active
    assert "<dt>Spares</dt><dd>deals active in the last hour, deals without any activity, checkpoints</dd>" in shown
    assert "<dt>would be skipped</dt><dd>3</dd>" in shown
    assert (run.deals_purged, run.report and run.report["deals"]["skipped_never_active"]) == (0, 3)


def test_who_is_left_for_want_of_events_is_in_the_record(browser: Client, deals: redis.Redis) -> None:
    old = deals.time()[0] - 2 * HOUR
    deals.xadd("canvas:events:acme:deal-1", {"kind": "edit"}, id=f"{old * 1000}-1")
    run = preview(browser, guard="on", exclude_active_0="1", exclude_active_1=str(HOUR), leave_never_active="on")
    page(browser, run)

    browser.post(page_of(run, "apply"), {"typed": "1"})

    rows = PurgeRunDeal.objects.filter(run=latest()).values_list("deal_id", "outcome")
    assert dict(rows) == {
        "deal-1": "purged",
        "deal-2": "skipped_never_active",
        "deal-3": "skipped_never_active",
    }
    shown = browser.get(page_of(latest())).context["table"].rows
    assert {deal.deal_id: deal.badge.word for deal in shown} == {
        "deal-1": "purged",
        "deal-2": "skipped, never active",
        "deal-3": "skipped, never active",
    }


def test_without_a_time_nobody_is_judged() -> None:
    form = PurgeForm({"mode": "all", "leave_never_active": "on"})

    assert form.errors == {"leave_never_active": ["Without a time above no deal is judged by its activity."]}


def test_an_earlier_run_is_changed_with_all_that_it_had(
    browser: Client, make_preview: MakePreview, purger: User
) -> None:
    run = make_preview(
        purger, exclude_active_within_secs=HOUR, leave_never_active=True, at_most_deals=5, at_most_keys=70
    )

    form = browser.get(f"{FORM}?again={run.pk}").context["form"]

    assert form["leave_never_active"].value() is True
    assert [field.value() for field in form.limits] == [5, 70]


def test_a_reason_that_is_missing_costs_no_limits(
    browser: Client, make_preview: MakePreview, purger: User, settings: Settings
) -> None:
    settings.DEALPURGE_REASON_REQUIRED = True
    run = make_preview(purger, at_most_deals=5)

    asked = browser.post(page_of(run, "repeat"), follow=True)
    page = asked.content.decode()

    assert "Give a reason or a ticket" in page
    assert [field.value() for field in asked.context["form"].limits] == ["5", None]
    assert "A purge that would delete more deletes nothing." in page


def test_the_limits_of_a_form_are_those_of_its_preview(browser: Client) -> None:
    browser.post(FORM, {"mode": "all", "at_most_deals": "5", "at_most_keys": ""})

    assert (latest().at_most_deals, latest().at_most_keys) == (5, None)


def test_a_limit_that_is_none_is_refused_and_shown(browser: Client) -> None:
    page = browser.post(FORM, {"mode": "all", "at_most_keys": "0"})

    assert list(page.context["form"].errors) == ["at_most_keys"]
    assert 'name="at_most_keys"' in page.content.decode()


def test_a_form_without_limits_asks_for_none(browser: Client) -> None:
    assert "at_most" not in browser.get(FORM).content.decode()


def test_a_command_to_copy_has_the_limits_of_the_run(make_preview: MakePreview, purger: User) -> None:
    run = make_preview(
        purger, exclude_active_within_secs=HOUR, leave_never_active=True, at_most_deals=5, at_most_keys=70
    )

    (command,) = shell_commands.commands(run).lines
    assert command.split(" \\\n  ")[1:] == [
        f"--exclude-active-within-secs={HOUR}",
        "--leave-never-active",
        "--at-most-deals=5",
        "--at-most-keys=70",
        "--no-dry-run",
    ]
    # The endpoint has no words for it.
    assert shell_commands.curl(run, "http://testserver/") is None


@pytest.mark.parametrize("fields", [{"at_most_deals": 1}, {"at_most_keys": 1}, {"leave_never_active": True}], ids=str)
def test_no_call_of_the_endpoint_asks_for_less(make_preview: MakePreview, purger: User, fields: dict[str, Any]) -> None:
    run = make_preview(purger, exclude_active_within_secs=HOUR, **fields)

    assert shell_commands.curl(run, "http://testserver/") is None


def test_limits_are_shown_with_what_was_asked(browser: Client, deals: redis.Redis, purger: User) -> None:
    scope = PurgeScope(mode="all", at_most_deals=1200, at_most_keys=50_000)
    services.start(scope, Origin(source="command", actor=purger))

    assert "<dt>Limits</dt><dd>at most 1,200 deals, at most 50,000 keys</dd>" in page(browser, latest())
    again = replace(scope, dry_run=False)
    assert services.start(again, Origin(source="command")).keys.deleted == 6


def test_a_purge_whose_rows_were_pruned_says_so(browser: Client, deals: redis.Redis) -> None:
    words = "The rows of these deals were pruned from the record."
    services.start(PurgeScope(mode="all", dry_run=False), Origin(source="command"))
    assert words not in page(browser, latest())

    PurgeRunDeal.objects.all().delete()

    assert words in page(browser, latest())


def test_where_none_lost_keys_there_were_no_rows(browser: Client, deals: redis.Redis) -> None:
    deals.flushall()
    services.start(PurgeScope(mode="all", dry_run=False), Origin(source="command"))
    assert "pruned" not in page(browser, latest())

    assert "pruned" not in page(browser, preview(browser))
