"""One deal in all runs: who did what to it, when and why."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from dealpurge.models import InventoryDeal, PurgeRun, PurgeRunDeal
from project.deals.models import Deal, Organization
from tests.console.conftest import LIST, ClientOf, MakePreview, latest, page_of
from tests.console.timeline.conftest import shown

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 26, 10, 31, tzinfo=UTC)


def happen(make: MakePreview, actor: User | None, outcome: str, *, days: int = 0, **fields: Any) -> PurgeRun:
    """A run that met the deal, so many days before."""
    counts = {name: fields.pop(name, None) for name in ("keys_deleted", "keys_left", "last_active_at")}
    org_id = fields.pop("org_id", "globex")
    dry_run = outcome.startswith("would")
    run = make(actor, dry_run=dry_run, created_at=NOW - timedelta(days=days), **fields)
    PurgeRunDeal.objects.create(run=run, org_id=org_id, deal_id="deal/1", outcome=outcome, **counts)
    return run


def test_everything_that_happened_is_told_newest_first(
    browser: Client, make_preview: MakePreview, purger: User
) -> None:
    purged = happen(make_preview, purger, "purged", days=3, keys_deleted=86, keys_left=0, reason="nightly")
    happen(make_preview, purger, "interrupted", keys_deleted=1000, keys_left=33, source="command")
    moment = NOW - timedelta(days=1, minutes=12)
    seconds = {"exclude_active_within_secs": 3600}
    happen(make_preview, purger, "skipped_active", days=1, keys_left=1033, last_active_at=moment, **seconds)
    happen(make_preview, purger, "would_be_purged", days=2, keys_left=1033, source="api")
    happen(make_preview, purger, "not_found", days=40)

    page = shown(browser)

    told = [
        "Last purged 26 Nov 2026, 10:31:00 UTC, in part, by purger",
        "Left half-way: somebody became active, or the run ended. 1,000 keys deleted, 33 left.",
        "All 5 Purged or interrupted 2 Skipped 1 Previews 1 Not found 1",
        "26 Nov 2026 10:31:00 UTC interrupted",
        "1,000 keys deleted, 33 left purger by command",
        "25 Nov 2026 10:31:00 UTC skipped, active Last event 10:19:00 UTC, within 1 hour.",
        "1,033 keys left as they were",
        "would be purged 1,033 keys would be deleted purger through the API",
        "86 keys deleted purger in the admin nightly " + str(purged.pk)[:8],
        "not found no keys then",
        "5 entries.",
    ]
    places = [page.find(words) for words in told]
    assert -1 not in places, told[places.index(-1)]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("outcomes", "sentence"),
    [
        ([], "Nothing has happened to this deal."),
        (["skipped_active"], "Never purged. Skipped 1 time."),
        (["skipped_active", "skipped_never_active"], "Never purged. Skipped 2 times."),
        (["would_be_purged", "not_found"], "Never purged."),
        (["purged"], "Last purged 26 Nov 2026, 10:31:00 UTC by purger"),
    ],
)
def test_one_sentence_comes_first(
    browser: Client, make_preview: MakePreview, purger: User, outcomes: list[str], sentence: str
) -> None:
    for outcome in outcomes:
        happen(make_preview, purger, outcome)

    assert sentence in shown(browser)


@pytest.mark.parametrize(
    ("kind", "entries"),
    [("", 4), ("purged", 1), ("skipped", 1), ("previews", 1), ("not_found", 1), ("nonsense", 4)],
)
def test_tabs_narrow_it(browser: Client, make_preview: MakePreview, purger: User, kind: str, entries: int) -> None:
    for outcome in ("purged", "skipped_active", "would_be_skipped", "not_found"):
        happen(make_preview, purger, outcome)

    page = shown(browser, kind=kind)
    assert ("1 entry." if entries == 1 else f"{entries} entries.") in page
    response: Any = browser.get(f"{LIST}deal/export/", {"org": "globex", "deal": "deal/1", "kind": kind})
    rows = list(csv.DictReader(io.StringIO(b"".join(response).decode())))
    assert len(rows) == entries
    assert {(row["deal_id"], row["actor"], row["source"]) for row in rows} == {("deal/1", "purger", "admin")}


def test_the_same_id_elsewhere_is_another_deal(browser: Client, make_preview: MakePreview, purger: User) -> None:
    happen(make_preview, purger, "purged", org_id="acme")
    happen(make_preview, purger, "skipped_active", org_id=None)

    assert "1 entry." in shown(browser)
    assert "2 entries." in shown(browser, org="")


def test_pages_are_bounded(
    browser: Client, make_preview: MakePreview, purger: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(60):
        happen(make_preview, purger, "purged", days=number, deals=[["a", "b"]] * 5)

    with django_assert_max_num_queries(12):
        page = shown(browser)

    assert "60 entries." in page
    assert "1 2 60 entries." in page
    assert page.count(" purger ") == 51
    assert shown(browser, p="2").count(" purger ") == 11


def test_what_the_last_scan_saw_is_told(browser: Client, make_preview: MakePreview, purger: User) -> None:
    assert "nobody has looked yet" in shown(browser)
    scan = make_preview(purger, inventory=True)
    assert "0 keys in Redis" not in shown(browser)  # the number comes behind its words
    InventoryDeal.objects.create(
        run=scan, org_id="globex", deal_id="deal/1", keys=33, families={"locks": 33}, last_active_at=NOW
    )

    page = browser.get(f"{LIST}deal/", {"org": "globex", "deal": "deal/1"})

    assert page.context["page"].scanned.keys == 33
    assert "none known" in shown(browser)


def test_the_hosts_own_page_of_it_is_linked(browser: Client) -> None:
    globex = Organization.objects.create(slug="globex", name="Globex")
    deal = Deal.objects.create(deal_id="deal/1", organization=globex, name="A deal")

    page = browser.get(f"{LIST}deal/", {"org": "globex", "deal": "deal/1"}).content.decode()

    assert page.count(f'href="/admin/deals/deal/{deal.pk}/change/"') == 2


@pytest.mark.parametrize("query", [{}, {"deal": "a b"}, {"deal": "x", "org": "a:b"}, {"deal": "x" * 256}])
def test_what_can_be_no_deal_has_no_timeline(browser: Client, query: dict[str, str]) -> None:
    assert browser.get(f"{LIST}deal/", query).status_code == 404
    assert browser.get(f"{LIST}deal/export/", query).status_code == 404


def test_its_button_previews_the_purge_of_this_deal(browser: Client) -> None:
    page = browser.get(f"{LIST}deal/", {"org": "globex", "deal": "deal/1"}).content.decode()
    form = page.partition("Preview the purge of this deal")[0].rpartition("<form")[2]
    fields = dict(field.partition('" value="')[::2] for field in form.split('type="hidden" name="')[1:])
    sent = {name: value.partition('"')[0] for name, value in fields.items()}

    browser.post(f"{LIST}purge/", sent)

    run = latest()
    assert (run.deals, run.exclude_active_within_secs, run.dry_run) == ([["globex", "deal/1"]], 3600, True)


def test_an_auditor_sees_all_but_the_button(
    staff: User, client_of: ClientOf, make_preview: MakePreview, purger: User
) -> None:
    happen(make_preview, purger, "purged")
    staff.user_permissions.add(Permission.objects.get(codename="view_purgerun"))

    page = shown(client_of(staff))

    assert "1 entry." in page
    assert "Preview the purge" not in page


def test_who_may_see_no_runs_sees_none_of_it(staff: User, client_of: ClientOf) -> None:
    browser = client_of(staff)

    assert browser.get(f"{LIST}deal/", {"deal": "x"}).status_code == 403
    assert browser.get(f"{LIST}deal/export/", {"deal": "x"}).status_code == 403


def test_a_run_of_a_lost_deal_is_one_click_away(browser: Client, make_preview: MakePreview, purger: User) -> None:
    run = happen(make_preview, purger, "purged")

    assert f'href="{page_of(run)}"' in browser.get(f"{LIST}deal/", {"org": "globex", "deal": "deal/1"}).content.decode()


@pytest.mark.parametrize("kind", ["purged", "skipped", "previews", "not_found"])
@pytest.mark.parametrize("met", [True, False])
def test_a_kind_of_which_there_is_nothing_is_an_empty_page(
    browser: Client, make_preview: MakePreview, purger: User, kind: str, met: bool
) -> None:
    if met:
        happen(make_preview, purger, "not_found" if kind != "not_found" else "purged")

    assert shown(browser, kind=kind, p="2")
