"""The words that the command ends with where it did not do all, and what to do next: they are read in a mail, too."""

from __future__ import annotations

import signal
from uuid import UUID

from django.db import Error as DatabaseTrouble
from django.utils.translation import override

from dealpurge.exceptions import (
    ArchiveUnavailable,
    AuditUnavailable,
    DealPurgeError,
    LimitExceeded,
    PurgeInProgress,
    RedisUnavailable,
    RunLost,
    ended_run,
)
from dealpurge.management.output import sentence
from dealpurge.models import PurgeRun
from dealpurge.report import PurgeReport
from dealpurge.runs.database import bounded, stored
from dealpurge.runs.outcome.ends import End, end_of
from dealpurge.runs.termination import canceller
from dealpurge.scope import PurgeScope
from dealpurge.text import escape

#: What the command says, and exits with, where everything that was named is not there.
NONE_FOUND, NONE_FOUND_CODE = "None of the named deals has keys in Redis.", 3


def found_none(report: PurgeReport) -> bool:
    """Whether deals were named and none of them has keys in Redis."""
    named = len(report.scope.deals)
    return named > 0 and report.deals.not_found == named


def of_report(report: PurgeReport) -> str:
    """Of a run that ended by itself, or that somebody cancelled; empty where it did all."""
    if report.status == "cancelled":
        by = canceller(report.run_id) if report.run_id else ""
        return f"Run {report.run_id} was cancelled {f'by {escape(by)} ' if by else ''}before its end."
    return f"Run {report.run_id} could not purge everything." if report.status == "partial" else ""


def of_error(exc: DealPurgeError) -> str:
    """Of a run that failed, or that could not begin."""
    run_id, report = ended_run(exc)
    words = f"{exc} {sentence(report)}" if report else str(exc)
    return words if report is None or str(run_id) in words else f"{words} (Run {run_id}.)"


def of_signal(exc: KeyboardInterrupt, number: int | None = None) -> str:
    """Of a run that a signal stopped; with what was deleted where it did not even get to its next page."""
    by = f" by {signal.Signals(number).name}" if number else ""
    run_id, report = ended_run(exc)
    return f"Interrupted{by}. {sentence(report)} (Run {run_id}.)" if report else f"Interrupted{by}."


def next_step(scope: PurgeScope, exc: BaseException | None = None) -> str:
    """What to do after a run that ended with ``exc``, or with a report that is not complete."""
    again = "un the command again" + ("." if scope.dry_run else ": it takes what is left.")
    match exc:
        case PurgeInProgress():
            return "Nothing was purged. When that run is over, run the command again; the admin shows how far it is."
        case AuditUnavailable():
            return f"When the database answers, r{again}" if exc.retry_after else "The log has what the database said."
        case RedisUnavailable():
            return f"When {'Redis answers' if exc.reason == 'unreachable' else 'that is mended'}, r{again}"
        case ArchiveUnavailable():
            return f"When the storage of the archive can be written to, r{again}"
        case LimitExceeded():
            return "Look at what a dry run says would go; if that is right, run the command with a higher limit."
        case RunLost():
            return f"Look at the run in the admin, and r{again}"
        case None | KeyboardInterrupt():
            return f"R{again}"
    return ""


def end_of_run(run_id: UUID | None) -> End | None:
    """How it ended, as its page says it; None where there is none, or it cannot be read."""
    if run_id is None:
        return None
    try:
        with bounded():
            run = stored().select_related("preview").get(pk=run_id)
            with override("en"):
                return end_of(run, run.error)
    except (DatabaseTrouble, PurgeRun.DoesNotExist):
        return None


def at_terminal(end: End, run_id: UUID | None) -> str:
    """What the command ends with where somebody sits at a terminal: the end, what became of the keys, which run."""
    words = "\n".join(filter(None, (end.heading, end.text)))
    return words if str(run_id)[:8] in words else f"{words} (Run {run_id}.)"


def called(scope: PurgeScope, reason: str) -> str:
    """Which command it is that tells of itself."""
    return f"purge_deals --mode {scope.mode}" + (f" ({escape(reason)})" if reason else "")
