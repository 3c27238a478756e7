"""The outcome of a deal, and the state of a run, as a badge: an icon and a word, never a colour alone."""

from __future__ import annotations

from dataclasses import dataclass

from dealpurge.models import PurgeRun, PurgeRunDeal

Outcome = PurgeRunDeal.Outcome
Status = PurgeRun.Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge:
    """A word, its icon, and the class that gives both a colour."""

    word: str
    icon: str
    tone: str


_LOOKS = {
    Outcome.PURGED: ("tick", "good"),
    Outcome.SKIPPED_ACTIVE: ("pause", "live"),
    Outcome.SKIPPED_NEVER_ACTIVE: ("pause", "live"),
    Outcome.INTERRUPTED: ("warning", "warn"),
    Outcome.NOT_REMOVED: ("cross", "bad"),
    Outcome.NOT_FOUND: ("question", "calm"),
    Outcome.WOULD_BE_PURGED: ("eye", "dry"),
    Outcome.WOULD_BE_SKIPPED: ("eye", "dry"),
}

_ICONS: dict[str, str] = {
    Status.QUEUED: "clock",
    Status.RUNNING: "play",
    Status.COMPLETED: "tick",
    Status.PARTIAL: "warning",
    Status.CANCELLED: "pause",
    Status.FAILED: "cross",
}


def badge(outcome: str) -> Badge:
    """Of an outcome as the record has it; one that a later version wrote is shown as it is."""
    if outcome not in Outcome.values:
        return Badge(word=outcome, icon="question", tone="calm")
    known = Outcome(outcome)
    icon, tone = _LOOKS[known]
    return Badge(word=str(known.label), icon=icon, tone=tone)


def icon_of(run: PurgeRun) -> str:
    """Of the state of a run; a dry run that came to its end only looked."""
    if run.dry_run and run.status == Status.COMPLETED:
        return "eye"
    return _ICONS.get(run.status, "question")
