"""What the page of one run shows, made of its row and its report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.utils.translation import gettext as _

from dealpurge.console import formatting, shell_commands, translation
from dealpurge.console.runs.progress import RunProgress
from dealpurge.exceptions import DealPurgeError
from dealpurge.i18n import said_by
from dealpurge.keys.families import CHECKPOINTS, in_order
from dealpurge.models import PurgeRun
from dealpurge.previews.preview import Preview
from dealpurge.report import LIST_LIMIT
from dealpurge.runs.label import Label

Status = PurgeRun.Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A number and what it counts."""

    number: int
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A family's keys; ``share`` is a length in percent of the longest bar, ready for a page of any language."""

    label: str
    count: int
    share: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A number of the live run that is not the one its preview had."""

    label: str
    preview: int
    live: int


class RunPage(RunProgress):
    """A run for its page. Everything is computed when the template asks, from what was read already."""

    def __init__(self, preview: Preview, user: AbstractUser) -> None:
        super().__init__(preview.run, preview.now)
        self.preview = preview
        self.user = user
        self.report: dict[str, Any] = self.run.report or {}

    @property
    def is_lost(self) -> bool:
        """Whether nobody wrote its end down: what it did is known up to its last sign of life."""
        return self.run.status == Status.FAILED and self.run.started_at is not None and not self.report

    @property
    def scope(self) -> str:
        """Which deals, in words."""
        return formatting.scope(self.run)

    @property
    def title(self) -> str:
        """The heading and the last breadcrumb."""
        words = _("Preview: %(scope)s") if self.run.dry_run else _("Purge: %(scope)s")
        return words % {"scope": self.scope}

    @property
    def badge_class(self) -> str:
        """The badge's colour."""
        return "preview" if self.run.dry_run and self.run.status == Status.COMPLETED else self.run.status

    @property
    def conditions(self) -> str:
        """The scope's options in words."""
        return ", ".join(formatting.conditions(self.run))

    @property
    def gone(self) -> int:
        """Keys deleted, or in a dry run those that would be."""
        return sum(self.families.values()) if self.run.dry_run else self.keys["deleted"]

    @cached_property
    def keys(self) -> dict[str, Any]:
        """The report's counts of keys."""
        counts: dict[str, Any] = self.report.get("keys", {})
        return counts

    @cached_property
    def deals(self) -> dict[str, Any]:
        """The report's counts of deals."""
        counts: dict[str, Any] = self.report.get("deals", {})
        return counts

    @cached_property
    def families(self) -> dict[str, int]:
        """Keys by family, in the families' own order."""
        return in_order(self.report.get("families", {}))

    @property
    def server(self) -> str:
        """Which one it was: its label at the time, or its address; empty for a run of before that was recorded."""
        return Label.of_run(self.run).server

    @property
    def took(self) -> str:
        """How long the engine worked."""
        return formatting.duration(self.report.get("duration_ms", 0))

    @property
    def tiles(self) -> Iterator[Tile]:
        """The numbers that matter most."""
        dry, deals = self.run.dry_run, self.deals
        yield Tile(number=deals["matched"], label=_("deals found"))
        yield Tile(number=deals["purged"], label=_("would be purged") if dry else _("purged"))
        yield Tile(number=deals["skipped_active"], label=self._skipped_label())
        if self.run.leave_never_active:
            yield Tile(number=deals.get("skipped_never_active", 0), label=_("stay: without any activity"))
        words = (
            _("keys would go, of %(n)s scanned in %(time)s") if dry else _("keys deleted, of %(n)s scanned in %(time)s")
        )
        yield Tile(number=self.gone, label=words % {"n": formatting.number(self.keys["scanned"]), "time": self.took})

    @property
    def bars(self) -> list[Bar]:
        """One bar a family, in the families' own order."""
        longest = max(self.families.values(), default=0) or 1
        return [
            Bar(label=self._family_label(name), count=count, share=f"{100 * count / longest:.2f}")
            for name, count in self.families.items()
        ]

    @property
    def warnings(self) -> list[str]:
        """What the report warns of, in the reader's language."""
        return list(translation.warnings(self.run))

    @property
    def error(self) -> str:
        """Why the run failed, likewise."""
        return translation.error(self.run)

    @property
    def differences(self) -> list[Difference]:
        """Where the live run did otherwise than its preview said."""
        before = self.run.preview
        if before is None or not (before.report and self.report):
            return []
        then = before.report
        rows = (
            (_("Deals found"), then["deals"]["matched"], self.deals["matched"]),
            (_("Deals purged"), then["deals"]["purged"], self.deals["purged"]),
            (_("Deals left as active"), then["deals"]["skipped_active"], self.deals["skipped_active"]),
            (_("Keys"), sum(then["families"].values()), self.gone),
        )
        pairs = [Difference(label=label, preview=old, live=new) for label, old, new in rows]
        return pairs if any(pair.preview != pair.live for pair in pairs[1:]) else []

    @cached_property
    def refusal(self) -> DealPurgeError | None:
        """Why this user cannot apply this preview."""
        return self.preview.refusal(self.user)

    @property
    def refusal_words(self) -> str:
        """The same in the reader's language."""
        return translation.in_language(said_by(self.refusal)) if self.refusal else ""

    @property
    def named(self) -> list[str]:
        """The deals that were named, as many as a report would hold."""
        return [formatting.deal(org_id, deal_id) for org_id, deal_id in self.run.deals[:LIST_LIMIT]]

    @property
    def named_more(self) -> int:
        """Deals that were named besides those."""
        return max(self.run.deals_named - LIST_LIMIT, 0)

    @property
    def commands(self) -> shell_commands.Commands:
        """The same purge for a shell."""
        return shell_commands.commands(self.run)

    def _skipped_label(self) -> str:
        seconds = self.run.exclude_active_within_secs
        if not seconds:
            return _("stay: none are left out")
        return _("stay: active within %(span)s") % {"span": formatting.span(seconds)}

    def _family_label(self, name: str) -> str:
        stays = name == CHECKPOINTS and not self.run.include_checkpoints
        return _("%(family)s (stay)") % {"family": formatting.family(name)} if stays else formatting.family(name)
