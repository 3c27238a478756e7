"""A preview of a restore: who may apply it, when, and what is asked before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.utils.translation import gettext as _

from dealpurge import services
from dealpurge.conf import conf
from dealpurge.exceptions import (
    DealPurgeError,
    PreviewRefused,
    PurgeConfigurationError,
    PurgeNotAllowed,
    RestoreRefused,
)
from dealpurge.i18n import said_by
from dealpurge.models import PurgeRun
from dealpurge.permissions import may_restore
from dealpurge.previews.binding import unbound
from dealpurge.previews.confirmation import Asked, Badge
from dealpurge.previews.preview import Preview
from dealpurge.runs.archive import restores
from dealpurge.runs.outcome import counts
from dealpurge.runs.store import Origin
from dealpurge.text import plain


@dataclass(frozen=True, slots=True)
class RestorePreview(Preview):
    """That of a restore."""

    def refusal(self, user: AbstractUser) -> PreviewRefused | PurgeNotAllowed | RestoreRefused | None:  # type: ignore[override]
        """Why ``user`` cannot apply it; None if they can."""
        run = self.run
        if not may_restore(user):
            return PurgeNotAllowed(_("You may not restore deals."))
        if not (run.dry_run and run.is_restore) or run.status != PurgeRun.Status.COMPLETED:
            return PreviewRefused(_("This is not a finished preview."))
        if run.actor_id != user.pk:
            words = _("Only %(name)s, who made this preview, can apply it.")
            return PurgeNotAllowed(words % {"name": plain(run.actor_name)})
        if self.applied_as:
            return PreviewRefused(_("This preview was applied before."))
        elsewhere = unbound(run)
        if elsewhere:
            return PreviewRefused(elsewhere)
        return self._problem()

    def apply(self, user: AbstractUser, reason: str = "") -> PurgeRun:
        """Queue the restore. Raises as ``Preview.apply``, and ``RestoreRefused``."""
        problem = self.refusal(user)
        if problem:
            raise problem
        run = self.run
        if run.seen_at is None:
            raise PreviewRefused(_("Look at the numbers of this preview before you apply it."))
        assert run.restored_run_id is not None  # noqa: S101 - it was refused otherwise
        origin = Origin(source=PurgeRun.Source.ADMIN, actor=user, reason=reason or run.reason)
        scope = replace(run.restore_scope, dry_run=False)
        return services.queue_restore(run.restored_run_id, scope, origin, preview=run)

    def _problem(self) -> PreviewRefused | RestoreRefused | None:
        run, report = self.run, self.run.report or {}
        if not run.keys_to_go:
            return PreviewRefused(_("There is nothing to restore."))
        if report.get("damaged") and not run.skip_damaged:
            return PreviewRefused(_("Files of the archive are damaged. The rest can be restored without them."))
        if lacks_room(report):
            return PreviewRefused(_("Redis has not enough memory free for that."))
        if self.left < timedelta(0):
            return PreviewRefused(_("This preview is too old to be applied: Redis has moved on since."))
        try:
            conf.confirm_deals, conf.reason_required  # noqa: B018 - without them nothing can be asked
            restores.purge_of(run)
        except PurgeConfigurationError as exc:
            return PreviewRefused(said_by(exc))
        except RestoreRefused as exc:
            return exc
        except DealPurgeError as exc:
            return PreviewRefused(said_by(exc))
        return None


class RestoreQuestion(Asked):
    """What is asked before a restore, in the active language: by the report of a preview. Restoring only writes, so
    that a number of deals is all that may have to be typed. ``click``: where a page has no more than its button."""

    def __init__(self, report: Mapping[str, Any], environment: str, *, click: str | None = None) -> None:
        self._environment = environment
        self._memory: Mapping[str, int | None] = report.get("memory", {})
        self.deals: int = report.get("deals", {}).get("restored", 0)
        self._asks = self.deals >= conf.confirm_deals
        self.words = str(self.deals) if self._asks else click

    @property
    def question(self) -> str:
        """The heading of what is asked."""
        deals = counts.deals(self.deals)
        if not self._environment:
            return _("Restore %(deals)s?") % {"deals": deals}
        return _("Restore %(deals)s to %(environment)s?") % {"deals": deals, "environment": self._environment}

    @property
    def button(self) -> str:
        """All that a click does."""
        return _("Restore %(deals)s") % {"deals": counts.deals(self.deals)}

    @property
    def badges(self) -> Iterator[Badge]:
        """Why something has to be typed."""
        if self._asks:
            yield Badge(words=counts.deals(self.deals), bad=False)

    @property
    def wrong(self) -> str:
        """What is said where something else was typed."""
        return _('That is not "%(words)s". Nothing was written.') % {"words": self.words}

    @property
    def memory(self) -> str:
        """What it needs, and what there is; empty where it is not known."""
        needed, free = self._memory.get("needed"), self._memory.get("free")
        if needed is None:
            return ""
        if free is None:
            return _("Needs ≈ %(size)s of Redis memory, estimated.") % {"size": counts.size(needed)}
        words = _("Needs ≈ %(size)s of Redis memory; %(free)s are free.")
        return words % {"size": counts.size(needed), "free": counts.size(free)}


def lacks_room(report: Mapping[str, Any]) -> bool:
    """Whether more memory is needed than is free."""
    memory: Mapping[str, int | None] = report.get("memory") or {}
    needed, free = memory.get("needed"), memory.get("free")
    return needed is not None and free is not None and needed > free
