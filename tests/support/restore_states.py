"""The pages of a restore in every state that they have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.utils import timezone

from dealpurge.models import PurgeRun, RestoredDeal
from dealpurge.restore_report import DamagedFile, MixedDeal, RestoredDeals, RestoredKeys, RestoreReport
from dealpurge.scope import RestoreScope
from tests.support.console_pages import Pages, phase, report

MIXED = {"archived": 18869, "restored": 18869, "mixed": 61}
MANY = {"archived": 1184302, "restored": 1171930, "kept_newer": 432, "expired": 11940}
READING = [phase("read", "now", done=28402, total=61744, rate=120_000, seconds=1.0), phase("record", "later")]
WRITING = [
    phase("read", "done", done=61744, total=61744, rate=1_200_000, seconds=0.1),
    phase("write", "now", done=28402, total=61744, rate=300_000, seconds=4.0, seconds_left=1),
    phase("record", "later"),
]


def purge(pages: Pages, **fields: Any) -> PurgeRun:
    """One with an archive that is kept for a week yet."""
    told = report("completed") | {"archive": {"bytes": 948_000_000, "chunks": 241, "until": None}}
    until = timezone.now() + timedelta(days=7)
    known: dict[str, Any] = {"report": told, "archive_alias": "archive", "archived_until": until, "org_id": None}
    run = pages.run("completed", **known | fields)
    run.archive_chunks.create(server=1, number=1, name="1", keys=17200, size=1, length=1, families={})
    return run


def told(
    status: Any = "completed",
    *,
    dry_run: bool = True,
    deals: Mapping[str, int] = MIXED,
    keys: Mapping[str, int] = MANY,
    **fields: Any,
) -> dict[str, Any]:
    """A report."""
    scope = RestoreScope(dry_run=dry_run, **fields.pop("scope", {}))
    counts = {"deals": RestoredDeals(**deals), "keys": RestoredKeys(**keys)}
    families = {"canvas_sessions": 1_000_000, "image_crops": 171_930}
    known = {"memory_needed": 2_900_000_000, "memory_free": 6_100_000_000, "duration_ms": 4000} | fields
    made = RestoreReport(
        run_id=None,
        purge_id=None,
        status=status,
        scope=scope,
        families=families,
        started_at=timezone.now(),
        **counts | known,  # type: ignore[arg-type]
    )
    return made.as_dict()


def restore(pages: Pages, status: str, *, of: PurgeRun | None = None, **fields: Any) -> PurgeRun:
    """A restore, of a purge of its own."""
    made = fields.get("report") or {}
    count = made.get("keys", {}).get("restored", 0)
    known: dict[str, Any] = {
        "restored_run": of or purge(pages),
        "org_id": None,
        "exclude_active_within_secs": None,
        "reason": "OPS-4127 wrong deals",
        "keys_deleted": 0,
        "deals_purged": made.get("deals", {}).get("restored", 0),
        "keys_to_go" if fields.get("dry_run", True) else "keys_restored": count,
        "organisations": {"count": 2, "largest": [["acme", 2], ["birch", 1]]},
        "dry_run": True,
    }
    run = pages.run(status, rows=False, **known | fields)
    for number, kept in enumerate((42, 18, 0)):
        RestoredDeal.objects.create(
            run=run,
            org_id="acme" if kept else "birch",
            deal_id=f"deal-{number}",
            keys_archived=1000,
            keys_restored=1000 - kept,
            keys_kept=kept,
            keys_expired=number,
            keys_missed=0,
            names=[f"canvas:session:acme:deal-{number}:s-{n}" for n in range(min(kept, 10))],
        )
    return run


def page(status: str = "completed", **fields: Any) -> Callable[[Pages], str]:
    return lambda pages: pages.change(restore(pages, status, **fields))


def of_purge(pages: Pages) -> str:
    run = purge(pages)
    restore(pages, "completed", of=run, dry_run=False, actor_name="d.silva", report=told(dry_run=False))
    return pages.change(run)


#: What makes a page, and what words tell that it does; behind them what is clicked on it first.
RESTORE_STATES: dict[str, tuple[Any, ...]] = {
    "restore preview": (page(report=told()), "61 deals have been worked on since the purge"),
    "restore preview, keys shown": (page(report=told()), "and 32 more", "td a[aria-expanded]"),
    "restore preview, nothing in the way": (
        page(report=told(deals={"archived": 3, "restored": 3}, keys={"archived": 9, "restored": 9})),
        "Restore 3 deals to production?",
    ),
    "restore preview, wrong number typed": (page(report=told()), "Nothing was written.", ".dp-apply button.default"),
    "restore preview, damaged": (
        page(
            report=told(
                damaged=(
                    DamagedFile(name="dealpurge/0f8a9c52-6d4e-4b7b/1-3.resp.gz", keys=12000, damage="altered"),
                    DamagedFile(name="dealpurge/0f8a9c52-6d4e-4b7b/2-1.resp.gz", keys=900, damage="missing"),
                )
            )
        ),
        "Files of the archive are damaged",
    ),
    "restore preview, no room": (page(report=told(memory_free=1_200_000_000)), "not enough memory free"),
    "restore preview, some left out": (
        page(leave_mixed=True, report=told(deals=MIXED | {"left_out": 61}, scope={"leave_mixed": True})),
        "61 deals are left out",
    ),
    "restore preview, empty": (
        page(report=told(deals={}, keys={})),
        "Nothing to restore",
    ),
    "restore preview, reading": (page("running", progress={"phases": READING}), "28,402 of 61,744 keys"),
    "restore, writing": (page("running", dry_run=False, progress={"phases": WRITING}), "28,402 of 61,744 keys"),
    "restore, done": (
        page(dry_run=False, report=told(dry_run=False)),
        "Restored: 18,869 deals, 1,171,930 keys",
    ),
    "restore, partial": (
        page(
            "partial",
            dry_run=False,
            report=told(
                "partial",
                dry_run=False,
                keys=MANY | {"not_restored": 400},
                mixed=(MixedDeal(org_id="acme", deal_id="deal-1", keys=3),),
                warnings=("Redis is full, so the restore stopped.",),
            ),
        ),
        "Restored in part: 18,869 deals",
    ),
    "restore, cancelled": (
        page("cancelled", dry_run=False, cancelled_by="d.silva", report=told("cancelled", dry_run=False)),
        "Restore cancelled by d.silva",
    ),
    "restore, failed": (
        page("failed", dry_run=False, error="Redis cannot be reached (tried for 30 s).", report=told("failed")),
        "Failed: Redis cannot be reached",
    ),
    "done, restored": (of_purge, "Restored by d.silva on"),
}
