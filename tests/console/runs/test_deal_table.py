"""The table of a run's deals: searched, filtered, sorted, paged and exported in the database."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db.models.signals import post_init
from django.test import Client
from django.utils.html import strip_tags
from pytest_django import DjangoAssertNumQueries

from dealpurge.models import PurgeRun, PurgeRunDeal
from dealpurge.runs.deals import queries

from ..conftest import LIST, REPORT, ClientOf, MakePreview, page_of

pytestmark = pytest.mark.django_db

MOMENT = datetime(2026, 11, 26, 10, 31, 12, tzinfo=UTC)
OUTCOMES = {"purged": 120, "skipped_active": 2, "interrupted": 1, "not_removed": 1, "not_found": 1}


def rows_of(run: PurgeRun, outcomes: dict[str, int]) -> Iterator[PurgeRunDeal]:
    for outcome, count in outcomes.items():
        for number in range(count):
            yield PurgeRunDeal(
                run=run,
                org_id=None if outcome == "not_found" else ["acme", "birch"][number % 2],
                deal_id=f"{outcome}-{number}",
                outcome=outcome,
                keys_deleted=number if outcome in ("purged", "interrupted") else 0,
                keys_left=0 if outcome == "purged" else 7,
                last_active_at=MOMENT - timedelta(hours=number),
            )


@pytest.fixture
def browser(client_of: ClientOf, purger: User) -> Client:
    return client_of(purger)


@pytest.fixture
def run(make_preview: MakePreview, purger: User) -> PurgeRun:
    made = make_preview(purger, dry_run=False, outcomes=OUTCOMES)
    PurgeRunDeal.objects.bulk_create(rows_of(made, OUTCOMES))
    return made


def table(browser: Client, run: PurgeRun, **query: Any) -> Any:
    response = browser.get(page_of(run), query)
    assert response.status_code == 200
    return response.context["table"]


def ids(browser: Client, run: PurgeRun, **query: Any) -> list[str]:
    return [row.deal_id for row in table(browser, run, **query).rows]


def test_what_needs_a_look_comes_first_and_then_the_largest(browser: Client, run: PurgeRun) -> None:
    shown = ids(browser, run)

    assert set(shown[:2]) == {"interrupted-0", "not_removed-0"}
    assert shown[2:5] == ["purged-119", "purged-118", "purged-117"]
    assert len(shown) == 50


def test_a_row_says_what_became_of_the_deal(browser: Client, run: PurgeRun) -> None:
    page = browser.get(page_of(run), {"deal": "interrupted"}).content.decode()

    row = page.partition('<tr role="row" class="dp-amber">')[2].partition("</tr>")[0]
    assert f'href="{LIST}deal/?org=acme&amp;deal=interrupted-0"' in row
    assert "interrupted</span>" in row
    assert '<svg class="dp-icon"' in row
    assert 'data-label="left">7<' in row
    assert "10:31:12 UTC" in row


def test_tabs_tell_how_many_have_each_outcome(browser: Client, run: PurgeRun) -> None:
    tabs = table(browser, run, outcome="skipped_active").tabs

    assert [(tab.label, tab.count) for tab in tabs] == [
        ("All", 125),
        ("Interrupted", 1),
        ("Not removed", 1),
        ("Purged", 120),
        ("Skipped, active", 2),
        ("Not found", 1),
    ]
    assert [tab.label for tab in tabs if tab.current] == ["Skipped, active"]
    assert set(ids(browser, run, outcome="skipped_active")) == {"skipped_active-0", "skipped_active-1"}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"deal": "purged-11"}, {"purged-11", *(f"purged-11{n}" for n in range(10))}),
        ({"deal": "acme:purged-11"}, {*(f"purged-11{n}" for n in range(0, 10, 2))}),
        ({"deal": "purged-11", "org": "birch"}, {"purged-11", *(f"purged-11{n}" for n in range(1, 10, 2))}),
        ({"deal": "active", "outcome": "purged"}, set()),
        ({"deal": "active", "outcome": "nonsense"}, {"skipped_active-0", "skipped_active-1"}),
        ({"deal": " not_found "}, {"not_found-0"}),
        ({"deal": "%"}, set()),
        ({"deal": "x\0"}, set()),
        ({"org": "acme\0"}, set()),
    ],
)
def test_deals_are_found_by_a_part_of_their_id(
    browser: Client, run: PurgeRun, query: dict[str, str], found: set[str]
) -> None:
    assert set(ids(browser, run, **query)) == found


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        ("deal", "interrupted-0"),
        ("-deal", "skipped_active-1"),
        ("-deleted", "purged-119"),
        ("active", "purged-119"),
        ("org", "not_found-0"),
        ("outcome", "interrupted-0"),
        ("-outcome", "skipped_active-0"),
        ("nonsense", "interrupted-0"),
    ],
)
def test_headings_sort(browser: Client, run: PurgeRun, sort: str, first: str) -> None:
    assert ids(browser, run, sort=sort)[0] == first


def test_a_heading_says_how_it_is_sorted_and_turns_it_round(browser: Client, run: PurgeRun) -> None:
    headings = {heading.name: heading for heading in table(browser, run, sort="-deleted", deal="purged").headings}

    assert headings["deleted"].direction == "descending"
    assert headings["deleted"].query == "deal=purged&sort=deleted"
    assert headings["active"].query == "deal=purged&sort=-active"
    assert headings["deal"].query == "deal=purged&sort=deal"
    assert headings["deal"].direction == ""


def test_pages_lead_on_and_back(browser: Client, run: PurgeRun) -> None:
    first, second, last = (table(browser, run, p=number) for number in (1, 2, 3))

    assert list(first.pages) == [("1", ""), ("2", "p=2"), ("3", "p=3")]
    assert (second.first, second.last, second.row_count) == (51, 100, 125)
    assert (last.first, last.last, len(last.rows)) == (101, 125, 25)
    assert (second.previous_query, second.next_query) == ("", "")
    met = [row.deal_id for page in (first, second, last) for row in page.rows]
    assert len(set(met)) == 125


@pytest.mark.parametrize(("asked", "number"), [("0", 1), ("-1", 1), ("x", 1), ("99", 3), ("9" * 40, 1), ("²", 1)])
def test_a_page_that_is_none_is_the_nearest(browser: Client, run: PurgeRun, asked: str, number: int) -> None:
    assert table(browser, run, p=asked).number == number


def test_what_is_searched_is_not_counted(browser: Client, run: PurgeRun) -> None:
    found, second, third = (table(browser, run, deal="purged", p=number) for number in (1, 2, 3))

    assert (found.row_count, list(found.pages)) == (None, [])
    assert (found.previous_query, found.next_query) == ("", "deal=purged&p=2")
    assert (second.previous_query, second.next_query) == ("deal=purged&p=1", "deal=purged&p=3")
    assert (third.previous_query, third.next_query) == ("deal=purged&p=2", "")
    assert "1 to 50 " in " ".join(strip_tags(browser.get(page_of(run), {"deal": "purged"}).content.decode()).split())


def test_nothing_that_matches_leads_back(browser: Client, run: PurgeRun) -> None:
    page = browser.get(page_of(run), {"deal": "nobody", "outcome": "purged"}).content.decode()

    assert "No deal matches." in page
    assert 'href="?outcome=purged#deals"' in page


def test_a_dry_run_has_no_column_of_what_was_deleted(browser: Client, make_preview: MakePreview, purger: User) -> None:
    run = make_preview(purger, outcomes={"would_be_purged": 1, "would_be_skipped": 1})
    for outcome in ("would_be_purged", "would_be_skipped"):
        PurgeRunDeal.objects.create(run=run, org_id="acme", deal_id=outcome, outcome=outcome, keys_left=3)

    page = browser.get(page_of(run), {"outcome": "all"}).content.decode()
    page = page.partition('id="deals"')[2].partition("</section>")[0]

    assert "would be purged" in page
    assert "would be skipped" in page
    assert "deleted" not in page


PREVIEWED = {"would_be_purged": 3, "would_be_skipped": 2, "not_found": 1}


@pytest.fixture
def previewed(make_preview: MakePreview, purger: User) -> PurgeRun:
    made = make_preview(purger, outcomes=PREVIEWED)
    PurgeRunDeal.objects.bulk_create(rows_of(made, PREVIEWED))
    return made


def test_a_preview_shows_first_what_would_go(browser: Client, previewed: PurgeRun) -> None:
    shown = table(browser, previewed)

    assert [(tab.label, tab.count) for tab in shown.tabs] == [
        ("Would be purged", 3),
        ("Would be skipped", 2),
        ("Not found", 1),
        ("All", 6),
    ]
    assert [tab.label for tab in shown.tabs if tab.current] == ["Would be purged"]
    assert [row.badge.word for row in shown.rows] == ["would be purged"] * 3
    assert (shown.row_count, shown.export_query) == (3, "")
    assert [heading.name for heading in shown.headings] == ["deal", "org", "left", "active"]
    assert [heading.direction for heading in shown.headings] == ["", "", "descending", ""]


def test_all_deals_of_a_preview_tell_what_would_become_of_each(browser: Client, previewed: PurgeRun) -> None:
    shown = table(browser, previewed, outcome="all")

    assert len(shown.rows) == shown.row_count == 6
    assert [heading.name for heading in shown.headings] == ["deal", "org", "outcome", "left", "active"]
    assert shown.export_query == "outcome=all"


def test_a_search_in_a_tab_leads_on_to_all_deals(browser: Client, previewed: PurgeRun) -> None:
    page = browser.get(page_of(previewed), {"deal": "skipped"}).content.decode()

    assert '<a href="?outcome=all&amp;deal=skipped#deals">Search all deals of this preview</a>' in page
    assert ids(browser, previewed, deal="skipped", outcome="all") == ["would_be_skipped-0", "would_be_skipped-1"]


def test_a_preview_of_nothing_but_skipped_deals_shows_those(
    browser: Client, make_preview: MakePreview, purger: User
) -> None:
    run = make_preview(purger, outcomes={"would_be_skipped": 2})
    PurgeRunDeal.objects.bulk_create(rows_of(run, {"would_be_skipped": 2}))

    shown = table(browser, run)

    assert len(shown.rows) == shown.row_count == 2
    assert [tab.label for tab in shown.tabs] == ["Would be skipped"]


def test_organisations_are_chosen_from_a_list(browser: Client, run: PurgeRun) -> None:
    PurgeRun.objects.filter(pk=run.pk).update(organisations={"count": 2, "largest": [["acme", 63], ["<b>", 61]]})

    shown = table(browser, run, org="acme")

    assert [(choice.value, choice.label, choice.chosen) for choice in shown.organisations] == [
        ("acme", "acme (63)", True),
        ("<b>", "<b> (61)", False),
    ]
    assert '<option value="&lt;b&gt;">&lt;b&gt; (61)</option>' in browser.get(page_of(run)).content.decode()
    assert [choice.value for choice in table(browser, run, org="other").organisations] == ["acme", "<b>", "other"]


@pytest.mark.parametrize("known", [None, {}, {"count": 0, "largest": []}, {"count": 101, "largest": [["acme", 1]]}])
def test_those_that_are_not_all_known_are_typed(browser: Client, run: PurgeRun, known: dict[str, Any] | None) -> None:
    PurgeRun.objects.filter(pk=run.pk).update(organisations=known)

    assert table(browser, run).organisations == []
    assert '<input type="search" name="org"' in browser.get(page_of(run)).content.decode()


def test_a_run_of_before_or_a_lost_one_is_counted(browser: Client, run: PurgeRun) -> None:
    PurgeRun.objects.update(outcomes=None)

    run.refresh_from_db()
    assert queries.counts(run) == OUTCOMES
    assert table(browser, run).row_count == 125


def test_a_run_without_rows_says_so(browser: Client, make_preview: MakePreview, purger: User) -> None:
    assert "The record holds no rows of these deals." in browser.get(page_of(make_preview(purger))).content.decode()
    pruned = make_preview(purger, outcomes={"would_be_purged": 7})
    assert "were pruned from the record" in browser.get(page_of(pruned)).content.decode()
    nothing = {**REPORT, "deals": dict.fromkeys(REPORT["deals"], 0)}  # type: ignore[call-overload]
    none = make_preview(purger, outcomes={}, report=nothing)
    assert "It met no deal." in browser.get(page_of(none)).content.decode()


def test_a_page_reads_no_more_deals_than_it_shows(
    browser: Client, run: PurgeRun, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    read: list[str] = []

    def note(instance: PurgeRunDeal, **kwargs: Any) -> None:
        read.append(instance.deal_id)

    post_init.connect(note, sender=PurgeRunDeal)
    try:
        with django_assert_max_num_queries(8):
            browser.get(page_of(run))
    finally:
        post_init.disconnect(note, sender=PurgeRunDeal)

    assert len(read) == 51


def export(browser: Client, run: PurgeRun, **query: str) -> list[dict[str, str]]:
    response: Any = browser.get(page_of(run, "deals"), query)
    assert response.streaming
    assert response.headers["Content-Disposition"] == f'attachment; filename="purge-run-{run.pk}-deals.csv"'
    return list(csv.DictReader(io.StringIO(b"".join(response).decode())))


def test_all_rows_that_match_are_exported(browser: Client, run: PurgeRun) -> None:
    assert len(export(browser, run)) == 125
    (row,) = export(browser, run, outcome="interrupted", p="7")

    assert row == {
        "run_id": str(run.pk),
        "org_id": "acme",
        "deal_id": "interrupted-0",
        "outcome": "interrupted",
        "keys_deleted": "0",
        "keys_left": "7",
        "last_active_at": "2026-11-26T10:31:12Z",
    }


def test_what_a_spreadsheet_would_take_for_a_formula_is_text(
    browser: Client, make_preview: MakePreview, purger: User
) -> None:
    run = make_preview(purger, dry_run=False)
    PurgeRunDeal.objects.create(run=run, org_id="-1+2", deal_id="=cmd|' /C calc'!A0", outcome="purged")

    (row,) = export(browser, run)

    assert (row["org_id"], row["deal_id"]) == ("'-1+2", "'=cmd|' /C calc'!A0")
    assert (row["keys_deleted"], row["keys_left"], row["last_active_at"]) == ("", "", "")


def test_there_is_no_export_of_no_run(browser: Client) -> None:
    assert browser.get(page_of(uuid4(), "deals")).status_code == 404


def test_ids_are_shown_as_text(browser: Client, make_preview: MakePreview, purger: User) -> None:
    run = make_preview(purger, dry_run=False, outcomes={"purged": 1})
    PurgeRunDeal.objects.create(run=run, org_id="<b>", deal_id="<script>\u202e/?&#", outcome="purged", keys_deleted=1)

    page = browser.get(page_of(run)).content.decode()

    assert "&lt;script&gt;\\u202e/?&amp;#</a>" in page
    assert "?org=%3Cb%3E&amp;deal=%3Cscript%3E%E2%80%AE%2F%3F%26%23" in page
    assert '<td role="cell">&lt;b&gt;</td>' in page


ODD = [
    "",
    "\0",
    "a\0b",
    "\ufffd",
    "%",
    "'\"<>",
    "\u0663",
    "-1",
    "9" * 5000,
    "a" * 70_000,
]


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("name", ["outcome", "org", "deal", "sort", "p", "kind", "whatever__x"])
def test_no_query_breaks_a_page_or_an_export(browser: Client, run: PurgeRun, name: str, value: str) -> None:
    timeline = {"deal": "purged-1", "org": "acme"} | {name: value}

    for address, query in (
        (page_of(run), {name: value}),
        (page_of(run, "deals"), {name: value}),
        (f"{LIST}deal/", timeline),
        (f"{LIST}deal/export/", timeline),
    ):
        response: Any = browser.get(address, query)
        assert response.status_code in (200, 404)
        if response.streaming:
            assert b"".join(response).startswith(b"run_id")


@pytest.mark.parametrize(("included", "columns"), [(True, ["left", "checkpoints"]), (False, ["left"])])
def test_checkpoints_of_each_deal_are_told_where_they_would_go(
    browser: Client, make_preview: MakePreview, purger: User, included: bool, columns: list[str]
) -> None:
    run = make_preview(purger, outcomes={"would_be_purged": 2}, include_checkpoints=included)
    for deal, count in (("few", 3), ("many", 1044)):
        PurgeRunDeal.objects.create(
            run=run, org_id="acme", deal_id=deal, outcome="would_be_purged", keys_left=2000, checkpoints=count
        )

    shown = table(browser, run, sort="-checkpoints")

    assert [heading.name for heading in shown.headings if heading.numeric] == columns
    assert [row.deal_id for row in shown.rows] == ["many", "few"]
    page = browser.get(page_of(run)).content.decode()
    assert ('data-label="checkpoints">1,044<' in page) == included


def test_none_is_told_apart_from_what_an_older_worker_did_not_count(
    browser: Client, make_preview: MakePreview, purger: User
) -> None:
    run = make_preview(purger, outcomes={"would_be_purged": 2}, include_checkpoints=True)
    for deal, count in (("none", 0), ("unknown", None)):
        run.run_deals.create(org_id="acme", deal_id=deal, outcome="would_be_purged", checkpoints=count)

    page = browser.get(page_of(run), {"sort": "-checkpoints"}).content.decode()

    assert [cell.partition("<")[0] for cell in page.split('data-label="checkpoints">')[1:]] == ["0", "\N{EN DASH}"]
