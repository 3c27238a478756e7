"""A host with ``USE_TZ = False``: every moment that a door shows, counts by or stores is the true one all the same."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import redis
from django.contrib.auth.models import User
from django.db.models import F
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from dealpurge.console import formatting
from dealpurge.exceptions import PreviewRefused, TooManyRequests
from dealpurge.models import InventoryDeal, PurgeRun, PurgeRunDeal
from dealpurge.previews.preview import Preview
from dealpurge.runs import store
from dealpurge.runs.termination import fail_lost_runs
from tests.support.commands import Purge
from tests.support.runs import DRY, LIVE, ORIGIN
from tests.support.seeding import seed_deal

from .conftest import LIST, ClientOf, MakePreview, latest, load, page_of

ZONES = ["America/New_York", "Asia/Kolkata"]
#: What a test may take.
SOON = timedelta(minutes=1)


@pytest.fixture(autouse=True, params=ZONES)
def _naive(request: pytest.FixtureRequest, settings: Settings) -> None:
    settings.USE_TZ = False
    settings.TIME_ZONE = request.param


@pytest.fixture
def browser(client_of: ClientOf, purger: User) -> Client:
    return client_of(purger)


def now() -> datetime:
    return datetime.now(UTC)


def is_now(text: str) -> bool:
    """Whether a time as the endpoint writes it is the present one."""
    return text.endswith("Z") and abs(datetime.fromisoformat(text) - now()) < SOON


def aged(run: PurgeRun, **ages: timedelta) -> None:
    """Turn moments of the row back by the database's own clock."""
    PurgeRun.objects.filter(pk=run.pk).update(**{name: Now() - age for name, age in ages.items()})


def test_a_moment_of_a_row_is_aware_and_true(make_preview: MakePreview, purger: User) -> None:
    run = make_preview(purger, created_at=Now())
    written = datetime(2026, 7, 1, 23, 59, 59, 123000, tzinfo=UTC)
    PurgeRun.objects.filter(pk=run.pk).update(heartbeat_at=written)

    run.refresh_from_db()

    assert [abs(moment - now()) < SOON for moment in (run.created_at, run.finished_at, load(run).now)] == [True] * 3
    assert run.heartbeat_at == written
    assert PurgeRun.objects.filter(heartbeat_at=written.astimezone(ZoneInfo("Asia/Tokyo"))).exists()


def test_what_is_naive_in_python_is_the_time_of_the_zone(make_preview: MakePreview, purger: User) -> None:
    run = make_preview(purger)  # created_at is timezone.now()
    run.refresh_from_db()

    assert abs(run.created_at - now()) < SOON
    assert PurgeRun.objects.filter(created_at__gt=timezone.now() - SOON, created_at__lte=timezone.now()).exists()
    assert not PurgeRun.objects.filter(created_at__gt=timezone.now()).exists()


@pytest.mark.parametrize("hour", [4, 5, 6, 7])
def test_hours_that_come_twice_are_told_apart(make_preview: MakePreview, purger: User, hour: int) -> None:
    """In New York 05:30 and 06:30 UTC are both half past one on that night."""
    moment = datetime(2026, 11, 1, hour, 30, tzinfo=UTC)
    run = make_preview(purger)
    PurgeRun.objects.filter(pk=run.pk).update(finished_at=moment)
    PurgeRun.objects.filter(pk=run.pk).update(started_at=F("finished_at"))

    run.refresh_from_db()

    assert (run.finished_at, run.started_at) == (moment, moment)


def test_the_pages_of_runs_show_utc(browser: Client, make_preview: MakePreview, purger: User) -> None:
    active = now() - timedelta(hours=3)
    run = make_preview(purger, created_at=Now())
    PurgeRunDeal.objects.create(
        run=run, org_id="acme", deal_id="deal-1", outcome="would_be_skipped", last_active_at=active
    )
    run.refresh_from_db()

    page, listed = browser.get(page_of(run)).content.decode(), browser.get(LIST).content.decode()

    assert "3\xa0hours ago" in page
    assert formatting.utc(run.created_at) in page
    assert formatting.utc(run.created_at).replace(" UTC", "\xa0UTC") in listed
    assert 14 <= load(run).left / timedelta(minutes=1) <= 15


def test_the_export_and_the_endpoint_tell_true_utc(
    browser: Client, make_preview: MakePreview, purger: User, bearer: Callable[[User], dict[str, str]]
) -> None:
    run = make_preview(purger, created_at=Now())

    response: Any = browser.get(f"{LIST}export/")
    (row,) = csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode()))
    told = browser.get(f"/api/superadmin/purge_runs/{run.pk}", headers=bearer(purger)).json()

    for name in ("created_at", "started_at", "finished_at"):
        assert is_now(row[name])
        assert is_now(told[name])


def test_a_day_of_the_list_leads_to_its_runs(browser: Client, make_preview: MakePreview, purger: User) -> None:
    """Also where the day there is not the day of ``TIME_ZONE``."""
    for hour in (0, 3, 12, 20, 23):
        run = make_preview(purger)
        PurgeRun.objects.filter(pk=run.pk).update(created_at=datetime(2026, 3, 31, hour, 30, tzinfo=UTC))
    months = browser.get(LIST, {"created_at__year": "2026"}).context["cl"].queryset.datetimes("created_at", "month")
    found = [
        browser.get(LIST, {"created_at__year": day.year, "created_at__month": day.month, "created_at__day": day.day})
        .context["cl"]
        .result_count
        for month in months
        for day in browser.get(LIST, {"created_at__year": month.year, "created_at__month": month.month})
        .context["cl"]
        .queryset.datetimes("created_at", "day")
    ]

    assert sum(found) == 5
    assert 0 not in found


@pytest.mark.parametrize(
    ("queued", "ages", "lost"),
    [
        (False, {"heartbeat_at": timedelta(seconds=50)}, False),
        (False, {"heartbeat_at": timedelta(seconds=70)}, True),
        (True, {"created_at": timedelta(minutes=14)}, False),
        (True, {"created_at": timedelta(minutes=16)}, True),
    ],
)
def test_a_run_is_lost_when_it_is(browser: Client, queued: bool, ages: dict[str, timedelta], lost: bool) -> None:
    run = store.create(LIVE, ORIGIN, queued=queued)
    assert fail_lost_runs() == 0
    aged(run, **ages)

    state = browser.get(page_of(run, "progress")).json()

    assert state["over"] is lost


def test_a_queued_run_is_claimed_and_a_running_one_beats(browser: Client) -> None:
    run = store.claim(store.create(LIVE, ORIGIN, queued=True).pk)

    assert abs(run.started_at - now()) < SOON
    assert "running" in browser.get(LIST).content.decode()


def test_a_preview_is_good_for_a_quarter_of_an_hour(make_preview: MakePreview, purger: User) -> None:
    run = make_preview(purger)
    aged(run, finished_at=timedelta(minutes=14))
    assert load(run).refusal(purger) is None

    aged(run, finished_at=timedelta(minutes=16))
    assert isinstance(load(run).refusal(purger), PreviewRefused)


def test_the_endpoint_counts_requests_by_the_clock(settings: Settings, purger: User) -> None:
    settings.DEALPURGE_RATE_LIMIT = "1/hour"
    origin = store.Origin(source="api", actor=purger)
    run = store.create(DRY, origin)

    with pytest.raises(TooManyRequests) as refused:
        store.create(DRY, origin)
    aged(run, created_at=timedelta(minutes=61))

    assert 3500 <= refused.value.retry_after <= 3600
    assert store.create(DRY, origin).status == "running"


def test_an_inventory_keeps_who_was_active_when(browser: Client, deals: redis.Redis) -> None:
    seed_deal(deals, "acme", "busy", canvas_sessions=1, image_crops=0, at=now() - timedelta(hours=5))

    browser.post(f"{LIST}inventory/scan/")
    page = browser.get(page_of(latest(), "inventory"), {"sort": "-active"})

    assert latest().status == "completed"
    (busy,) = InventoryDeal.objects.filter(deal_id="busy")
    assert abs(busy.last_active_at - (now() - timedelta(hours=5))) < SOON
    assert "5\xa0hours ago" in page.content.decode()


def test_the_command_tells_true_utc(transactional_db: None, deals: redis.Redis, purge: Purge) -> None:
    seed_deal(deals, "acme", "busy", canvas_sessions=1, image_crops=0, at=now())

    outcome = purge("--mode", "all", "--exclude-active-within-secs", "3600", "--format", "json")

    report = json.loads(outcome.out)
    assert is_now(report["started_at"])
    assert is_now(report["skipped"][0]["last_active_at"])
    assert Preview.load(latest().pk).run.finished_at >= latest().started_at
