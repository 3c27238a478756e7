"""The record: found again next month."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags
from pytest_django import DjangoAssertNumQueries

from dealpurge.models import PurgeRun, PurgeRunDeal
from dealpurge.runs import store
from dealpurge.runs.deals.export import cell
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from tests.console.conftest import LIST, ClientOf, MakePreview


@pytest.fixture
def browser(client_of: ClientOf, purger: User) -> Client:
    return client_of(purger)


def listed(browser: Client, **query: str) -> set[Any]:
    return {run.pk for run in browser.get(LIST, query).context["cl"].result_list}


def exported(browser: Client, **query: str) -> list[dict[str, str]]:
    response: Any = browser.get(f"{LIST}export/", query)
    text = b"".join(response.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text)))


def test_a_row_tells_who_did_what(browser: Client, make_preview: MakePreview, purger: User) -> None:
    make_preview(purger, dry_run=False, mode="by_deal", deals=[["acme", "d1"], ["acme", "d2"]], deals_named=2)
    PurgeRun.objects.update(keys_deleted=1234)

    page = " ".join(browser.get(LIST).content.decode().split())

    assert "d1 of acme and 1 other" in page
    assert '<span class="dp-badge dp-completed">completed</span>' in page
    assert '<td class="field-keys">1,234</td>' in page
    assert 'purger <span class="dp-quiet">via admin</span>' in page


def test_keys_of_a_dry_run_would_go(browser: Client, make_preview: MakePreview, purger: User) -> None:
    make_preview(purger)

    assert '<span class="dp-quiet">42 would go</span>' in browser.get(LIST).content.decode()


def test_a_deal_is_found_by_its_id_wherever_it_was_named_or_met(
    browser: Client, make_preview: MakePreview, purger: User
) -> None:
    named = make_preview(purger, mode="by_deal", deals=[["acme", "deal-1"], ["acme", "deal-2"]], deals_named=2)
    met = make_preview(purger, dry_run=False)
    PurgeRunDeal.objects.create(run=met, org_id="acme", deal_id="deal-1", outcome="purged")
    longer = make_preview(purger, mode="by_deal", deals=[["acme", "deal-11"]], deals_named=1)
    organisation = make_preview(purger, mode="by_deal", deals=[["deal-1", "x"]], deals_named=1)

    assert listed(browser, q=" deal-1 ") == {named.pk, met.pk, organisation.pk}
    assert listed(browser, q="acme:deal-1") == {named.pk, met.pk}
    assert listed(browser, q="initech:deal-1") == set()
    assert listed(browser, q="deal-11") == {longer.pk}
    assert listed(browser, q="x") == {organisation.pk}


@pytest.mark.parametrize("deal_id", ["é", 'q"\\', "%", "_", "<script>", "*", "a'b", "日本"])
def test_ids_of_any_characters_are_found(
    browser: Client, make_preview: MakePreview, purger: User, deal_id: str
) -> None:
    run = make_preview(purger, mode="by_deal", deals=[[None, deal_id]], deals_named=1)
    make_preview(purger, mode="by_deal", deals=[[None, "other"]], deals_named=1)

    assert listed(browser, q=deal_id) == {run.pk}


def test_runs_are_found_by_their_own_id_and_by_who_asked(
    browser: Client, make_preview: MakePreview, purger: User, superuser: User
) -> None:
    mine, other = make_preview(purger), make_preview(superuser)

    assert listed(browser, q=str(other.pk)) == {other.pk}
    assert listed(browser, q="ROOT") == {other.pk}
    assert listed(browser, q="") == {mine.pk, other.pk}


@pytest.mark.parametrize(("kind", "expected"), [("purge", 1), ("dry_run", 2), ("inventory", 1), ("nonsense", 4)])
def test_kinds_are_told_apart(
    browser: Client, make_preview: MakePreview, purger: User, kind: str, expected: int
) -> None:
    make_preview(purger), make_preview(purger)
    make_preview(purger, dry_run=False)
    make_preview(purger, inventory=True)

    assert len(listed(browser, kind=kind)) == expected


@pytest.mark.parametrize(
    "query",
    [
        "status__exact=partial",
        "kind=purge",
        "mode__exact=by_deal",
        "source__exact=command",
        "include_checkpoints__exact=1",
        "actor__id__exact={root}",
        "created_at__year=2020",
    ],
)
def test_each_filter_is_offered_and_narrows_the_list(
    browser: Client, make_preview: MakePreview, purger: User, superuser: User, query: str
) -> None:
    make_preview(purger)
    other = make_preview(
        superuser,
        status="partial",
        dry_run=False,
        mode="by_deal",
        deals=[["acme", "deal-1"]],
        source="command",
        include_checkpoints=True,
        created_at=datetime(2020, 2, 29, tzinfo=UTC),
    )
    query = query.format(root=superuser.pk)

    assert f'<a href="?{query}">' in browser.get(LIST).content.decode()
    assert listed(browser, **dict([query.split("=")])) == {other.pk}


def test_who_never_asked_for_anything_is_no_choice(
    browser: Client, make_preview: MakePreview, purger: User, superuser: User, staff: User
) -> None:
    make_preview(purger), make_preview(superuser)

    page = browser.get(LIST).content.decode()

    assert f"?actor__id__exact={superuser.pk}" in page
    assert f"?actor__id__exact={staff.pk}" not in page


def test_a_lost_run_is_not_listed_as_running(browser: Client) -> None:
    run = store.create(PurgeScope(mode="all", dry_run=False), Origin(source="api"))
    PurgeRun.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now() - timedelta(minutes=2))

    browser.get(LIST)

    run.refresh_from_db()
    assert run.status == "failed"


@pytest.mark.slow
def test_50_000_runs_take_few_queries_and_load_no_reports(
    browser: Client, purger: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    some = [PurgeRun(mode="all", source="api", status="completed", report={"x": "y" * 50}) for _ in range(50_000)]
    PurgeRun.objects.bulk_create(some)

    with django_assert_max_num_queries(16):
        page = browser.get(LIST)

    rows = list(page.context["cl"].result_list)
    assert len(rows) == 50
    assert all({"report", "sentences", "deals", "error", "reason"} <= row.get_deferred_fields() for row in rows)


def test_the_export_has_the_rows_that_the_list_shows(browser: Client, make_preview: MakePreview, purger: User) -> None:
    make_preview(purger)
    live = make_preview(purger, dry_run=False, reason="two\nlines", mode="by_deal", deals=[["a", "d"]], deals_named=1)

    (row,) = exported(browser, kind="purge")

    assert row["run_id"] == str(live.pk)
    assert (row["scope"], row["reason"], row["actor"]) == ("d of a", "two\nlines", "purger")
    assert row["created_at"].endswith("Z")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-x", "@SUM(A1)"])
def test_nothing_in_the_export_is_a_formula(
    browser: Client, make_preview: MakePreview, purger: User, text: str
) -> None:
    make_preview(purger, reason=text)

    assert exported(browser)[0]["reason"] == f"'{text}"


def test_what_is_no_formula_stays_as_it_is() -> None:
    assert [cell(value) for value in ("a=1", 5, None, True, "$(touch x)", "a'b")] == [
        *("a=1", "5", "", "True", "$(touch x)", "a'b")
    ]


def test_the_export_of_a_nonsense_filter_leads_back(browser: Client) -> None:
    response = browser.get(f"{LIST}export/", {"created_at__year": "never"})

    assert response.headers["Location"] == LIST


def test_the_export_reads_runs_in_a_bounded_number_of_queries(
    browser: Client, purger: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    some = [PurgeRun(mode="by_deal", deals=[["a", "b"]], deals_named=1, actor=purger) for _ in range(2500)]
    PurgeRun.objects.bulk_create(some)

    with django_assert_max_num_queries(8):
        assert len(exported(browser)) == 2500


def test_a_run_that_skipped_the_deal_does_not_read_as_if_it_had_purged_it(
    browser: Client, make_preview: MakePreview, purger: User
) -> None:
    for outcome in ("purged", "skipped_active"):
        run = make_preview(purger, dry_run=False)
        PurgeRunDeal.objects.create(run=run, org_id="acme", deal_id="deal-1", outcome=outcome)
        PurgeRunDeal.objects.create(run=run, org_id="birch", deal_id="deal-1", outcome="interrupted")
    make_preview(purger, dry_run=False, reason="deal-1 is stuck")

    cells = [
        strip_tags(cell.partition("</td>")[0]).strip()
        for cell in browser.get(LIST, {"q": "acme:deal-1"}).content.decode().split('field-outcome_of_deal">')[1:]
    ]
    assert sorted(cells) == ["purged", "skipped, active"]
    page = browser.get(LIST, {"q": "deal-1"}).content.decode()
    assert page.count("interrupted</span>") == 2
    assert page.count('field-outcome_of_deal">\u2013</td>') == 1
    assert "field-outcome_of_deal" not in browser.get(LIST).content.decode()


def test_runs_are_found_by_organisation_and_by_reason(browser: Client, make_preview: MakePreview, purger: User) -> None:
    ticket = make_preview(purger, reason="OPS-4127 stale canvas")
    of_all = make_preview(purger, org_id="globex")
    named = make_preview(purger, mode="by_deal", deals=[["globex", "d"]], deals_named=1)

    assert listed(browser, q="ops-4127") == {ticket.pk}
    assert listed(browser, q="globex") == {of_all.pk, named.pk}
    assert listed(browser, q="globe") == set()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (
            {"dry_run": False, "deals_purged": 18861, "outcomes": {"purged": 18861, "interrupted": 142}},
            "18,861 of 19,003",
        ),
        ({"dry_run": False, "deals_purged": 7, "outcomes": {"purged": 7, "not_found": 2}}, "7"),
        ({"dry_run": False, "deals_purged": 7}, "7"),
        ({"deals_purged": 7, "outcomes": {"would_be_purged": 7, "would_be_skipped": 5}}, "7 of 12 would go"),
        ({"inventory": True}, "\u2013"),
        ({"dry_run": False, "status": "failed", "report": None, "started_at": Now()}, "\u2013"),
    ],
)
def test_the_list_says_how_many_of_the_deals_went(
    browser: Client, make_preview: MakePreview, purger: User, fields: dict[str, Any], told: str
) -> None:
    make_preview(purger, **fields)

    cell = browser.get(LIST).content.decode().partition('<td class="field-deals_in_numbers">')[2].partition("</td>")[0]

    assert strip_tags(cell) == told


def test_who_looks_for_a_ticket_sees_the_usual_columns(
    browser: Client, make_preview: MakePreview, purger: User
) -> None:
    run = make_preview(purger, dry_run=False, reason="OPS-4127")
    run.run_deals.create(org_id="acme", deal_id="deal-1", outcome="purged")

    assert 'class="column-took"' in browser.get(LIST, {"q": "OPS-4127"}).content.decode()
    assert "column-outcome_of_deal" not in browser.get(LIST, {"q": "OPS-4127"}).content.decode()
    assert "column-outcome_of_deal" in browser.get(LIST, {"q": "acme:deal-1"}).content.decode()
