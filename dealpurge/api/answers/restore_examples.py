"""Examples of what is answered about restores."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from dealpurge.api.answers import examples
from dealpurge.api.answers.representation import run_as_dict
from dealpurge.api.errors import RESTORE_REFUSED, ErrorItem
from dealpurge.exceptions import PurgeInProgress
from dealpurge.i18n import SENTENCES, Number
from dealpurge.models import PurgeRun
from dealpurge.restore_report import DamagedFile, MixedDeal, RestoredDeals, RestoredKeys, RestoreReport
from dealpurge.runs import messages
from dealpurge.scope import RestoreScope
from dealpurge.services import PhaseProgress, ProgressDetails

#: The run that restores what ``examples.RUN`` has purged.
RUN = UUID("b0b6a2f4-52c8-4a0e-8f57-6a3f0c9d1e42")
BEGAN = examples.BEGAN + timedelta(minutes=25)
PREVIEWED = RestoreScope()
ONE_DEAL = RestoreScope(deals=(("org037", "deal-1"),), leave_mixed=True, dry_run=False)
ALL = RestoreScope(dry_run=False)
ARCHIVED = examples.REPORT.keys.deleted
FAMILIES = {name: keys for name, keys in examples.REPORT.families.items() if keys}
KEPT_FAMILY = "canvas_sessions"


def body(scope: RestoreScope) -> dict[str, Any]:
    """What a client sends for a scope."""
    return {
        "deals": [{"deal_id": deal_id, "org_id": org_id} for org_id, deal_id in scope.deals],
        "families": list(scope.families),
        "leave_mixed": scope.leave_mixed,
        "skip_damaged": scope.skip_damaged,
        "dry_run": scope.dry_run,
    }


PREVIEW = RestoreReport(
    run_id=RUN,
    purge_id=examples.RUN,
    status="completed",
    scope=PREVIEWED,
    environment="production",
    deals=RestoredDeals(archived=19999, restored=19999, mixed=1),
    keys=RestoredKeys(archived=ARCHIVED, restored=ARCHIVED - 3, kept_newer=3),
    families=FAMILIES | {KEPT_FAMILY: FAMILIES[KEPT_FAMILY] - 3},
    mixed=(MixedDeal(org_id="org037", deal_id="deal-1", keys=3, names=("canvas:session:org037:deal-1:s1",)),),
    memory_needed=1_420_000_000,
    memory_free=6_200_000_000,
    warnings=(SENTENCES["restore_idle"],),
    started_at=BEGAN,
    duration_ms=4120,
)
REPORT = replace(PREVIEW, scope=ALL, duration_ms=6240)
REFUSED = replace(
    PREVIEW,
    status="failed",
    scope=ALL,
    deals=RestoredDeals(archived=0),
    keys=RestoredKeys(archived=ARCHIVED, not_restored=ARCHIVED),
    families={},
    mixed=(),
    damaged=(DamagedFile(name=f"dealpurge/{examples.RUN}/0-17.aof.gz", keys=3900, damage="missing"),),
    warnings=(),
    duration_ms=1380,
)
OUT_OF_TIME = replace(
    REPORT,
    status="cancelled",
    deals=RestoredDeals(archived=7000, restored=7000),
    keys=RestoredKeys(archived=ARCHIVED, restored=329000, not_restored=ARCHIVED - 329000),
    families={name: 7000 * examples.KEYS_OF_A_DEAL[name] for name in FAMILIES},
    mixed=(),
    duration_ms=20004,
)
REFUSAL = {
    "detail": str(SENTENCES["restore_damaged"].format(Number(1), Number(3900))),
    "code": RESTORE_REFUSED,
    "run_id": str(RUN),
    "restored": 0,
    "report": REFUSED.as_dict(),
}
CUT_OFF = {
    "detail": str(messages.RESTORE_OUT_OF_TIME.format(20)),
    "run_id": str(RUN),
    "restored": OUT_OF_TIME.keys.restored,
    "report": OUT_OF_TIME.as_dict(),
}


def run(**columns: Any) -> dict[str, Any]:
    """A restore with these columns of its row."""
    row = PurgeRun(id=RUN, mode="all", dry_run=False, restored_run_id=examples.RUN, families=[], created_at=BEGAN)
    vars(row).update({"environment": "production"} | columns)
    return run_as_dict(row)


QUEUED = run()
OVER = run(
    status="completed",
    keys_scanned=ARCHIVED,
    keys_total=ARCHIVED,
    keys_restored=REPORT.keys.restored,
    started_at=BEGAN,
    finished_at=BEGAN + timedelta(milliseconds=REPORT.duration_ms),
    report=REPORT.as_dict(),
    progress=ProgressDetails(
        pass_number=1,
        phases=(
            PhaseProgress(name="read", state="done", done=ARCHIVED, total=ARCHIVED, rate=671395, seconds=1.4),
            PhaseProgress(name="write", state="done", done=ARCHIVED, total=ARCHIVED, rate=204337, seconds=4.6),
            PhaseProgress(name="record", state="done", done=19999, total=19999, rate=99995, seconds=0.2),
        ),
    ).as_dict(),
)
ANOTHER = {"detail": str(PurgeInProgress(RUN, is_restore=True)), "run_id": str(RUN)}
NO_SUCH_DEAL = {
    "detail": [
        ErrorItem(
            code="string_type", loc=("deals", 0, "deal_id"), message="Input should be a valid string", input=7
        ).as_dict()
    ]
}
