"""The question in front of a purge: what a page of the admin asks, at a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from typing import Any

from django.db import Error as DatabaseTrouble
from django.utils.translation import override

from dealpurge.management.base import PurgeCommand, ReaderGone
from dealpurge.management.terminal.layout import Layout
from dealpurge.previews.confirmation import Confirmation
from dealpurge.previews.meanwhile import purges_meeting
from dealpurge.report import PurgeReport
from dealpurge.runs.label import Label
from dealpurge.text import escape

#: What is typed where a page has a button alone.
YES = "yes"


class Question:
    """What is asked after a dry run; in English, as all that the command says."""

    def __init__(self, report: PurgeReport, style: Any, layout: Layout) -> None:
        confirmation = Confirmation.of_report(report, click=YES)
        self.answered_by = confirmation.confirmed_by
        with override("en"):
            #: The risk, the question, and why more than a yes is wanted.
            asked = (*_meanwhile(report), confirmation.question, *_why(confirmation))
            self.lines = ["", *_risk(confirmation, style, layout), *chain.from_iterable(map(layout.prose, asked))]
            self.prompt = f"{confirmation.instruction.text}: "
            #: What is said to any other answer.
            self.refusal = confirmation.wrong


def asked(command: PurgeCommand, lines: Iterable[str], prompt: str, nothing: str) -> str:
    """What somebody types behind the question. Raises ``ReaderGone``, with ``nothing`` as what was done."""
    command.tell_all(lines)
    command.tell_raw(prompt)
    if getattr(command.stderr, "gone", False):
        raise ReaderGone(f"Nobody reads the question. {nothing}")
    try:
        return answer()
    except KeyboardInterrupt:
        command.tell("")  # an end of the question's line
        raise


def answer() -> str:
    """What is typed; nothing where the input ends."""
    try:
        return input().strip()
    except EOFError:
        return ""


def _risk(confirmation: Confirmation, style: Any, layout: Layout) -> Iterator[str]:
    if not confirmation.heading:
        return
    yield from map(style.ERROR if confirmation.is_high else style.WARNING, layout.prose(confirmation.heading))
    wide = max(len(line.number) for line in confirmation.lines)
    for line in confirmation.lines:
        yield from layout.prose(f"{line.number:>{wide}}  {line.words.text}", wide + 2)
    yield ""


def _meanwhile(report: PurgeReport) -> Iterator[str]:
    with suppress(DatabaseTrouble):  # which the purge says in its own words
        for other in purges_meeting(report.scope, Label.of_settings(), since=report.started_at):
            yield f"{escape(other.words)} (Run {other.run.pk}.)"


def _why(confirmation: Confirmation) -> Iterator[str]:
    badges = ", ".join(badge.words for badge in confirmation.badges)
    if badges:
        yield f"{confirmation.why} {badges}"
