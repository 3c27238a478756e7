"""A report for the eyes of somebody at a terminal, and a line that moves while they wait for it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from time import monotonic
from typing import Any

from django.core.management.base import OutputWrapper

from dealpurge.report import LIST_LIMIT, PurgeReport, SkippedDeal, scope_as_dict, timestamp
from dealpurge.scope import PurgeScope
from dealpurge.services import Progress
from dealpurge.text import escape, in_ascii

#: Skipped deals shown at a normal verbosity.
SKIPPED_SHOWN = 10
#: Deals that were not found, likewise.
MISSING_SHOWN = 10
BAR_WIDTH = 24
#: Seconds between two paintings of the progress line.
REPAINT_SECONDS = 0.1


def lines(report: PurgeReport, style: Any, *, verbosity: int = 1) -> Iterator[str]:
    """The report as text: families, skipped deals, remarks, and last the one sentence that sums it up."""
    if verbosity > 0:
        yield from _families(report, style)
        yield from _skipped(report, style, LIST_LIMIT if verbosity > 1 else SKIPPED_SHOWN)
        yield from _remarks(report, style)
    if verbosity > 1:
        yield f"Run {report.run_id}: {_count(report.keys.scanned, 'key')} scanned in {report.duration_ms / 1000:.1f} s."
    complete = report.status == "completed"
    yield (style.SUCCESS if complete else style.WARNING)(sentence(report))


def sentence(report: PurgeReport) -> str:
    """What happened, or would happen, in the tense that is true of it."""
    if report.status in ("cancelled", "failed"):
        return _broken_off(report)
    deals = report.deals
    if report.scope.dry_run:
        text = f"Dry run: a purge would delete {_count(would_delete(report), 'key')} of {_count(deals.purged, 'deal')}"
        return text + (f" and skip {skipped}." if (skipped := _skipped_counts(report)) else ".")
    done = [f"Deleted {_count(report.keys.deleted, 'key')} of {_count(deals.purged, 'deal')}"]
    if skipped := _skipped_counts(report):
        done.append(f"skipped {skipped}")
    if deals.interrupted:
        done.append(f"stopped half-way at {_count(deals.interrupted, 'deal')} that became active")
    if report.keys.not_removed:
        done.append(f"could not remove {_count(report.keys.not_removed, 'key')}")
    return _listed(done) + "."


def _skipped_counts(report: PurgeReport) -> str:
    deals, counts = report.deals, []
    if deals.skipped_active:
        counts.append(_count(deals.skipped_active, "active deal"))
    if deals.skipped_never_active:
        counts.append(_count(deals.skipped_never_active, "deal") + " without any events")
    return " and ".join(counts)


def not_found(report: PurgeReport) -> Iterator[str]:
    """Which of the named deals have no keys in Redis, and what may have been meant."""
    count, named = report.deals.not_found, len(report.scope.deals)
    if not count:
        return
    yield f"Not found: {count:,} of {_count(named, 'named deal')}."
    for deal in report.deals_not_found[:MISSING_SHOWN]:
        nearly = f"  Did you mean {_named(*deal.did_you_mean)}?" if deal.did_you_mean else ""
        yield f"  {_named(deal.org_id, deal.deal_id)}{nearly}"
    if count > MISSING_SHOWN:
        yield f"  ... and {count - MISSING_SHOWN:,} more"


def would_delete(report: PurgeReport) -> int:
    """Keys that the purge would delete whose dry run this is."""
    return sum(report.families.values())


def to_be_read(report: PurgeReport, called: str) -> Iterator[str]:
    """What somebody must read who wants to read nothing of what went well: the one sentence and the warnings."""
    if report.status != "completed" or report.warnings:
        yield f"{called}: {sentence(report)} (Run {report.run_id}.)"
    yield from warnings(report)


def warnings(report: PurgeReport) -> Iterator[str]:
    """A line each."""
    return (f"Warning: {warning}" for warning in report.warnings)


def json_line(report: PurgeReport | None, scope: PurgeScope | None, error: str) -> str:
    """The report on one line, or what was asked where there is none, and the error, if any, that it ended with."""
    asked = scope_as_dict(scope) if scope else {}
    outcome = report.as_dict() if report else {"run_id": None, "status": "failed", **asked}
    return json.dumps({**outcome, "error": error})


def printable_on(stream: OutputWrapper, text: str) -> str:
    """``text`` with escapes where the stream's encoding lacks a character: no purge ends in a UnicodeEncodeError."""
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return in_ascii(text)
    return text


class ProgressLine:
    """One line that is painted over and over. ``write`` puts text on a terminal."""

    def __init__(self, write: Any, *, dry_run: bool) -> None:
        self._write = write
        self._dry_run = dry_run
        self._painted_at = 0.0
        self._width = 0

    def show(self, progress: Progress) -> None:
        """Paint once there is something to tell, though not more often than eyes can follow."""
        known = progress.total or progress.scanned
        if known and monotonic() - self._painted_at >= REPAINT_SECONDS:
            self._painted_at = monotonic()
            self._paint(self.text(progress))

    def clear(self) -> None:
        """Take the line away, so that what follows stands in its place."""
        if self._width:
            self._paint("")
            self._write("\r")
            self._width = 0

    def text(self, progress: Progress) -> str:
        """The line: a bar, keys scanned of about how many, and in a live run keys deleted."""
        total = max(progress.total, progress.scanned)
        filled = BAR_WIDTH * progress.scanned // total if total else 0
        counts = f"{progress.scanned:,} of {total:,} keys scanned"
        if not self._dry_run:
            counts += f", {progress.deleted:,} deleted"
        return f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {counts}"

    def _paint(self, text: str) -> None:
        text = text[: shutil.get_terminal_size().columns - 1]
        self._write("\r" + text.ljust(self._width))
        self._width = len(text)


def _broken_off(report: PurgeReport) -> str:
    how = "was cancelled" if report.status == "cancelled" else "failed"
    if report.scope.dry_run:
        return f"The dry run {how}, having found {_count(would_delete(report), 'key')} that a purge would delete."
    return f"The purge {how}, having deleted {_count(report.keys.deleted, 'key')}."


def _families(report: PurgeReport, style: Any) -> Iterator[str]:
    heading = "Would be deleted" if report.scope.dry_run else "Deleted"
    names = [*map(escape, report.families), "all families"]
    counts = [f"{count:,}" for count in (*report.families.values(), sum(report.families.values()))]
    wide, right = max(map(len, [*names, "Family"])), max(map(len, [*counts, heading]))
    yield style.MIGRATE_HEADING(f"{'Family':<{wide}}  {heading:>{right}}")
    for name, count in zip(names, counts, strict=True):
        row = f"{name:<{wide}}  {count:>{right}}"
        yield style.MIGRATE_LABEL(row) if name == "all families" else row
    yield ""


def _skipped(report: PurgeReport, style: Any, limit: int) -> Iterator[str]:
    count = report.deals.skipped_active
    if not report.skipped:
        return
    verb = "Would be skipped" if report.scope.dry_run else "Skipped"
    yield style.MIGRATE_HEADING(f"{verb}, because active: {_count(count, 'deal')}")
    shown = report.skipped[:limit]
    names = [_name(deal) for deal in shown]
    wide = max(map(len, names))
    for name, deal in zip(names, shown, strict=True):
        yield f"{name:<{wide}}  {_activity(deal)}"
    if count > len(shown):
        yield f"... and {count - len(shown):,} more"
    yield ""


def _remarks(report: PurgeReport, style: Any) -> Iterator[str]:
    remarks = list(_facts(report))
    yield from remarks
    yield from map(style.WARNING, warnings(report))
    if remarks or report.warnings:
        yield ""


def _facts(report: PurgeReport) -> Iterable[str]:
    keys = report.keys
    if keys.checkpoints_kept:
        yield f"Kept: {_count(keys.checkpoints_kept, 'checkpoint key')} (--include-checkpoints takes them too)."
    if keys.unattributed:
        yield f"Left: {_count(keys.unattributed, 'key')} that name no organisation."
    if keys.vanished:
        yield f"Gone before their turn, expired or removed by others: {_count(keys.vanished, 'key')}."
    if keys.unclaimed:
        sample = ", ".join(report.unclaimed_sample[:3]) + (", ..." if keys.unclaimed > 3 else "")
        yield f"Left: {_count(keys.unclaimed, 'key')} with the deal's id that belong to no family: {sample}"
        yield "purge_deals --explain KEY says why."


def _activity(deal: SkippedDeal) -> str:
    if deal.last_active_at is None:
        return "activity unknown"
    return f"last active {timestamp(deal.last_active_at)}"


def _name(deal: SkippedDeal) -> str:
    name = escape(deal.deal_id)
    return name if deal.org_id is None else f"{escape(deal.org_id)} {name}"


def _named(org_id: str | None, deal_id: str) -> str:
    """A deal as it is named to the command."""
    return escape(deal_id) if org_id is None else f"{escape(org_id)}:{escape(deal_id)}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _listed(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]
