from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from dealpurge.models import InventoryDeal, PurgeRun
from tests.console.conftest import ClientOf, MakePreview


@pytest.fixture
def browser(client_of: ClientOf, purger: User) -> Client:
    return client_of(purger)


@pytest.fixture
def inventory(make_preview: MakePreview, purger: User) -> PurgeRun:
    """Three deals: one of acme at work, one idle, and one of birch that nobody ever opened."""
    run = make_preview(purger, inventory=True)
    now = timezone.now()
    add(run, "acme", "busy", now, locks=2, canvas_sessions=28)
    add(run, "acme", "idle", now - timedelta(days=9), canvas_sessions=5)
    add(run, "birch", "new", None, locks=10)
    return run


def add(
    run: PurgeRun, org_id: str | None, deal_id: str, active: datetime | None = None, **families: int
) -> InventoryDeal:
    """A deal that a scan found."""
    return InventoryDeal.objects.create(
        run=run,
        org_id=org_id,
        deal_id=deal_id,
        keys=sum(families.values()),
        families=families,
        last_active_at=active,
    )
