"""How far a run is: which phases it has, and what it told last."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, get_args

from django.db import Error as DatabaseTrouble

from dealpurge.engine.passes import MOST_PASSES
from dealpurge.engine.tracking.details import Counts, PhaseName, ProgressDetails
from dealpurge.engine.tracking.tracker import Tracker
from dealpurge.models import PurgeRun
from dealpurge.runs.database import bounded, stored

__all__ = ["MOST_PASSES", "current_phase", "looks_at_activity", "percent", "progress_of", "tracker_of"]

NOTHING_TOLD = ProgressDetails(pass_number=1, phases=())


def tracker_of(run: PurgeRun, counts: Callable[[], Counts]) -> Tracker:
    """For a run that begins. A sweep knows how many keys are to go if it was previewed."""
    expected = 0
    if run.preview_id and not run.dry_run and not run.scope.guarded:
        with suppress(DatabaseTrouble), bounded():
            expected = stored().filter(pk=run.preview_id).values_list("keys_to_go", flat=True).first() or 0
    return Tracker(tuple(_phases(run)), counts, expected=expected)


def progress_of(run: PurgeRun) -> dict[str, Any]:
    """Keys, and phase by phase what the run told last; one that has not told anything has no phases."""
    keys = {"scanned": run.keys_scanned, "total": run.keys_total, "deleted": run.keys_deleted}
    told = keys | NOTHING_TOLD.as_dict() | (run.progress or {})
    # A later version's worker may know more of them.
    return told | {"phases": [phase for phase in told["phases"] if phase["name"] in get_args(PhaseName)]}


def current_phase(run: PurgeRun) -> Mapping[str, Any] | None:
    """The last of those that go on, as ``PhaseProgress`` has it."""
    return next((phase for phase in reversed(progress_of(run)["phases"]) if phase["state"] == "now"), None)


def percent(run: PurgeRun) -> int:
    """How much of the current phase is done, of 100; of the scan where that is all that is known."""
    phase = current_phase(run)
    if phase and phase["total"]:
        return int(100 * phase["done"] // phase["total"])
    return 100 * run.keys_scanned // max(run.keys_total, run.keys_scanned, 1)


def looks_at_activity(run: PurgeRun) -> bool:
    """Whether it tells who works on deals although nothing is spared by it."""
    return run.inventory or (run.dry_run and not run.scope.guarded)


def _phases(run: PurgeRun) -> Iterator[PhaseName]:
    yield "scan"
    if run.scope.guarded or looks_at_activity(run):
        yield "activity"
    if not run.dry_run:
        yield "delete"
    yield "record"
