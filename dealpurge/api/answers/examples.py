"""An example of every answer, made by what makes the answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from dealpurge import services
from dealpurge.api import errors
from dealpurge.api.answers.representation import run_as_dict
from dealpurge.api.errors import ErrorItem
from dealpurge.keys.families import CHECKPOINTS, FAMILIES
from dealpurge.models import PurgeRun
from dealpurge.report import ArchiveReport, DealCounts, KeyCounts, PurgeReport, SkippedDeal
from dealpurge.scope import PurgeScope
from dealpurge.services import PhaseProgress, ProgressDetails

RUN = UUID("6f9d2c1e-3c54-4b7e-9d3c-0d9a6c3f2b11")
BEGAN = datetime(2026, 11, 23, 21, 40, tzinfo=UTC)
ONE_DEAL = PurgeScope(mode="by_deal", deals=((None, "deal-1"),))
ALL_BUT_ACTIVE = PurgeScope(mode="all", exclude_active_within_secs=3600, dry_run=False)
KEYS_OF_A_DEAL = dict(zip(FAMILIES, (2, 1, 3, 1, 30, 4, 1, 1, 2, 2), strict=True))


def body(scope: PurgeScope) -> dict[str, Any]:
    """What a client sends for a scope, every field of it."""
    return {
        "mode": scope.mode,
        "deal_id": scope.single[1] if scope.single else None,
        "org_id": scope.organisation,
        "include_checkpoints": scope.include_checkpoints,
        "exclude_active_within_secs": scope.exclude_active_within_secs,
        "dry_run": scope.dry_run,
    }


def families(deals: int) -> dict[str, int]:
    """Of so many deals that have the same keys each, every family by its name."""
    return {name: deals * KEYS_OF_A_DEAL.get(name, 0) for name in (*FAMILIES, CHECKPOINTS)}


PREVIEW = PurgeReport(
    run_id=RUN,
    status="completed",
    scope=ONE_DEAL,
    environment="production",
    deals=DealCounts(matched=1, purged=1),
    keys=KeyCounts(scanned=2617, matched=47, checkpoints_kept=2, unclaimed=0),
    families=families(1),
    started_at=BEGAN,
    duration_ms=6,
)
REPORT = PurgeReport(
    run_id=RUN,
    status="completed",
    scope=ALL_BUT_ACTIVE,
    environment="production",
    deals=DealCounts(matched=20000, purged=19999, skipped_active=1, organisations=40),
    keys=KeyCounts(scanned=1180000, matched=940000, deleted=939953, checkpoints_kept=40000),
    families=families(19999),
    skipped=(SkippedDeal(org_id="org037", deal_id="a5399c2e", last_active_at=BEGAN - timedelta(minutes=10)),),
    archive=ArchiveReport(bytes=948_316_207, chunks=241, until=BEGAN + timedelta(days=7)),
    started_at=BEGAN,
    duration_ms=2750,
)
REFUSED = replace(
    REPORT,
    status="failed",
    scope=replace(ALL_BUT_ACTIVE, at_most_deals=5000),
    deals=DealCounts(matched=20000, skipped_active=1),
    keys=replace(REPORT.keys, deleted=0),
    families=families(0),
    archive=ArchiveReport(bytes=0, chunks=0, until=BEGAN + timedelta(days=7)),
)
OUT_OF_TIME = replace(
    REPORT,
    status="cancelled",
    deals=DealCounts(matched=7101, purged=7100, skipped_active=1, organisations=15),
    keys=replace(REPORT.keys, deleted=333700),
    families=families(7100),
    archive=ArchiveReport(bytes=336_645_800, chunks=86, until=BEGAN + timedelta(days=7)),
    duration_ms=20004,
)


def run(**columns: Any) -> dict[str, Any]:
    """A run with these columns of its row."""
    scope = ALL_BUT_ACTIVE
    seconds = scope.exclude_active_within_secs
    row = PurgeRun(id=RUN, mode=scope.mode, exclude_active_within_secs=seconds, dry_run=False, created_at=BEGAN)
    vars(row).update({"environment": "production"} | columns)
    return run_as_dict(row)


QUEUED = run()
#: One that spares active deals has looked at all keys before it deletes the first.
RUNNING = run(
    status="running",
    keys_scanned=1180000,
    keys_total=1180000,
    keys_deleted=333700,
    started_at=BEGAN,
    progress=ProgressDetails(
        pass_number=1,
        phases=(
            PhaseProgress(name="scan", state="done", done=1180000, total=1180000, rate=983333, seconds=1.2),
            PhaseProgress(name="activity", state="now", done=7400, total=20000, rate=3700, seconds=2.0),
            PhaseProgress(name="delete", state="now", done=333700, total=939953, rate=166850, seconds=2.0),
            PhaseProgress(name="record", state="later", done=7000),
        ),
        deals={"purged": 6999, "skipped_active": 1},
    ).as_dict(),
)
CANCELLING = RUNNING | {"cancel_requested": True}
LIMIT_EXCEEDED = {
    "detail": services.excess(replace(REPORT, scope=REFUSED.scope)),
    "code": errors.LIMIT_EXCEEDED,
    "run_id": str(RUN),
    "deleted": 0,
    "report": REFUSED.as_dict(),
}
NO_SUCH_MODE = {
    "detail": [
        ErrorItem(
            code="literal_error", loc=("mode",), message="Input should be 'all' or 'by_deal'", input="by_org"
        ).as_dict()
    ]
}
