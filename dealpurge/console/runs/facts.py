"""What is known of a run: its report, and who asked for what."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _

from dealpurge.console import formatting
from dealpurge.console.runs.outcomes import icon_of
from dealpurge.console.runs.progress import RunProgress
from dealpurge.keys.families import in_order
from dealpurge.models import PurgeRun
from dealpurge.report import LIST_LIMIT
from dealpurge.runs.label import Label
from dealpurge.text import plain


class RunFacts(RunProgress):
    """Computed when the template asks, from what was read already."""

    def __init__(self, run: PurgeRun, now: datetime) -> None:
        super().__init__(run, now)
        self.report: dict[str, Any] = run.report or {}

    @property
    def scope(self) -> str:
        """Which deals, in words."""
        return formatting.scope(self.run)

    @property
    def badge_class(self) -> str:
        """The badge's colour."""
        return "preview" if self.run.dry_run and self.run.status == PurgeRun.Status.COMPLETED else self.run.status

    @property
    def badge_icon(self) -> str:
        """What stands before its word."""
        return icon_of(self.run)

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
    def spares(self) -> str:
        """What stays whatever the scope."""
        return ", ".join(formatting.spared(self.run)) or _("nothing")

    @property
    def limits(self) -> str:
        """How much may go at most; empty without a limit."""
        return ", ".join(formatting.limits(self.run))

    @property
    def began(self) -> datetime:
        """When it was taken up, or asked for as long as nobody has."""
        moment: datetime = self.run.started_at or self.run.created_at
        return moment

    @property
    def in_brief(self) -> str:
        """Who, why, and the beginning of its id."""
        run = self.run
        parts = [plain(run.actor_name), plain(run.reason), _("run %(id)s") % {"id": str(run.pk)[:8]}]
        return " · ".join(filter(None, parts))

    @property
    def scanned(self) -> str:
        """How many keys were walked past, and in what time."""
        values = {"keys": formatting.keys(self.keys["scanned"]), "time": self.took}
        return _("%(keys)s in %(time)s") % values

    @property
    def previewed(self) -> str:
        """What its preview said."""
        report = self.run.preview.report if self.run.preview else None
        if not report:
            return formatting.utc(self.run.preview.created_at) if self.run.preview else ""
        counts = report["deals"]
        values = {"purged": formatting.number(counts["purged"]), "skipped": formatting.number(counts["skipped_active"])}
        return _("%(purged)s would be purged, %(skipped)s skipped") % values

    def named(self, address_of: Callable[[str | None, str], str]) -> Iterator[tuple[str, str]]:
        """The deals that were named, as many as a report would hold, each with the address of its timeline."""
        for org_id, deal_id in self.run.deals[:LIST_LIMIT]:
            yield formatting.deal(org_id, deal_id), address_of(org_id, deal_id)

    @property
    def named_more(self) -> int:
        """Deals that were named besides those."""
        return max(self.run.deals_named - LIST_LIMIT, 0)
