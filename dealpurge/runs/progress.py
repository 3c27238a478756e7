"""How far a run is: which phases it has, and what it told last."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, get_args

from django.db import Error as DatabaseTrouble

from dealpurge.engine.passes import MOST_PASSES
from dealpurge.engine.tracking.details import Counts, PhaseName, State
from dealpurge.engine.tracking.tracker import Tracker
from dealpurge.models import PurgeRun
from dealpurge.runs.database import bounded, stored

__all__ = ["MOST_PASSES", "current_phase", "looks_at_activity", "percent", "progress_of", "tracker_of"]

#: The fields of a phase and of a server, as far as nothing is told of them.
PHASE: dict[str, Any] = {"name": "", "state": "", "done": 0} | dict.fromkeys(
    ("total", "rate", "seconds", "seconds_left")
)
SERVER: dict[str, Any] = {"name": "", "state": "", "scanned": 0, "deleted": 0} | dict.fromkeys(
    ("rate", "waiting", "gives_up_in")
)
STATES = get_args(State)


def tracker_of(run: PurgeRun, counts: Callable[[], Counts]) -> Tracker:
    """For a run that begins. A sweep knows how many keys are to go if it was previewed."""
    expected = 0
    if run.preview_id and not run.dry_run and not run.scope.guarded:
        with suppress(DatabaseTrouble), bounded():
            expected = stored().filter(pk=run.preview_id).values_list("keys_to_go", flat=True).first() or 0
    return Tracker(tuple(_phases(run)), counts, expected=expected)


def progress_of(run: PurgeRun) -> dict[str, Any]:
    """Keys, and phase by phase what the run told last; one that has not told anything has no phases.

    A later version's worker may have told more, or otherwise: what is not understood is left out.
    """
    told = run.progress if isinstance(run.progress, dict) else {}
    phases, servers = (_understood(row, told.get(name), run) for name, row in (("phases", PHASE), ("servers", SERVER)))
    return {
        "scanned": run.keys_scanned,
        "total": run.keys_total,
        "deleted": run.keys_deleted,
        "restored": run.keys_restored,
        "pass_number": told.get("pass_number") or 1,
        "phases": [phase for phase in phases if phase["name"] in get_args(PhaseName)],
        "servers": list(servers),
        "waiting": None if run.is_over else told.get("waiting"),
        "gives_up_in": None if run.is_over else told.get("gives_up_in"),
        "deals": told["deals"] if isinstance(told.get("deals"), dict) else {},
    }


def _understood(empty: dict[str, Any], rows: object, run: PurgeRun) -> Iterator[dict[str, Any]]:
    """Rows with all fields and no others. Nothing goes on in a run that is over, be it that it was lost."""
    is_phase = "total" in empty
    for row in rows if isinstance(rows, list) else ():
        known = {name: row.get(name, value) for name, value in empty.items()} if isinstance(row, dict) else empty
        if not known["name"] or not known["state"] or (is_phase and known["state"] not in STATES):
            continue
        if run.is_over:
            known = known | {name: None for name in ("seconds_left", "waiting", "gives_up_in") if name in known}
            if known["state"] not in ("done", "later"):
                known["state"] = "stopped" if is_phase else "done"
        yield known


def current_phase(run: PurgeRun) -> Mapping[str, Any] | None:
    """The last of those that go on and have come to something, as ``PhaseProgress`` has it."""
    now = [phase for phase in progress_of(run)["phases"] if phase["state"] == "now"]
    told = [phase for phase in now if phase["total"] or phase["done"]]
    found = told or now
    return found[-1] if found else None


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
