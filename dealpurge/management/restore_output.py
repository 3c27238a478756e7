"""The report of a restore for the eyes of somebody at a terminal, and the question before it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from django.utils.translation import override

from dealpurge.management.output import HANGING, SKIPPED_SHOWN
from dealpurge.management.terminal.layout import Layout
from dealpurge.previews.restoring import RestoreQuestion
from dealpurge.restore_report import RestoreReport
from dealpurge.runs.label import Label
from dealpurge.text import escape

#: What is typed where a page has a button alone.
YES = "yes"


class Question:
    """What is asked after a preview, in English, as all that the command says."""

    def __init__(self, report: RestoreReport, layout: Layout) -> None:
        asked = RestoreQuestion(report.as_dict(), Label.of_settings().environment, click=YES)
        self.answered_by = asked.confirmed_by
        with override("en"):
            why = ", ".join(badge.words for badge in asked.badges)
            told = filter(None, (asked.question, f"{asked.why} {why}" if why else "", asked.memory))
            self.lines = ["", *chain.from_iterable(map(layout.prose, told))]
            self.prompt = f"{asked.instruction.text}: "
            #: What is said to any other answer.
            self.refusal = asked.wrong


def lines(report: RestoreReport, style: Any, layout: Layout) -> Iterator[str]:
    """The report as text: families, what is in the way, remarks, and last the one sentence that sums it up."""
    yield from _families(report, style, layout)
    yield from _mixed(report, style, layout)
    for remark in _remarks(report):
        yield from layout.prose(remark, HANGING)
    for warning in report.warnings:
        yield from map(style.WARNING, layout.prose(f"Warning: {warning}", HANGING))
    yield ""
    complete = report.status == "completed"
    yield from map(style.SUCCESS if complete else style.WARNING, layout.prose(sentence(report)))


def sentence(report: RestoreReport) -> str:
    """What happened, or would happen, in the tense that is true of it."""
    keys, deals = _count(report.keys.restored, "key"), _count(report.deals.restored, "deal")
    if report.scope.dry_run:
        if report.status in ("cancelled", "failed"):
            how = "was cancelled" if report.status == "cancelled" else "failed"
            return f"The preview {how}. Nothing was written."
        return f"Dry run: a restore would write back {keys} of {deals}."
    if report.status in ("cancelled", "failed"):
        how = "was cancelled" if report.status == "cancelled" else "failed"
        return f"The restore {how}, having written back {keys} of {deals}."
    left = report.keys.not_restored + report.keys.refused
    return f"Restored: {deals}, {keys}." + (f" {_count(left, 'key')} could not be restored." if left else "")


def _families(report: RestoreReport, style: Any, layout: Layout) -> Iterator[str]:
    heading = "Would be written" if report.scope.dry_run else "Written back"
    rows = [(escape(name), f"{count:,}") for name, count in report.families.items()]
    total = ("all families", f"{report.keys.restored:,}")
    first, *middle, last = layout.table([("Family", heading), *rows, total], right=True)
    yield from map(style.MIGRATE_HEADING, first)
    yield from chain.from_iterable(middle)
    yield from map(style.MIGRATE_LABEL, last)
    yield ""


def _mixed(report: RestoreReport, style: Any, layout: Layout) -> Iterator[str]:
    """Deals that are, or would be, of old keys and new ones."""
    if not report.mixed:
        return
    words = "left out" if report.scope.leave_mixed else "their new content stays"
    heading = f"{_count(report.deals.mixed, 'deal')} worked on since the purge: keys exist again ({words})"
    yield from map(style.MIGRATE_HEADING, layout.prose(heading))
    shown = report.mixed[:SKIPPED_SHOWN]
    yield from chain.from_iterable(
        layout.table((_named(deal.org_id, deal.deal_id), _count(deal.keys, "key")) for deal in shown)
    )
    if report.deals.mixed > len(shown):
        yield f"... and {report.deals.mixed - len(shown):,} more"
    yield ""


def _remarks(report: RestoreReport) -> Iterator[str]:
    keys = report.keys
    if keys.kept_newer:
        yield f"Exist again, left as they are: {_count(keys.kept_newer, 'key')}."
    if report.scope.leave_mixed and report.deals.left_out:
        yield f"Left out with them: {_count(keys.left_out, 'key')} of {_count(report.deals.left_out, 'deal')}."
    elif report.mixed and report.scope.dry_run:
        yield "--leave-mixed leaves these deals out."
    if keys.expired:
        yield f"Expired since, not written: {_count(keys.expired, 'key')}."
    if report.deals.not_found:
        names = ", ".join(_named(*deal) for deal in report.not_found[:SKIPPED_SHOWN])
        yield f"Not in the archive: {_count(report.deals.not_found, 'named deal')}: {names}"
    for file in report.damaged[:SKIPPED_SHOWN]:
        yield f"Damaged: {escape(file.name)}, {_count(file.keys, 'key')} ({file.damage})."
    if report.damaged and not report.scope.skip_damaged:
        yield "--skip-damaged restores the rest."


def _named(org_id: str | None, deal_id: str) -> str:
    return escape(deal_id) if org_id is None else f"{escape(org_id)}:{escape(deal_id)}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
