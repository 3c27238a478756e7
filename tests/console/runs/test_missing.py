"""Named and not found: a note on a preview says which, why as far as is known, and what may have been meant."""

from __future__ import annotations

import re
from typing import Any

import pytest
import redis
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings

from dealpurge.models import InventoryDeal
from project.deals.models import Deal, Organization

from ..conftest import LIST, REPORT, ClientOf, MakePreview, latest, page_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(client_of: ClientOf, purger: User) -> Client:
    return client_of(purger)


def report(count: int, *listed: tuple[str | None, str, tuple[str, str] | None], **deals: int) -> dict[str, Any]:
    missing = [
        {
            "org_id": org,
            "deal_id": deal,
            "did_you_mean": {"org_id": meant[0], "deal_id": meant[1]} if meant else None,
        }
        for org, deal, meant in listed
    ]
    counts = {**REPORT["deals"], "not_found": count, **deals}  # type: ignore[dict-item]
    return {**REPORT, "deals": counts, "deals_not_found": missing}


def note(browser: Client, run: Any) -> str:
    page = browser.get(page_of(run)).content.decode()
    return " ".join(re.sub("<[^>]+>", " ", page.partition('id="dp-missing"')[2].partition("</section>")[0]).split())


NAMED: dict[str, Any] = {"mode": "by_deal", "deals": [["globex", f"d{n}"] for n in range(9)], "deals_named": 9}


def test_each_is_told_with_what_is_known_of_it(browser: Client, make_preview: MakePreview, purger: User) -> None:
    scan = make_preview(purger, inventory=True)
    for org in ("globex", "acme"):
        InventoryDeal.objects.create(run=scan, org_id=org, deal_id="x", keys=1, families={})
    acme = Organization.objects.create(slug="acme", name="Acme")
    Deal.objects.create(deal_id="deal-7731", organization=acme, name="A deal")
    told = report(
        3,
        ("globex", "dael-20419", ("globex", "deal-20419")),
        ("acme", "deal-7731", None),
        ("initec", "deal-88", ("initech", "deal-88")),
    )

    shown = note(browser, make_preview(purger, report=told, **NAMED))

    assert "3 of 9 named deals were not found" in shown
    assert "globex:dael-20419 Neither in Redis nor in the database. Did you mean globex:deal-20419 ?" in shown
    assert "acme:deal-7731 In the database, but it has no keys in Redis. Nothing to do." in shown
    assert "initec:deal-88 No such organisation. Did you mean initech:deal-88 ?" in shown
    assert "Correct the list and preview again" in shown


def test_where_nobody_has_looked_no_organisation_is_unknown(
    browser: Client, make_preview: MakePreview, purger: User
) -> None:
    run = make_preview(purger, report=report(1, ("initec", "deal-88", None)), **NAMED)

    assert "initec:deal-88 Neither in Redis nor in the database." in note(browser, run)


def test_a_host_without_deals_of_its_own_is_not_said_to_lack_one(
    browser: Client, make_preview: MakePreview, purger: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = {model: item for model, item in admin.site._registry.items() if model is not Deal}
    monkeypatch.setattr(admin.site, "_registry", others)
    run = make_preview(purger, report=report(1, (None, "deal-88", None)), **NAMED)

    assert "deal-88 Not in Redis." in note(browser, run)


def test_the_first_ten_are_shown_and_all_can_be(
    browser: Client, make_preview: MakePreview, purger: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    listed = [(f"org{n}", f"d{n}", None) for n in range(100)]
    run = make_preview(purger, report=report(130, *listed), **NAMED)

    with django_assert_max_num_queries(32):  # of which two for each of the ten, to find what was meant
        shown = note(browser, run)

    first, _, others = shown.partition("Show all")
    assert first.count("Neither in Redis") == 10
    assert others.count("Neither in Redis") == 90
    assert "and 30 more" in others


def test_where_none_was_found_nothing_is_green_and_there_is_no_button(
    browser: Client, make_preview: MakePreview, purger: User
) -> None:
    none = report(9, ("globex", "d1", None), matched=0, purged=0, skipped_active=0)

    page = browser.get(page_of(make_preview(purger, report=none, deals_purged=0, **NAMED))).content.decode()

    assert page.count("None of the named deals has keys in Redis") == 1
    assert "dp-danger" not in page
    assert "dp-completed" not in page


def test_names_are_shown_as_text(browser: Client, make_preview: MakePreview, purger: User) -> None:
    told = report(1, ("<b>", "<script>\\u202e", ("acme", "<i>")))

    page = browser.get(page_of(make_preview(purger, report=told, **NAMED))).content.decode()

    assert "&lt;b&gt;:&lt;script&gt;\\u202e</code>" in page
    assert "<code>acme:&lt;i&gt;</code>" in page


def test_a_slip_is_found_out_from_the_form_on(browser: Client, deals: redis.Redis, settings: Settings) -> None:
    browser.post(f"{LIST}inventory/scan/")

    browser.post(f"{LIST}purge/", {"mode": "by_deal", "deals": "acme:dael-1\nacme:deal-2"})

    assert "1 of 2 named deals was not found acme:dael-1" in note(browser, latest())
    assert "Did you mean acme:deal-1 ?" in note(browser, latest())


def test_an_old_report_misses_nobody(browser: Client, make_preview: MakePreview, purger: User) -> None:
    assert note(browser, make_preview(purger, **NAMED)) == ""


@pytest.mark.parametrize(
    ("org_id", "deal_id", "meant"),
    [
        ("acme", "dael-7731", "acme:deal-7731"),  # two changed places
        ("acmee", "deal-7731", "acme:deal-7731"),  # its organisation
        (None, "deal-773", "deal-7731"),
        ("acme", "deal-88", ""),
        ("birch", "deal-773", ""),  # that of another organisation
    ],
)
def test_the_hosts_database_tells_too_what_was_meant(
    browser: Client, make_preview: MakePreview, purger: User, org_id: str | None, deal_id: str, meant: str
) -> None:
    Deal.objects.create(
        deal_id="deal-7731", organization=Organization.objects.create(slug="acme", name="Acme"), name="A"
    )

    shown = note(browser, make_preview(purger, report=report(1, (org_id, deal_id, None)), **NAMED))

    assert ("Did you mean" in shown) == bool(meant)
    assert f"{meant} ?" in shown if meant else True


def test_what_was_found_in_the_scan_goes_before(browser: Client, make_preview: MakePreview, purger: User) -> None:
    acme = Organization.objects.create(slug="acme", name="Acme")
    for name in ("deal-77", "deal-78"):
        Deal.objects.create(deal_id=name, organization=acme, name="A")
    told = report(2, ("acme", "deal-7", ("acme", "deal-9")), ("acme", "deal-77", None))

    shown = note(browser, make_preview(purger, report=told, **NAMED))

    assert "Did you mean acme:deal-9 ?" in shown
    assert shown.count("Did you mean") == 1  # one that is there is no slip


def test_who_may_not_see_the_hosts_deals_is_told_of_none(
    client_of: ClientOf, make_preview: MakePreview, purger: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    Deal.objects.create(deal_id="deal-7", organization=Organization.objects.create(slug="acme", name="Acme"), name="A")
    monkeypatch.setattr(admin.site._registry[Deal], "has_view_or_change_permission", lambda request, obj=None: False)

    assert "Did you mean" not in note(
        client_of(purger), make_preview(purger, report=report(1, ("acme", "dael-7", None)), **NAMED)
    )


def test_the_form_that_corrects_a_list_says_what_was_not_found(
    browser: Client, make_preview: MakePreview, purger: User
) -> None:
    run = make_preview(purger, report=report(1, ("globex", "d3x", ("globex", "d3"))), **NAMED)

    page = browser.get(f"{LIST}purge/", {"again": str(run.pk)})

    shown = " ".join(re.sub("<[^>]+>", " ", page.content.decode().partition('id="content"')[2]).split())
    assert "1 of 9 named deals was not found globex:d3x" in shown
    assert "Did you mean globex:d3 ?" in shown
    assert "Correct the list" not in shown
    assert page.context["form"]["deals"].value().startswith("globex:d0\nglobex:d1\n")
    assert "not found" not in browser.get(f"{LIST}purge/").content.decode()


def test_a_name_that_the_database_has_is_right(browser: Client, make_preview: MakePreview, purger: User) -> None:
    acme = Organization.objects.create(slug="acme", name="Acme")
    Deal.objects.create(deal_id="deal-40", organization=acme, name="A")
    told = report(1, ("acme", "deal-40", ("acme", "deal-10")))

    shown = note(browser, make_preview(purger, report=told, **NAMED))

    assert "In the database, but it has no keys in Redis. Nothing to do." in shown
    assert "Did you mean" not in shown


def test_deals_that_the_hosts_page_hides_from_somebody_are_not_told_of(
    browser: Client, make_preview: MakePreview, purger: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme = Organization.objects.create(slug="acme", name="Acme")
    for name in ("deal-7", "deal-80"):
        Deal.objects.create(deal_id=name, organization=acme, name="A")
    monkeypatch.setattr(admin.site._registry[Deal], "get_queryset", lambda request: Deal.objects.none())
    told = report(2, ("acme", "dael-7", None), ("acme", "deal-80", None))

    shown = note(browser, make_preview(purger, report=told, **NAMED))

    assert "Did you mean" not in shown
    assert "In the database" not in shown


def test_what_was_escaped_for_the_report_is_no_slip(browser: Client, make_preview: MakePreview, purger: User) -> None:
    acme = Organization.objects.create(slug="acme", name="Acme")
    Deal.objects.create(deal_id="a\\b", organization=acme, name="A")

    shown = note(browser, make_preview(purger, report=report(1, ("acme", "a\\\\b", None)), **NAMED))

    assert "Did you mean" not in shown
