from __future__ import annotations

from collections.abc import Callable
from typing import Protocol
from uuid import UUID

import pytest
import redis
from django.contrib.auth.models import AnonymousUser, User
from django.db.models.functions import Now
from django.test import Client
from pytest_django.fixtures import Settings

from dealpurge.models import PurgeRun
from dealpurge.previews.preview import Preview
from tests.support.seeding import seed_deal

LIST = "/admin/dealpurge/purgerun/"
FORM = f"{LIST}purge/"

ClientOf = Callable[[User | AnonymousUser], Client]


def page_of(run: PurgeRun | UUID | str, what: str = "change") -> str:
    """The address of a page of a run."""
    return f"{LIST}{run.pk if isinstance(run, PurgeRun) else run}/{what}/"


@pytest.fixture(autouse=True)
def _soon_given_up(settings: Settings) -> None:
    """Where a test has no Redis, it is down for good."""
    settings.DEALPURGE_RETRY_SECONDS = 0.1


class MakePreview(Protocol):
    def __call__(self, actor: User | None, *, seen: bool = True, **fields: object) -> PurgeRun: ...


REPORT = {
    "status": "completed",
    "deals": {"matched": 12, "purged": 7, "skipped_active": 5, "interrupted": 0},
    "keys": {
        "scanned": 1000,
        "matched": 100,
        "deleted": 0,
        "vanished": 0,
        "not_removed": 0,
        "checkpoints_kept": 3,
        "unattributed": 0,
        "unclaimed": None,
    },
    "families": {"canvas_sessions": 40, "locks": 2, "checkpoints": 0},
    "skipped": [],
    "skipped_truncated": False,
    "unclaimed_sample": [],
    "warnings": [],
    "duration_ms": 812,
}


@pytest.fixture
def make_preview(db: None) -> MakePreview:
    """A finished dry run of all deals, as if it had been made just now."""

    def make(actor: User | None, *, seen: bool = True, **fields: object) -> PurgeRun:
        values: dict[str, object] = {
            "source": "admin",
            "actor": actor,
            "actor_name": actor.username if actor else "somebody",
            "mode": "all",
            "status": "completed",
            "report": REPORT,
            "deals_purged": 7,
            "keys_to_go": 42,
            "started_at": Now(),
            "finished_at": Now(),
            "seen_at": Now() if seen else None,
        }
        return PurgeRun.objects.create(**values | fields)

    return make


@pytest.fixture
def deals(valkey_settings: Settings, valkey_client: redis.Redis) -> redis.Redis:
    """A Redis with two deals of acme and one of birch, and a key of nobody's."""
    for org_id, deal_id in (("acme", "deal-1"), ("acme", "deal-2"), ("birch", "deal-3")):
        seed_deal(valkey_client, org_id, deal_id, canvas_sessions=1, image_crops=0)
    valkey_client.set("somebody:else", "1")
    return valkey_client


def latest() -> PurgeRun:
    return PurgeRun.objects.latest("created_at")


def load(run: PurgeRun) -> Preview:
    return Preview.load(run.pk)
