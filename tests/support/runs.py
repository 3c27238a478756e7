"""Runs as tests write them down."""

from __future__ import annotations

from datetime import UTC, datetime

from dealpurge.models import PurgeRun
from dealpurge.report import KeyCounts, PurgeReport, Status
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope

DRY = PurgeScope(mode="all")
LIVE = PurgeScope(mode="all", dry_run=False)
ONE = PurgeScope(mode="by_deal", deals=(("acme", "deal-1"),), dry_run=False)
ORIGIN = Origin(source="command", actor_name="ann")


def report_of(run: PurgeRun, status: Status = "completed") -> PurgeReport:
    keys = KeyCounts(scanned=10, deleted=3)
    return PurgeReport(run_id=run.pk, status=status, scope=run.scope, keys=keys, started_at=datetime.now(UTC))
