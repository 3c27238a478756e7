"""An example of every answer, made by what makes the answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from dealpurge.api.errors import ErrorItem
from dealpurge.api.representation import run_as_dict
from dealpurge.models import PurgeRun
from dealpurge.report import DealCounts, KeyCounts, PurgeReport, SkippedDeal
from dealpurge.scope import PurgeScope

RUN = UUID("6f9d2c1e-3c54-4b7e-9d3c-0d9a6c3f2b11")
BEGAN = datetime(2026, 11, 23, 21, 40, tzinfo=UTC)
ONE_DEAL = PurgeScope(mode="by_deal", deals=((None, "deal-1"),))
ALL_BUT_ACTIVE = PurgeScope(mode="all", exclude_active_within_secs=3600, dry_run=False)


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


PREVIEW = PurgeReport(
    run_id=RUN,
    status="completed",
    scope=ONE_DEAL,
    deals=DealCounts(matched=1, purged=1),
    keys=KeyCounts(scanned=2617, matched=11, checkpoints_kept=2, unclaimed=0),
    families={"canvas_sessions": 2, "locks": 1, "presence": 3, "events": 1, "image_crops": 4, "checkpoints": 0},
    started_at=BEGAN,
    duration_ms=6,
)
REPORT = PurgeReport(
    run_id=RUN,
    status="completed",
    scope=ALL_BUT_ACTIVE,
    deals=DealCounts(matched=20000, purged=10084, skipped_active=9916),
    keys=KeyCounts(scanned=1180000, matched=940000, deleted=473948, checkpoints_kept=40000),
    families={"canvas_sessions": 413444, "locks": 60504, "checkpoints": 0},
    skipped=(SkippedDeal(org_id="org037", deal_id="a5399c2e", last_active_at=BEGAN - timedelta(minutes=10)),),
    skipped_truncated=True,
    started_at=BEGAN,
    duration_ms=2750,
)
FAILED = replace(
    REPORT,
    status="failed",
    deals=DealCounts(matched=7100, purged=7100),
    keys=KeyCounts(scanned=420000, matched=168000, deleted=168000),
    families={"canvas_sessions": 150000, "locks": 18000, "checkpoints": 0},
    skipped=(),
    skipped_truncated=False,
)
OUT_OF_TIME = replace(FAILED, status="cancelled")


def run(**columns: Any) -> dict[str, Any]:
    """A run with these columns of its row."""
    scope = ALL_BUT_ACTIVE
    seconds = scope.exclude_active_within_secs
    row = PurgeRun(id=RUN, mode=scope.mode, exclude_active_within_secs=seconds, dry_run=False, created_at=BEGAN)
    vars(row).update(columns)
    return run_as_dict(row)


QUEUED = run()
RUNNING = run(status="running", keys_scanned=420000, keys_total=1180000, keys_deleted=168000, started_at=BEGAN)
CANCELLING = RUNNING | {"cancel_requested": True}
NO_SUCH_MODE = {
    "detail": [
        ErrorItem(
            code="literal_error", loc=("mode",), message="Input should be 'all' or 'by_deal'", input="by_org"
        ).as_dict()
    ]
}
