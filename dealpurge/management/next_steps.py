"""What to do next, as a command to copy: for somebody at a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import pairwise

from django.utils.translation import override

from dealpurge import services
from dealpurge.exceptions import LimitExceeded
from dealpurge.management.failures import next_step
from dealpurge.management.output import would_delete
from dealpurge.management.terminal.layout import Layout
from dealpurge.previews.confirmation import Confirmation
from dealpurge.report import PurgeReport
from dealpurge.runs.outcome.ends import End
from dealpurge.scope import PurgeScope

#: Options that say whether it is for real.
MANNER = ("--dry-run", "--no-dry-run", "--no-input", "--noinput")
WHAT_IS_LEFT, WHAT_WOULD_GO = "Preview what is left:", "See what would go:"
UNDO = "See what would come back:"


def after_outcome(argv: Sequence[str], report: PurgeReport, end: End | None, layout: Layout) -> list[str]:
    """After a dry run the purge itself, which asks; after a purge another dry run, if it left anything, and how to undo
    it, if that can be."""
    if report.scope.dry_run and would_delete(report) and not services.excess(report):
        with override("en"):
            label = Confirmation.of_report(report).button
        return _lines(f"{label} (it asks first):", again(argv, live=True), layout)
    left = _lines(WHAT_IS_LEFT, again(argv), layout) if end and end.leads_to else []
    return left + _lines(UNDO, undo(argv, report), layout)


def after_error(
    argv: Sequence[str], scope: PurgeScope, end: End | None, exc: BaseException | None, layout: Layout
) -> list[str]:
    """Another dry run, where something may be left or too much would go; else what has to come first."""
    if isinstance(exc, LimitExceeded):
        return _lines(WHAT_WOULD_GO, again(argv), layout)
    if end and end.leads_to:
        return _lines(WHAT_IS_LEFT, again(argv), layout)
    begun = end or not isinstance(exc, KeyboardInterrupt | None)
    words = next_step(scope, exc) if begun else ""
    return ["", *layout.prose(words)] if words else []


def again(argv: Sequence[str], *, live: bool = False) -> list[str]:
    """The words that the command was called with, for a dry run, or for a purge that asks. None where they cannot be
    typed again: what is not printable, or deals that came through a pipe."""
    given = list(argv)
    words = sys.orig_argv if given and sys.orig_argv[-len(given) :] == given else ["python", *given]
    piped = "--deals-from=-" in given or ("--deals-from", "-") in pairwise(given)
    if not given or piped or not all(word.isprintable() for word in words):
        return []
    return [*(word for word in words if word not in MANNER), *(("--no-dry-run",) if live else ())]


def undo(argv: Sequence[str], report: PurgeReport) -> list[str]:
    """The preview of a restore; none where nothing was kept."""
    words = again(argv)
    if report.archive is None or not report.archive.chunks or "purge_deals" not in words:
        return []
    return [*words[: words.index("purge_deals")], "restore_deals", str(report.run_id)]


def _lines(label: str, words: Sequence[str], layout: Layout) -> list[str]:
    return ["", *layout.prose(label), *layout.command(words)] if words else []
