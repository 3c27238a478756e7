"""How a run ended, in words that are true of it, and what that leads on to."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client
from django.utils.html import strip_tags

from dealpurge.models import PurgeRun, PurgeRunDeal
from dealpurge.runs.deals import remainder
from dealpurge.runs.deals.remainder import Kind, remaining, scope_of
from tests.support.seeding import HOUR

from ..conftest import LIST, REPORT, ClientOf, MakePreview, latest, page_of

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 23, 10, 31, 7, tzinfo=UTC)
Deal = tuple[str | None, str]
Row = tuple[str | None, str, str]


@pytest.fixture
def browser(client_of: ClientOf, purger: User) -> Client:
    return client_of(purger)


def report(**counts: int) -> dict[str, Any]:
    deals, keys = dict.fromkeys(REPORT["deals"], 0), dict.fromkeys(REPORT["keys"], 0)  # type: ignore[call-overload]
    for name, count in counts.items():
        (deals if name in deals else keys)[name] = count
    return {**REPORT, "deals": deals, "keys": keys}


def note(browser: Client, run: PurgeRun) -> str:
    page = browser.get(page_of(run)).content.decode()
    return " ".join(re.sub("<[^>]+>", " ", page.partition('id="dp-end">')[2].partition("</section>")[0]).split())


def with_rows(run: PurgeRun, *rows: tuple[str | None, str, str, int | None]) -> PurgeRun:
    for org_id, deal_id, outcome, left in rows:
        PurgeRunDeal.objects.create(run=run, org_id=org_id, deal_id=deal_id, outcome=outcome, keys_left=left)
    return run


ENDS: dict[str, tuple[dict[str, Any], str]] = {
    "completed": ({"status": "completed", "report": report(), "deals_purged": 183}, "Done: 183 deals purged"),
    "completed, some skipped": (
        {"status": "completed", "report": report(skipped_active=17), "deals_purged": 1183},
        "Done: 1,183 deals purged 17 skipped, because somebody works on them. Preview the purge of these 17",
    ),
    "completed, one of each": (
        {"status": "completed", "report": report(skipped_active=1), "deals_purged": 1},
        "Done: 1 deal purged 1 skipped, because somebody works on it. Preview the purge of this deal",
    ),
    "keys stuck": (
        {"status": "partial", "report": report(not_removed=40)},
        "Finished in part: 40 keys could not be removed Preview again",
    ),
    "half-way": (
        {"status": "partial", "report": report(interrupted=8, not_removed=1)},
        "Finished in part: 8 deals were left half-way 1 key could not be removed. Preview the purge of these 8",
    ),
    "cancelled": (
        {"status": "cancelled", "report": report(), "cancelled_by": "d.silva", "keys_deleted": 402118},
        "Cancelled by d.silva 402,118 keys stay deleted. Run again to finish. Preview what is left",
    ),
    "cancelled, of named deals": (
        {
            "status": "cancelled",
            "report": report(),
            "cancelled_by": "d.silva",
            "keys_deleted": 1,
            "mode": "by_deal",
            "deals": [["acme", f"d{n}"] for n in range(9)],
            "deals_named": 9,
            "deals_purged": 4,
        },
        "Cancelled by d.silva at 4 of 9 deals 1 key stays deleted. Run again to finish. Preview the other 9",
    ),
    "cancelled before anything": (
        {"status": "cancelled", "report": report()},
        "Cancelled Nothing was deleted. Preview what is left",
    ),
    "cut off": (
        {"status": "cancelled", "report": report(), "error": "A request may take 20 s.", "keys_deleted": 5},
        "Cancelled A request may take 20 s. 5 keys stay deleted. Run again to finish. Preview what is left",
    ),
    "failed": (
        {
            "status": "failed",
            "error": "Redis cannot be reached.",
            "report": report(),
            "started_at": NOW,
            "keys_deleted": 28402,
            "outcomes": {"purged": 600, "interrupted": 3, "not_removed": 1, "skipped_active": 9},
        },
        "Failed: Redis cannot be reached. Run {id}. 28,402 keys of 604 deals were deleted. Preview what is left",
    ),
    "failed before anything": (
        {"status": "failed", "error": "No worker took it in time.", "report": None, "started_at": None},
        "Failed: No worker took it in time. Nothing was deleted.",
    ),
    "lost": (
        {"status": "failed", "error": "x", "report": None, "started_at": NOW, "heartbeat_at": NOW, "keys_deleted": 12},
        "Lost: no sign of life from its worker for a minute At least 12 keys were deleted. It was last heard of on "
        "23 Nov 2026, 10:31:07 UTC, and what it did after that is not known. Preview what is left",
    ),
    "lost before anything": (
        {"status": "failed", "error": "x", "report": None, "started_at": NOW, "heartbeat_at": NOW},
        "Lost: no sign of life from its worker for a minute As far as is known it had deleted nothing.",
    ),
    "a dry run": ({"dry_run": True, "report": report()}, ""),
    "a dry run that was cancelled": (
        {"dry_run": True, "status": "cancelled", "cancelled_by": "d.silva", "report": report()},
        "Preview cancelled by d.silva. Nothing was deleted.",
    ),
    "a dry run that failed": (
        {"dry_run": True, "status": "failed", "error": "Redis cannot be reached.", "report": report()},
        "Failed: Redis cannot be reached. Nothing was deleted.",
    ),
    "under way": ({"status": "running", "report": None, "started_at": NOW}, ""),
}


@pytest.mark.parametrize("name", ENDS)
def test_a_run_says_how_it_ended(browser: Client, make_preview: MakePreview, purger: User, name: str) -> None:
    fields, told = ENDS[name]
    all_fields: dict[str, Any] = {"dry_run": False, "outcomes": {}, "finished_at": NOW, "deals_purged": 0} | fields
    run = make_preview(purger, **all_fields)
    if name == "under way":
        PurgeRun.objects.update(finished_at=None, heartbeat_at=datetime.now(UTC))

    assert note(browser, run) == told.replace("{id}", str(run.pk)[:8])


def test_what_deals_keep_that_were_left_half_way_is_told(
    browser: Client, make_preview: MakePreview, purger: User
) -> None:
    run = make_preview(
        purger, dry_run=False, status="partial", report=report(interrupted=2), outcomes={"interrupted": 2}
    )
    with_rows(run, ("acme", "1", "interrupted", 2900), ("acme", "2", "interrupted", 17), ("acme", "3", "purged", 5))

    assert "They keep 2,917 keys." in note(browser, run)


def test_a_purge_of_a_preview_was_of_its_deals(browser: Client, make_preview: MakePreview, purger: User) -> None:
    preview = make_preview(purger, deals_purged=8993)
    run = make_preview(
        purger, dry_run=False, preview=preview, status="cancelled", report=report(), deals_purged=4102, outcomes={}
    )

    assert note(browser, run).startswith("Cancelled at 4,102 of 8,993 deals")


def test_who_may_not_purge_is_offered_nothing(
    client_of: ClientOf, staff: User, make_preview: MakePreview, purger: User
) -> None:
    run = make_preview(purger, dry_run=False, status="partial", report=report(not_removed=1), outcomes={})
    staff.user_permissions.set([*purger.user_permissions.model.objects.filter(codename="view_purgerun")])

    assert note(client_of(staff), run) == "Finished in part: 1 key could not be removed"
    assert client_of(staff).post(page_of(run, "rest"), {"kind": "rest"}).status_code == 403


# What is left


@pytest.mark.parametrize(
    ("kind", "deals"),
    [
        ("skipped", [["acme", "skipped"], [None, "bare"]]),
        ("interrupted", [["acme", "half"]]),
        ("rest", []),
    ],
)
def test_a_button_previews_what_it_says(
    browser: Client, make_preview: MakePreview, purger: User, kind: str, deals: list[list[str | None]]
) -> None:
    run = make_preview(
        purger,
        dry_run=False,
        status="partial",
        org_id="acme",
        include_checkpoints=True,
        leave_never_active=True,
        exclude_active_within_secs=HOUR,
        reason="OPS-1",
        report=report(),
    )
    with_rows(
        run,
        ("acme", "skipped", "skipped_active", 3),
        (None, "bare", "skipped_active", 1),
        ("acme", "half", "interrupted", None),
        ("acme", "gone", "purged", 0),
    )

    browser.post(page_of(run, "rest"), {"kind": kind})

    again = latest()
    assert again.pk != run.pk
    assert again.deals == deals
    assert (again.mode, again.org_id) == (("by_deal", None) if deals else ("all", "acme"))
    assert (again.dry_run, again.include_checkpoints, again.leave_never_active) == (True, True, True)
    assert (again.exclude_active_within_secs, again.reason, again.actor) == (HOUR, "OPS-1", purger)


@pytest.mark.parametrize("query", [{}, {"kind": "all"}, {"kind": ""}])
def test_what_is_none_of_them_previews_nothing(
    browser: Client, make_preview: MakePreview, purger: User, query: dict[str, str]
) -> None:
    run = make_preview(purger, dry_run=False)

    assert browser.post(page_of(run, "rest"), query).status_code == 302
    assert browser.get(page_of(run, "rest"), {"kind": "rest"}).status_code == 302
    assert PurgeRun.objects.count() == 1


@pytest.mark.parametrize(
    ("named", "rows", "left"),
    [
        ([("acme", "1"), ("acme", "2")], [("acme", "1", "purged")], [("acme", "2")]),
        ([("acme", "1")], [("acme", "1", "skipped_active")], [("acme", "1")]),
        ([("acme", "1")], [("acme", "1", "interrupted")], [("acme", "1")]),
        ([("acme", "1")], [("acme", "1", "not_removed")], [("acme", "1")]),
        ([("acme", "1"), ("acme", "2")], [("acme", "1", "not_found"), ("acme", "2", "purged")], []),
        ([(None, "1")], [("acme", "1", "purged"), ("birch", "1", "skipped_active")], [(None, "1")]),
        ([(None, "1")], [("acme", "1", "purged"), ("birch", "1", "purged")], []),
        ([("acme", "1")], [("birch", "1", "purged")], [("acme", "1")]),
        ([("acme", "1")], [(None, "1", "purged")], []),
        ([("acme", "1")], [(None, "1", "interrupted"), ("acme", "1", "purged")], [("acme", "1")]),
    ],
)
def test_what_is_left_of_named_deals_has_none_that_was_purged_and_all_that_were_not(
    make_preview: MakePreview,
    purger: User,
    named: list[Deal],
    rows: list[tuple[str | None, str, str]],
    left: list[Deal],
) -> None:
    run = make_preview(purger, dry_run=False, mode="by_deal", deals=named, deals_named=len(named))
    with_rows(run, *((*row, None) for row in rows))

    assert remaining(PurgeRun.objects.get(pk=run.pk)) == left


@pytest.mark.parametrize("kind", remainder.KINDS)
def test_keys_without_an_organisation_lead_to_no_other_deal_than_those_that_were_named(
    make_preview: MakePreview, purger: User, kind: Kind
) -> None:
    named = [("acme", "1"), ("birch", "2")]
    run = make_preview(purger, dry_run=False, mode="by_deal", deals=named, deals_named=2)
    outcome = {"skipped": "skipped_active"}.get(kind, "interrupted")
    with_rows(run, ("acme", "1", outcome, 3), (None, "1", outcome, 1), ("birch", "2", "purged", 0))

    assert scope_of(PurgeRun.objects.get(pk=run.pk), kind).deals == (("acme", "1"),)


@pytest.mark.parametrize("kind", remainder.KINDS)
def test_more_deals_than_can_be_named_are_those_of_the_scope(
    make_preview: MakePreview, purger: User, monkeypatch: pytest.MonkeyPatch, kind: Kind
) -> None:
    monkeypatch.setattr(remainder, "MOST", 2)
    named = [["acme", f"d{number}"] for number in range(3)]
    run = make_preview(purger, dry_run=False, mode="by_deal", deals=named, deals_named=3)
    outcome = {"skipped": "skipped_active"}.get(kind, "interrupted")
    with_rows(run, *(("acme", f"d{number}", outcome, None) for number in range(3)))

    scope = scope_of(PurgeRun.objects.get(pk=run.pk), kind)

    assert scope.deals == tuple(map(tuple, named))
    assert scope.dry_run


def test_a_purge_that_somebody_stopped_is_finished_by_what_it_leads_to(
    browser: Client, deals: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = PurgeRun.objects.create(
        source="admin",
        mode="by_deal",
        deals=[["acme", "deal-1"], ["acme", "deal-2"]],
        deals_named=2,
        dry_run=False,
        status="cancelled",
        report=report(),
    )
    with_rows(run, ("acme", "deal-1", "purged", 0))
    page = strip_tags(browser.get(page_of(run)).content.decode())
    assert "Preview the other deal" in page

    browser.post(page_of(run, "rest"), {"kind": "rest"})
    preview = latest()
    browser.get(page_of(preview))
    browser.post(page_of(preview, "apply"), {"typed": "purge"})

    assert latest().deals == [["acme", "deal-2"]]
    assert not deals.keys("*deal-2*")
    assert deals.keys("*deal-1*")
    assert browser.get(LIST).status_code == 200


@pytest.mark.parametrize(
    ("outcome", "counts"),
    [
        ("skipped_active", {"skipped_active": 1}),
        ("interrupted", {"interrupted": 1}),
        ("not_removed", {"not_removed": 2}),
    ],
)
def test_the_deals_that_an_end_speaks_of_are_shown(
    browser: Client, make_preview: MakePreview, purger: User, outcome: str, counts: dict[str, int]
) -> None:
    status = "completed" if outcome == "skipped_active" else "partial"
    run = make_preview(purger, dry_run=False, status=status, report=report(**counts), outcomes={outcome: 1})
    with_rows(run, ("acme", "deal-1", outcome, 3))

    assert "Show them" in note(browser, run)
    page = browser.get(page_of(run)).content.decode()
    assert f'<a href="?outcome={outcome}#deals">Show them</a>' in page
    assert [row.deal_id for row in browser.get(page_of(run), {"outcome": outcome}).context["table"].rows] == ["deal-1"]


def test_of_deals_without_rows_none_are_shown(browser: Client, make_preview: MakePreview, purger: User) -> None:
    run = make_preview(purger, dry_run=False, status="partial", report=report(interrupted=1), outcomes={})

    assert "Show them" not in note(browser, run)
