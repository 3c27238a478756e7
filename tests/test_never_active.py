"""Deals that stay for want of any events: every place that counts them says the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from dealpurge import services
from dealpurge.engine.sweep.deal_log import DealNote
from dealpurge.models import PurgeRun, PurgeRunDeal
from dealpurge.runs import store
from dealpurge.runs.deals.rows import DealRows
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from tests.support.commands import Purge
from tests.support.seeding import HOUR, names, seed_deal

pytestmark = pytest.mark.django_db(transaction=True)

SCOPE: dict[str, Any] = {"mode": "all", "exclude_active_within_secs": HOUR, "leave_never_active": True}
OPTIONS = ("--mode=all", f"--exclude-active-within-secs={HOUR}", "--leave-never-active")
COUNTS = {
    "matched": 6,
    "purged": 1,
    "skipped_active": 2,
    "skipped_never_active": 3,
    "interrupted": 0,
    "not_found": 0,
    "organisations": 1,
    "active": None,
}
OUTCOMES = {
    "idle": "purged",
    "active-0": "skipped_active",
    "active-1": "skipped_active",
    "never-0": "skipped_never_active",
    "never-1": "skipped_never_active",
    "never-2": "skipped_never_active",
}


@pytest.fixture
def kept(valkey_settings: Settings, valkey_client: redis.Redis) -> list[str]:
    """What is to stay of six deals."""
    seed_deal(valkey_client, "acme", "idle", age=2 * HOUR)
    kept = list[str]()
    for number in range(2):
        kept += seed_deal(valkey_client, "acme", f"active-{number}", age=1)
    for number in range(3):
        kept += seed_deal(valkey_client, "birch", f"never-{number}")
    return kept


@pytest.fixture
def browser(purger: User) -> Client:
    client = Client()
    client.force_login(purger)
    return client


def latest() -> PurgeRun:
    return PurgeRun.objects.latest("created_at")


def outcomes(run: PurgeRun) -> dict[str, str]:
    return dict(PurgeRunDeal.objects.filter(run=run).values_list("deal_id", "outcome"))


@pytest.mark.parametrize("limits", [{}, {"at_most_deals": 1, "at_most_keys": 5}], ids=["", "with a limit"])
def test_the_report_and_the_record_agree(kept: list[str], valkey_client: redis.Redis, limits: dict[str, int]) -> None:
    dry = services.purge_deals(**SCOPE, **dict[str, Any](limits))
    told = {deal: f"would_be_{outcome.partition('_')[0]}" for deal, outcome in OUTCOMES.items()}
    assert (dry.as_dict()["deals"], outcomes(latest())) == (COUNTS, told)

    live = services.purge_deals(**SCOPE, **dict[str, Any](limits), dry_run=False)

    assert live.as_dict()["deals"] == COUNTS
    assert outcomes(latest()) == OUTCOMES
    assert names(valkey_client) == set(kept)


def test_a_refused_one_writes_down_who_stays_and_nobody_purged(kept: list[str], valkey_client: redis.Redis) -> None:
    seed_deal(valkey_client, "acme", "idle-too", age=2 * HOUR)
    origin = Origin(source="command", actor_name="ann")

    services.queue(PurgeScope(**SCOPE, dry_run=False, at_most_deals=1), origin)

    assert latest().status == "failed"
    assert outcomes(latest()) == {name: outcome for name, outcome in OUTCOMES.items() if name != "idle"}
    assert len(names(valkey_client)) == len(kept) + 10


def test_the_command_says_so(kept: list[str], purge: Purge) -> None:
    dry = purge(*OPTIONS)
    as_json = json.loads(purge(*OPTIONS, "--format=json").out)
    live = purge(*OPTIONS, "--no-dry-run", "--no-input")

    for outcome, did in ((dry, "a purge would delete"), (live, "Deleted")):
        last = outcome.out.splitlines()[-1]
        assert f"{did} 5 keys of 1 deal" in last
        assert "2 active deals and" in last
        assert last.endswith("3 deals without any events.")
    assert as_json["deals"] == COUNTS
    assert as_json["leave_never_active"] is True


def test_the_command_wants_to_know_what_active_is(kept: list[str], purge: Purge) -> None:
    outcome = purge("--mode=all", "--leave-never-active")

    assert outcome.code == 2
    assert not PurgeRun.objects.exists()


def test_the_admin_shows_a_tile_of_it_and_applies_it(
    kept: list[str], browser: Client, valkey_client: redis.Redis
) -> None:
    fields = {
        "mode": "all",
        "guard": "on",
        "exclude_active_0": "1",
        "exclude_active_1": "3600",
        "leave_never_active": "on",
    }
    page = browser.post("/admin/dealpurge/purgerun/purge/", fields).headers["Location"]
    shown = " ".join(browser.get(page).content.decode().split())

    assert latest().leave_never_active
    assert latest().report is not None
    assert latest().report["deals"] == COUNTS  # type: ignore[index]
    assert "<dt>would be skipped</dt><dd>5</dd>" in shown
    assert "deals without any activity, checkpoints</dd>" in shown

    browser.post(page.replace("/change/", "/apply/"), {"typed": "1"})

    live = latest()
    shown = " ".join(browser.get(f"/admin/dealpurge/purgerun/{live.pk}/change/").content.decode().split())
    assert (live.dry_run, live.leave_never_active, live.status) == (False, True, "completed")
    assert "<dt>Spared</dt><dd>deals active in the last hour, deals without any activity, checkpoints</dd>" in shown
    assert outcomes(live) == OUTCOMES
    assert names(valkey_client) == set(kept)


def test_the_api_tells_of_such_a_run(kept: list[str], superuser: User, bearer: Any) -> None:
    services.purge_deals(**SCOPE, dry_run=False)

    body = Client().get(f"/api/superadmin/purge_runs/{latest().pk}", headers=bearer(superuser)).json()

    assert (body["leave_never_active"], body["report"]["deals"]) == (True, COUNTS)


@pytest.mark.parametrize(
    ("outcomes", "last"),
    [
        (["skipped_never_active", "skipped_active"], "skipped_active"),
        (["skipped_active", "skipped_never_active"], "skipped_never_active"),
        (["interrupted", "skipped_never_active"], "interrupted"),
        (["purged", "skipped_never_active"], "interrupted"),
        (["purged", "skipped_active"], "interrupted"),
    ],
)
def test_a_deal_that_may_have_lost_keys_is_never_merely_skipped(outcomes: list[str], last: str) -> None:
    origin = Origin(source="command", actor_name="ann")
    rows = DealRows(store.create(PurgeScope(mode="all", dry_run=False), origin))

    for outcome in outcomes:
        rows.note([(b"acme:1", DealNote(outcome))])

    assert list(rows.write().values()) == [(PurgeRunDeal.objects.get().pk, DealNote(last))]
    assert PurgeRunDeal.objects.get().outcome == last
