"""All deals that match a filter of a scan, handed on by the filter: what was seen is what is previewed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import redis
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from dealpurge.console import selection
from dealpurge.console.selection import Selection, read_filter
from dealpurge.models import InventoryDeal, PurgeRun
from dealpurge.runs.inventory import KEPT
from dealpurge.runs.inventory_filter import InventoryFilter
from tests.console.conftest import LIST, ClientOf, MakePreview, latest, page_of
from tests.console.inventory.conftest import add
from tests.support.seeding import seed_deal

CHOICE = "inventory/purge"
#: What the form sends besides the filter.
GUARDED = {"preview": "1", "all": "1", "guard_asked": "1", "guard": "on", "reason": "OPS-1"}
GUARDED |= {"exclude_active_0": "1", "exclude_active_1": "3600"}


def told(response: Any) -> list[str]:
    return [str(message) for message in get_messages(response.wsgi_request)]


def test_the_button_names_the_scan_and_the_filter(browser: Client, inventory: PurgeRun) -> None:
    page = browser.get(page_of(inventory, "inventory"), {"org": "acme", "idle": "86400"}).content.decode()

    form = page.partition('class="dp-choose"')[0].rpartition("<form")[2] + page.partition('class="dp-choose"')[2]
    assert f'action="{page_of(inventory, CHOICE)}"' in form
    assert '<input type="hidden" name="org" value="acme"><input type="hidden" name="idle" value="86400">' in form
    assert "Select the 1 that matches" in form
    assert "5 keys" in form
    assert "Preview purge of 1 deal<" in form


def test_a_choice_leads_to_the_form_with_its_filter_in_the_address(browser: Client, inventory: PurgeRun) -> None:
    answer = browser.post(page_of(inventory, CHOICE), {"org": "acme", "idle": "", "deals": "birch:new"})
    page = browser.get(answer.headers["Location"]).content.decode()

    assert answer.headers["Location"] == f"{page_of(inventory, CHOICE)}?org=acme"
    assert "<strong>2 deals: acme</strong>" in page
    assert f'<a href="{page_of(inventory, "inventory")}?org=acme#deals">Change</a>' in page
    assert '<input type="hidden" name="org" value="acme">' in page
    assert 'name="deals"' not in page
    assert not PurgeRun.objects.filter(inventory=False).exists()


def test_the_preview_is_of_the_deals_that_matched(browser: Client, inventory: PurgeRun, deals: redis.Redis) -> None:
    for name in ("busy", "idle", "later"):
        seed_deal(deals, "acme", name, locks=1, image_crops=0)

    browser.post(page_of(inventory, CHOICE), {"org": "acme", **GUARDED, "include_checkpoints": "on"})

    run = latest()
    assert run.deals == [["acme", "busy"], ["acme", "idle"]]
    assert (run.mode, run.dry_run, run.org_id, run.reason) == ("by_deal", True, None, "OPS-1")
    assert (run.exclude_active_within_secs, run.include_checkpoints) == (3600, True)
    assert (run.status, run.deals_purged) == ("completed", 2)


def test_a_newer_scan_changes_nothing_in_a_choice(
    browser: Client, inventory: PurgeRun, deals: redis.Redis, make_preview: MakePreview, purger: User
) -> None:
    newer = make_preview(purger, inventory=True, created_at=timezone.now() + timedelta(seconds=5))
    add(newer, "acme", "other", locks=1)

    browser.post(page_of(inventory, CHOICE), {"org": "acme", **GUARDED})

    assert PurgeRun.objects.get(inventory=False).deals == [["acme", "busy"], ["acme", "idle"]]


def test_without_a_filter_all_deals_of_the_scan_are_named(
    browser: Client, inventory: PurgeRun, deals: redis.Redis
) -> None:
    page = browser.get(page_of(inventory, CHOICE), {"all": "1"}).content.decode()
    browser.post(page_of(inventory, CHOICE), GUARDED)

    assert "3 deals: all of the scan" in page
    assert (latest().mode, len(latest().deals)) == ("by_deal", 3)


@pytest.mark.parametrize("field", ["idle"])
@pytest.mark.parametrize("value", ["5", "30 days", "never ", "0"])
def test_what_cannot_be_understood_chooses_nothing(
    browser: Client, inventory: PurgeRun, field: str, value: str
) -> None:
    understood = value.strip() == "never"

    answer = browser.post(page_of(inventory, CHOICE), {"org": "acme", field: value, **GUARDED})

    assert told(answer) == (["No deal matches."] if understood else ["There is no such filter."])
    assert not PurgeRun.objects.filter(inventory=False).exists()


@pytest.mark.parametrize("value", ["a\0b", "é" * 600, "none:such", "\ufffd", "a" * 60_000], ids=range(5))
@pytest.mark.parametrize("field", ["deal", "org", "family"])
def test_a_filter_that_no_deal_matches_chooses_nothing(
    browser: Client, inventory: PurgeRun, field: str, value: str
) -> None:
    answer = browser.post(page_of(inventory, CHOICE), {field: value, **GUARDED})

    assert answer.status_code == 302
    assert told(answer) == ["No deal matches."]
    assert not PurgeRun.objects.filter(inventory=False).exists()


def test_more_deals_than_can_be_named_are_refused(
    browser: Client, inventory: PurgeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (selection, __import__("dealpurge.console.inventory.views", fromlist=["MOST"])):
        monkeypatch.setattr(module, "MOST", 2)

    answer = browser.post(page_of(inventory, CHOICE), GUARDED)

    assert told(answer) == ["Choose at most 2 deals, or purge all deals of their organisation."]
    assert browser.get(page_of(inventory, CHOICE), {"org": "acme"}).status_code == 200
    assert not PurgeRun.objects.filter(inventory=False).exists()


@pytest.mark.parametrize("fields", [{"inventory": False}, {"status": "failed"}, {"status": "running"}])
def test_only_a_scan_that_came_to_its_end_can_be_chosen_from(
    browser: Client, make_preview: MakePreview, purger: User, fields: dict[str, Any]
) -> None:
    values: dict[str, Any] = {"inventory": True, "heartbeat_at": timezone.now()} | fields
    run = make_preview(purger, **values)
    add(run, "acme", "deal", locks=1)

    answer = browser.post(page_of(run, CHOICE), GUARDED)

    assert told(answer) == ["This scan did not come to its end. Scan again."]
    assert PurgeRun.objects.count() == 1


def test_deals_that_are_no_longer_kept_cannot_be_chosen(browser: Client, inventory: PurgeRun) -> None:
    InventoryDeal.objects.all().delete()

    assert told(browser.post(page_of(inventory, CHOICE), GUARDED)) == ["No deal matches."]


def test_of_a_scan_that_is_being_let_go_of_nothing_is_chosen(
    browser: Client, inventory: PurgeRun, make_preview: MakePreview, purger: User
) -> None:
    """Some of its deals may be gone already, and the choice would be of fewer than were shown."""
    for _ in range(KEPT - 1):
        make_preview(purger, inventory=True)
    assert browser.get(page_of(inventory, "inventory")).context["page"].totals

    make_preview(purger, inventory=True)

    gone = "The deals of this inventory are no longer kept. Scan again."
    assert told(browser.post(page_of(inventory, CHOICE), GUARDED)) == [gone]
    assert gone in browser.get(page_of(inventory, "inventory")).content.decode()


@pytest.mark.parametrize("method", ["get", "post"])
def test_who_may_not_purge_chooses_nothing(client_of: ClientOf, staff: User, inventory: PurgeRun, method: str) -> None:
    staff.user_permissions.add(Permission.objects.get(codename="view_purgerun"))

    assert getattr(client_of(staff), method)(page_of(inventory, CHOICE), GUARDED).status_code == 403


def test_nobody_else_posts_a_choice(purger: User, inventory: PurgeRun) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(purger)

    assert browser.post(page_of(inventory, CHOICE), GUARDED).status_code == 403
    assert PurgeRun.objects.count() == 1


def test_a_get_begins_nothing(browser: Client, inventory: PurgeRun) -> None:
    assert browser.get(page_of(inventory, CHOICE), {"all": "1"}).status_code == 200
    browser.get(page_of(inventory, CHOICE), GUARDED)
    assert PurgeRun.objects.count() == 1


def test_the_forms_own_mistakes_are_shown_with_the_choice(browser: Client, inventory: PurgeRun) -> None:
    page = browser.post(
        page_of(inventory, CHOICE), {"org": "acme", **GUARDED, "guard": "", "leave_never_active": "on"}
    ).content.decode()

    assert "Without a time above" in page
    assert "2 deals: acme" in page
    assert '<input type="hidden" name="org" value="acme">' in page


def test_ticked_deals_lead_into_the_form_by_the_other_button(browser: Client, inventory: PurgeRun) -> None:
    page = browser.get(page_of(inventory, "inventory")).content.decode()

    assert f'formaction="{LIST}purge/">Purge those selected…</button>' in page
    assert page.index("dp-of-ticked") < page.index("dp-of-all")  # the one that the Enter key presses


def test_keys_of_no_organisation_name_nobody_elses_deal(inventory: PurgeRun) -> None:
    """Without an organisation a name means that deal of every organisation."""
    for org_id in ("acme", "birch", None):
        add(inventory, org_id, "both", checkpoints=1)
    add(inventory, None, "lonely", checkpoints=1)

    def chosen(**fields: str) -> set[tuple[str | None, str]]:
        return set(Selection(inventory, InventoryFilter(**fields)).deals)

    assert chosen(text="lonely") == {(None, "lonely")}
    assert chosen(text="both") == {("acme", "both"), ("birch", "both"), (None, "both")}
    InventoryDeal.objects.filter(org_id="birch", deal_id="both").update(families={"locks": 1})
    assert chosen(text="both", family="checkpoints") == {("acme", "both")}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({}, "3 deals: all of the scan"),
        ({"org": "acme"}, "2 deals: acme"),
        ({"org": "acme", "idle": "86400"}, "1 deal: acme, idle for 1 day"),
        ({"idle": str(30 * 86400)}, "0 deals: idle for 30 days"),
        ({"idle": "never", "family": "locks"}, "1 deal: no activity known, with keys of Locks"),
        ({"deal": "e"}, "2 deals: “e” in the id"),
        ({"deal": "acme:\u202ex"}, "0 deals: “acme:\\u202ex” in the id"),
    ],
)
def test_a_choice_in_words(inventory: PurgeRun, query: dict[str, str], words: str) -> None:
    assert Selection(inventory, read_filter(query)).words == words


def test_a_preview_that_could_not_be_begun_leaves_the_choice_on_the_page(
    browser: Client, inventory: PurgeRun, settings: Settings
) -> None:
    settings.TASKS = {}

    page = browser.post(page_of(inventory, CHOICE), {"org": "acme", **GUARDED})

    assert page.status_code == 200
    assert "2 deals: acme" in page.content.decode()
    assert len(told(page)) == 1


@pytest.mark.parametrize(
    "asked", [{}, {"org_id": "acme"}, {"deal_id": "deal-1"}, {"text": "x"}, {"org": " "}, {"all": ""}], ids=str
)
def test_nothing_chosen_is_not_all(browser: Client, inventory: PurgeRun, asked: dict[str, str]) -> None:
    answer = browser.get(page_of(inventory, CHOICE), asked)

    assert told(answer) == ["There is no such filter."]
    browser.post(page_of(inventory, CHOICE), {"preview": "1"})
    assert not PurgeRun.objects.filter(inventory=False).exists()


def test_a_colon_alone_is_in_no_id(browser: Client, inventory: PurgeRun) -> None:
    assert told(browser.get(page_of(inventory, CHOICE), {"deal": ":"})) == ["No deal matches."]


def test_who_has_to_log_in_keeps_the_choice(client: Client, inventory: PurgeRun, purger: User) -> None:
    answer = client.post(page_of(inventory, CHOICE), {"prefill": "1", "mode": "by_deal", "org": "acme", "deals": "x"})
    client.force_login(purger)

    page = client.get(parse_qs(urlsplit(answer.headers["Location"]).query)["next"][0])

    assert page.context["selection"].words.endswith("deals: acme")


def test_a_scan_of_another_redis_cannot_be_chosen_from(
    browser: Client, inventory: PurgeRun, settings: Settings
) -> None:
    PurgeRun.objects.filter(pk=inventory.pk).update(environment="staging")
    settings.DEALPURGE_ENVIRONMENT = {"name": "production"}

    answer = browser.post(page_of(inventory, CHOICE), {"org": "acme", **GUARDED})

    assert told(answer) == ["This scan is of another Redis than the one that is purged now."]
    assert not PurgeRun.objects.filter(inventory=False).exists()
