"""What others do to the deals of a preview while somebody looks at it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dealpurge.models import PurgeRun
from dealpurge.previews.meanwhile import purges_meeting
from dealpurge.runs.label import Label
from dealpurge.scope import PurgeScope

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 26, 10, 31, tzinfo=UTC)
HERE = Label("production", "", "redis.invalid:6379/0")
ALL, ACME, BIRCH = PurgeScope(mode="all"), PurgeScope(mode="all", org_id="acme"), PurgeScope(mode="all", org_id="birch")


def named(*deals: tuple[str | None, str]) -> PurgeScope:
    return PurgeScope(mode="by_deal", deals=deals)


ONE = named(("acme", "deal-1"))


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        (ALL, ALL, True),
        (ALL, ACME, True),
        (ALL, ONE, True),
        (ACME, ACME, True),
        (ACME, BIRCH, False),
        (ACME, ONE, True),
        (BIRCH, ONE, False),
        (BIRCH, named(("acme", "deal-1"), ("birch", "deal-1")), True),
        (BIRCH, named((None, "deal-1")), True),
        (ONE, named(("acme", "deal-2"), ("acme", "deal-1")), True),
        (ONE, named(("acme", "deal-2")), False),
        (ONE, named(("birch", "deal-1")), False),
        (ONE, named((None, "deal-1")), True),
        (ONE, named((None, "deal-2")), False),
        (named((None, "deal-1"), ("acme", "deal-1")), named(("birch", "deal-1")), True),
    ],
)
def test_which_scopes_have_a_deal_in_common(one: PurgeScope, other: PurgeScope, meet: bool) -> None:
    assert (one.meets(other), other.meets(one)) == (meet, meet)


def purge(status: str = "running", **fields: Any) -> PurgeRun:
    values: dict[str, Any] = {"source": "admin", "actor_name": "d.silva", "mode": "all", "dry_run": False}
    values |= {"environment": "production", "redis_address": "redis.invalid:6379/0", "status": status}
    if status not in ("running", "queued"):
        values |= {"heartbeat_at": NOW, "finished_at": NOW}
    return PurgeRun.objects.create(**values | fields)


def told(scope: PurgeScope = ONE, since: datetime | None = NOW - timedelta(minutes=5)) -> list[str]:
    return [other.words for other in purges_meeting(scope, HERE, since=since)]


@pytest.mark.parametrize("status", ["queued", "running"])
def test_a_purge_under_way_is_told(status: str) -> None:
    purge(status, keys_scanned=46, keys_total=100)

    assert told() == ["A purge of this deal by d.silva is under way, 46 %."]
    assert told(ACME) == ["A purge of some of these deals by d.silva is under way, 46 %."]


@pytest.mark.parametrize("status", ["completed", "partial", "cancelled", "failed"])
def test_a_purge_that_ended_since_is_told(status: str) -> None:
    purge(status)

    assert told() == ["A purge of this deal by d.silva has ended since this preview was made."]
    assert told(ACME) == ["A purge of some of these deals by d.silva has ended since this preview was made."]
    assert told(since=NOW + timedelta(seconds=1)) == told(since=None) == []


def test_a_purge_whose_last_sign_of_life_came_some_time_before_its_end() -> None:
    purge("completed", heartbeat_at=NOW - timedelta(seconds=50))

    assert len(told(since=NOW)) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"dry_run": True},
        {"environment": "staging"},
        {"redis_address": "other.invalid:6379/0"},
        {"org_id": "birch"},
        {"mode": "by_deal", "deals": [["acme", "deal-2"]]},
    ],
)
def test_what_is_no_purge_of_these_deals_here(fields: dict[str, Any]) -> None:
    purge(**fields)

    assert told() == []


def test_a_purge_whose_process_died_is_not_under_way() -> None:
    now = datetime.now(UTC)
    silent = now - timedelta(minutes=2)
    purge(heartbeat_at=silent, started_at=silent)

    assert told(since=silent) == ["A purge of this deal by d.silva has ended since this preview was made."]
    assert told(since=now) == told(since=None) == []


def test_a_purge_that_no_worker_took_is_not_under_way() -> None:
    run = purge("queued")
    PurgeRun.objects.filter(pk=run.pk).update(created_at=datetime.now(UTC) - timedelta(days=1))

    assert told() == []
