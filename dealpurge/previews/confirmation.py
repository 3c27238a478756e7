"""What is asked before a purge, in the words of the page and of the terminal alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dealpurge import services
from dealpurge.keys.families import CHECKPOINTS
from dealpurge.models import PurgeRun
from dealpurge.report import PurgeReport
from dealpurge.risk import Level, Reason, Risk, same

#: How a terminal shows what is marked on a page.
MARKS = {"<strong>": "", "</strong>": "", "<kbd>": '"', "</kbd>": '"'}


@dataclass(frozen=True, slots=True)
class Marked:
    """A sentence with marks in it, and the ``word`` that stands in it, which comes from the settings."""

    sentence: str
    word: str

    @property
    def html(self) -> SafeString:
        """For a page."""
        return format_html(self.sentence, word=self.word)

    @property
    def text(self) -> str:
        """For a terminal."""
        sentence = self.sentence
        for mark, shown in MARKS.items():
            sentence = sentence.replace(mark, shown)
        return sentence.format(word=self.word)


@dataclass(frozen=True, slots=True, kw_only=True)
class Badge:
    """A reason in two words; ``bad`` where work in flight could be lost by it."""

    words: str
    bad: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A number, and what would become of so many."""

    number: str
    words: Marked


class Asked:
    """What is asked before something is done. ``words``: what has to be typed; None where a click is enough."""

    words: str | None

    def confirmed_by(self, typed: str) -> bool:
        """Whether what has to be typed was, whatever its case, blanks and grouping of digits."""
        return self.words is None or same(typed, self.words)

    @property
    def why(self) -> str:
        """What stands in front of the badges."""
        return _("Why you're asked:")

    @property
    def instruction(self) -> Marked:
        """What to do."""
        return Marked(_("Type <kbd>{word}</kbd> to confirm"), self.words or "")


class Confirmation(Asked):
    """A risk in the active language. ``click``: to be typed where a page has no more than its button."""

    def __init__(self, risk: Risk, *, click: str | None = None) -> None:
        self.risk = risk
        self.words = risk.words or click

    @classmethod
    def of_preview(cls, run: PurgeRun) -> Confirmation:
        """What is asked of a finished preview, by its row and the settings of this moment."""
        report = run.report or {}
        checkpoints, deals = report.get("families", {}).get(CHECKPOINTS, 0), report.get("deals", {})
        known = {name: deals.get(name) for name in ("active", "organisations")}
        return cls(services.risk(run.scope, deals=run.deals_purged, checkpoints=checkpoints, **known))

    @classmethod
    def of_report(cls, report: PurgeReport, *, click: str | None = None) -> Confirmation:
        """What is asked after a dry run, by its report."""
        checkpoints, deals = report.families.get(CHECKPOINTS, 0), report.deals
        known = {"active": deals.active, "organisations": deals.organisations}
        return cls(services.risk(report.scope, deals=deals.purged, checkpoints=checkpoints, **known), click=click)

    @property
    def is_high(self) -> bool:
        """Whether it is framed in red."""
        return self.risk.level >= Level.HIGH

    @property
    def heading(self) -> str:
        """What the risk note begins with; empty where there is none."""
        return {
            Level.CALM: "",
            Level.NOTE: _("Read before you purge"),
            Level.HIGH: _("High risk"),
            Level.LIVE_WORK: _("High risk: live work would be lost"),
        }[self.risk.level]

    @cached_property
    def lines(self) -> list[Line]:
        """What the risk note says, live work first."""
        told = {reason.kind: self._line(reason) for reason in self.risk.reasons}
        return [told[kind] for kind in ("guard_off", "checkpoints", "no_archive", "deals") if kind in told]

    @property
    def badges(self) -> Iterator[Badge]:
        """Why something has to be typed."""
        for reason in self.risk.reasons:
            words = {
                "deals": self._deals,
                "guard_off": _("guard off"),
                "checkpoints": _("checkpoints included"),
                "no_archive": _("no archive"),
            }[reason.kind]
            yield Badge(words=words, bad=reason.kind != "deals")

    @property
    def question(self) -> str:
        """The heading of what is asked."""
        if not self.risk.environment:
            return _("Purge %(deals)s?") % {"deals": self._deals}
        return _("Purge %(deals)s from %(environment)s?") % {
            "deals": self._deals,
            "environment": self.risk.environment,
        }

    @property
    def button(self) -> str:
        """All that a click does."""
        if self.risk.guarded:
            return _("Purge %(deals)s") % {"deals": self._deals}
        words = ngettext("Purge %(deals)s, even if active", "Purge %(deals)s, active ones too", self.risk.deals)
        return words % {"deals": self._deals}

    @property
    def wrong(self) -> str:
        """What is said where something else was typed."""
        return _('That is not "%(words)s". Nothing was deleted.') % {"words": self.words}

    @property
    def _deals(self) -> str:
        return ngettext("%(n)s deal", "%(n)s deals", self.risk.deals) % {"n": _number(self.risk.deals)}

    def _line(self, reason: Reason) -> Line:
        if reason.kind == "deals":
            return self._told(self.risk.deals, self._where())
        if reason.kind == "checkpoints":
            return self._told(reason.count or 0, _checkpoints(reason.count or 0))
        if reason.kind == "no_archive":
            return self._told(self.risk.deals, _unarchived(self.risk.deals))
        if reason.count:
            return self._told(reason.count, _active(reason.count))
        return self._told(self.risk.deals, _unguarded(self.risk.deals))

    def _told(self, number: int, sentence: str) -> Line:
        return Line(number=_number(number), words=Marked(sentence, self.risk.environment))

    def _where(self) -> str:
        deals = self.risk.deals
        if self.risk.everything and self.risk.environment:
            return ngettext(
                "deal of all organisations, in <strong>{word}</strong>.",
                "deals of all organisations, in <strong>{word}</strong>.",
                deals,
            )
        if self.risk.everything:
            return ngettext("deal of all organisations.", "deals of all organisations.", deals)
        if self.risk.organisations:
            words = ngettext("deal of %(organisations)s.", "deals of %(organisations)s.", deals)
            if self.risk.environment:
                words = ngettext(
                    "deal of %(organisations)s, in <strong>{word}</strong>.",
                    "deals of %(organisations)s, in <strong>{word}</strong>.",
                    deals,
                )
            return words % {"organisations": _organisations(self.risk.organisations)}
        if self.risk.environment:
            return ngettext("deal, in <strong>{word}</strong>.", "deals, in <strong>{word}</strong>.", deals)
        return ngettext("deal would be purged.", "deals would be purged.", deals)


def _organisations(count: int) -> str:
    return ngettext("one organisation", "%(n)s organisations", count) % {"n": _number(count)}


def _active(count: int) -> str:
    return ngettext(
        "deal active in the last hour <strong>would be purged too</strong>: the guard is off.",
        "deals active in the last hour <strong>would be purged too</strong>: the guard is off.",
        count,
    )


def _unguarded(count: int) -> str:
    return ngettext(
        "deal would be purged <strong>even if somebody works on it</strong>: the guard is off.",
        "deals would be purged <strong>even if somebody works on them</strong>: the guard is off.",
        count,
    )


def _unarchived(count: int) -> str:
    return ngettext(
        "deal would be <strong>gone for good</strong>: no archive is kept.",
        "deals would be <strong>gone for good</strong>: no archive is kept.",
        count,
    )


def _checkpoints(count: int) -> str:
    if not count:
        return _("checkpoint keys were found. Those that are written until the purge would be deleted.")
    return ngettext(
        "checkpoint key would be deleted. Synthesis runs in flight on these deals are aborted.",
        "checkpoint keys would be deleted. Synthesis runs in flight on these deals are aborted.",
        count,
    )


def _number(value: int) -> str:
    return number_format(value, 0, force_grouping=True)
