from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import DEFAULT_DB_ALIAS
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from dealpurge.models import PurgeRun, PurgeRunDeal
from dealpurge.report import PurgeReport
from dealpurge.signals import purge_finished
from project.deals.models import Deal, Organization
from tests.console.conftest import ClientOf, MakePreview
from tests.support.databases import ReplicaRouter


@pytest.fixture
def deals(db: None) -> dict[str, Deal]:
    acme, birch = (Organization.objects.create(slug=slug, name=slug.title()) for slug in ("acme", "birch"))
    names = [(acme, "1"), (acme, "2"), (birch, "1"), (birch, "3")]
    return {
        f"{org.slug}:{deal_id}": Deal.objects.create(deal_id=deal_id, organization=org, name="A deal")
        for org, deal_id in names
    }


def finish(run: PurgeRun, *outcomes: tuple[str | None, str, str]) -> None:
    """As the service does at the end of a run."""
    rows = [PurgeRunDeal(run=run, org_id=org, deal_id=deal, outcome=outcome) for org, deal, outcome in outcomes]
    PurgeRunDeal.objects.using(DEFAULT_DB_ALIAS).bulk_create(rows)
    for _receiver, answer in purge_finished.send_robust(sender=PurgeRun, run=run, report=PurgeReport):
        assert not isinstance(answer, Exception), answer


def entries() -> set[tuple[str, str]]:
    return {(entry.object_id or "", entry.change_message) for entry in LogEntry.objects.all()}


def test_each_deal_that_lost_keys_has_an_entry(make_preview: MakePreview, purger: User, deals: dict[str, Deal]) -> None:
    run = make_preview(purger, dry_run=False)

    finish(run, ("acme", "1", "purged"), ("acme", "2", "skipped_active"), ("birch", "1", "interrupted"))

    assert entries() == {
        (str(deals["acme:1"].pk), f"Redis state purged (run {run.pk})."),
        (
            str(deals["birch:1"].pk),
            f"Redis state purged in part (run {run.pk}).",
        ),
    }
    assert {entry.user for entry in LogEntry.objects.all()} == {purger}


def test_what_a_replica_does_not_know_yet_is_in_the_history(
    make_preview: MakePreview, purger: User, deals: dict[str, Deal], settings: Settings
) -> None:
    class RunsLag(ReplicaRouter):
        def db_for_read(self, model: type, **hints: Any) -> str:
            return "a-replica" if model is PurgeRunDeal else DEFAULT_DB_ALIAS

    run = make_preview(purger, dry_run=False)
    PurgeRunDeal.objects.create(run=run, org_id="acme", deal_id="1", outcome="purged")
    settings.DATABASE_ROUTERS = [RunsLag()]

    finish(run)

    assert len(entries()) == 1


def test_keys_without_an_organisation_are_those_of_a_deal_only_where_it_is_one(
    make_preview: MakePreview, purger: User, deals: dict[str, Deal]
) -> None:
    run = make_preview(purger, dry_run=False)

    finish(run, (None, "1", "purged"), (None, "3", "purged"), (None, "9", "purged"))

    assert {pk for pk, _message in entries()} == {str(deals["birch:3"].pk)}


def test_a_dry_run_leaves_no_entry(make_preview: MakePreview, purger: User, deals: dict[str, Deal]) -> None:
    finish(make_preview(purger), ("acme", "1", "purged"))

    assert not entries()


def test_a_run_of_nobody_leaves_no_entry(make_preview: MakePreview, deals: dict[str, Deal]) -> None:
    finish(make_preview(None, dry_run=False), ("acme", "1", "purged"))

    assert not entries()


def test_many_deals_are_logged_in_batches(
    make_preview: MakePreview,
    purger: User,
    deals: dict[str, Deal],
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    acme = deals["acme:1"].organization
    Deal.objects.bulk_create([Deal(deal_id=f"d{n}", organization=acme, name="x") for n in range(1200)])
    run = make_preview(purger, dry_run=False)
    rows = [PurgeRunDeal(run=run, org_id="acme", deal_id=f"d{n}", outcome="purged") for n in range(1200)]
    PurgeRunDeal.objects.using(DEFAULT_DB_ALIAS).bulk_create(rows)

    with django_assert_max_num_queries(20):
        finish(run)

    assert LogEntry.objects.count() == 1200


def test_the_history_page_of_a_deal_shows_it(
    client_of: ClientOf, make_preview: MakePreview, purger: User, deals: dict[str, Deal]
) -> None:
    run = make_preview(purger, dry_run=False)
    finish(run, ("acme", "1", "purged"))

    page = client_of(purger).get(f"/admin/deals/deal/{deals['acme:1'].pk}/history/").content.decode()

    assert f"Redis state purged (run {run.pk})." in page
