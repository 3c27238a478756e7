"""A report for the eyes of somebody at a terminal, and as a line of JSON for a log."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from django.core.management.base import OutputWrapper
from django.utils.translation import override

from dealpurge.management.terminal.layout import Layout
from dealpurge.report import LIST_LIMIT, PurgeReport, SkippedDeal, scope_as_dict, timestamp
from dealpurge.runs.outcome.archives import kept_by
from dealpurge.runs.outcome.ends import End
from dealpurge.scope import PurgeScope
from dealpurge.text import escape, in_ascii

#: Skipped deals shown at a normal verbosity.
SKIPPED_SHOWN = 10
#: Deals that were not found, likewise.
MISSING_SHOWN = 10
#: By what the second line of a remark is indented.
HANGING = 2
#: Where there is no terminal.
ANY_WIDTH = Layout()


def lines(
    report: PurgeReport, style: Any, *, verbosity: int = 1, layout: Layout = ANY_WIDTH, end: End | None = None
) -> Iterator[str]:
    """The report as text: families, skipped deals, remarks, and last its ``end``, or the one sentence that sums it
    up."""
    if verbosity > 0:
        yield from _families(report, style, layout)
        yield from _samples(report, style, layout) if verbosity > 1 else ()
        yield from _skipped(report, style, layout, LIST_LIMIT if verbosity > 1 else SKIPPED_SHOWN)
        yield from _remarks(report, style, layout)
    if verbosity > 1:
        seconds = f"{report.duration_ms / 1000:.1f} s"
        yield from layout.prose(f"Run {report.run_id}: {_count(report.keys.scanned, 'key')} scanned in {seconds}.")
    complete = report.status == "completed"
    heading = end.heading if end else sentence(report)
    yield from map(style.SUCCESS if complete else style.WARNING, layout.prose(heading))
    if end and end.text:
        yield from layout.prose(end.text)
    if end and report.deals.skipped_never_active:
        yield from layout.prose(f"{report.deals.skipped_never_active:,} skipped, for want of any events.")
    if kept := _archive(report):
        yield from layout.prose(kept)


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


def not_found(report: PurgeReport, layout: Layout = ANY_WIDTH) -> Iterator[str]:
    """Which of the named deals have no keys in Redis, and what may have been meant."""
    count, named = report.deals.not_found, len(report.scope.deals)
    if not count:
        return
    yield from layout.prose(f"Not found: {count:,} of {_count(named, 'named deal')}.")
    for deal in report.deals_not_found[:MISSING_SHOWN]:
        nearly = f"  Did you mean {_named(*deal.did_you_mean)}?" if deal.did_you_mean else ""
        yield from layout.prose(f"  {_named(deal.org_id, deal.deal_id)}{nearly}", 2 * HANGING)
    if count > MISSING_SHOWN:
        yield f"  ... and {count - MISSING_SHOWN:,} more"


def would_delete(report: PurgeReport) -> int:
    """Keys that the purge would delete whose dry run this is."""
    return sum(report.families.values())


def to_be_read(report: PurgeReport, called: str, layout: Layout = ANY_WIDTH) -> Iterator[str]:
    """What somebody must read who wants to read nothing of what went well: the one sentence and the warnings."""
    if report.status != "completed" or report.warnings:
        yield from layout.prose(f"{called}: {sentence(report)} (Run {report.run_id}.)", HANGING)
    yield from warnings(report, layout)


def warnings(report: PurgeReport, layout: Layout = ANY_WIDTH) -> Iterator[str]:
    """One after the other."""
    for warning in report.warnings:
        yield from layout.prose(f"Warning: {warning}", HANGING)


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


def _broken_off(report: PurgeReport) -> str:
    how = "was cancelled" if report.status == "cancelled" else "failed"
    if report.scope.dry_run:
        return f"The dry run {how}, having found {_count(would_delete(report), 'key')} that a purge would delete."
    return f"The purge {how}, having deleted {_count(report.keys.deleted, 'key')}."


def _families(report: PurgeReport, style: Any, layout: Layout) -> Iterator[str]:
    heading = "Would be deleted" if report.scope.dry_run else "Deleted"
    rows = [(escape(name), f"{count:,}") for name, count in report.families.items()]
    total = ("all families", f"{sum(report.families.values()):,}")
    first, *middle, last = layout.table([("Family", heading), *rows, total], right=True)
    yield from map(style.MIGRATE_HEADING, first)
    yield from chain.from_iterable(middle)
    yield from map(style.MIGRATE_LABEL, last)
    yield ""


def _samples(report: PurgeReport, style: Any, layout: Layout) -> Iterator[str]:
    if not report.samples:
        return
    yield from map(style.MIGRATE_HEADING, layout.prose("Some of these keys, picked at random"))
    for name, keys in report.samples.items():
        yield f"{escape(name)}:"
        yield from (f"{' ' * HANGING}{key}" for key in keys)  # whole, so that they can be copied
    yield ""


def _skipped(report: PurgeReport, style: Any, layout: Layout, limit: int) -> Iterator[str]:
    count = report.deals.skipped_active
    if not report.skipped:
        return
    verb = "Would be skipped" if report.scope.dry_run else "Skipped"
    yield from map(style.MIGRATE_HEADING, layout.prose(f"{verb}, because active: {_count(count, 'deal')}"))
    shown = report.skipped[:limit]
    yield from chain.from_iterable(layout.table((_name(deal), _activity(deal)) for deal in shown))
    if count > len(shown):
        yield f"... and {count - len(shown):,} more"
    yield ""


def _remarks(report: PurgeReport, style: Any, layout: Layout) -> Iterator[str]:
    remarks = list(_facts(report))
    for remark in remarks:
        yield from layout.prose(remark, HANGING)
    yield from map(style.WARNING, warnings(report, layout))
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


def _archive(report: PurgeReport) -> str:
    with override("en"):
        return kept_by(report)


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
