"""A preview is a dry run that its own actor may apply: once, soon, and having seen it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.auth.models import AbstractUser
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from dealpurge import services
from dealpurge.conf import conf
from dealpurge.engine import limits
from dealpurge.exceptions import PreviewRefused, PurgeConfigurationError, PurgeNotAllowed
from dealpurge.i18n import Said, said_by
from dealpurge.keys.families import Keyspace
from dealpurge.models import PREVIEW_VALID_FOR, PurgeRun
from dealpurge.permissions import may_purge
from dealpurge.previews.binding import unbound
from dealpurge.runs.database import bounded, stored, update, utc_now
from dealpurge.runs.store import Origin
from dealpurge.text import plain

#: What may be large and is asked of none of the runs that belong to another.
UNUSED = ("preview__deals", "preview__sentences", "applied__deals", "applied__report", "applied__sentences")


@dataclass(frozen=True, slots=True)
class Preview:
    """A run, and the database's clock at the time it was read, by which its age counts."""

    run: PurgeRun
    now: datetime

    @classmethod
    def load(cls, run_id: UUID) -> Preview:
        """Read a run with those that belong to it. Raises ``PurgeRun.DoesNotExist``."""
        runs = stored().select_related("actor", "preview", "applied").defer(*UNUSED)
        with bounded():
            run = runs.annotate(now=utc_now()).get(pk=run_id)
        return cls(run, run.now)

    @classmethod
    def load_brief(cls, run_id: UUID) -> Preview:
        """Read a run without what may be large, and alone: for who asks every second."""
        with bounded():
            run = stored().defer("deals", "report", "sentences").annotate(now=utc_now()).get(pk=run_id)
        return cls(run, run.now)

    @property
    def applied_as(self) -> PurgeRun | None:
        """The live run that this preview became."""
        return getattr(self.run, "applied", None)

    @property
    def left(self) -> timedelta:
        """For how long it can still be applied; negative when it is too old."""
        finished = self.run.finished_at or self.now
        return finished + PREVIEW_VALID_FOR - self.now

    @property
    def deals(self) -> int:
        """The number of deals that would be purged."""
        return self.run.deals_purged

    def excess(self) -> Said | None:
        """By how much it is more than may be purged, by the limits of today. Raises ``PurgeConfigurationError``."""
        return limits.excess(limits.in_force(self.run.scope), self.run.deals_purged, self.run.keys_to_go)

    def refusal(self, user: AbstractUser) -> PreviewRefused | PurgeNotAllowed | None:
        """Why ``user`` cannot apply it; None if they can."""
        run = self.run
        if not may_purge(user):
            return PurgeNotAllowed(_("You may not purge deals."))
        if not run.dry_run or run.inventory or run.is_restore or run.status != PurgeRun.Status.COMPLETED:
            return PreviewRefused(_("This is not a finished preview."))
        if run.actor_id != user.pk:
            words = _("Only %(name)s, who made this preview, can apply it.")
            return PurgeNotAllowed(words % {"name": plain(run.actor_name)})
        if self.applied_as:
            return PreviewRefused(_("This preview was applied before."))
        elsewhere = unbound(run)
        if elsewhere:
            return PreviewRefused(elsewhere)
        if not self.deals:
            return PreviewRefused(_("There is nothing to purge."))
        try:
            conf.confirm_deals, conf.archive  # noqa: B018 - without them nothing can be asked
            excess = self.excess()
        except PurgeConfigurationError as exc:
            return PreviewRefused(said_by(exc))
        if excess:
            return PreviewRefused(excess)
        if self.left < timedelta(0):
            return PreviewRefused(_("This preview is too old to be applied: Redis has moved on since."))
        if _families_changed(run):
            return PreviewRefused(_("The key families in the settings have changed since this preview was made."))
        return None

    def mark_seen(self, user: AbstractUser) -> None:
        """Note that its own actor has seen the numbers of a finished preview; nobody else's look counts."""
        run = self.run
        # Of a run that was still under way when it was read, no numbers were shown.
        if run.actor_id == user.pk and run.seen_at is None and run.status == PurgeRun.Status.COMPLETED:
            finished = Q(pk=run.pk, dry_run=True, status=PurgeRun.Status.COMPLETED, seen_at=None)
            update(finished, seen_at=Now())

    def apply(self, user: AbstractUser) -> PurgeRun:
        """Queue the live run. Scope and reason come from the preview's own row, and its numbers must have been seen.

        Raises ``PreviewRefused``, ``PurgeNotAllowed``, and what ``services.queue`` does.
        """
        problem = self.refusal(user)
        if problem:
            raise problem
        if self.run.seen_at is None:
            raise PreviewRefused(_("Look at the numbers of this preview before you apply it."))
        origin = Origin(source=PurgeRun.Source.ADMIN, actor=user, reason=self.run.reason)
        return services.queue(replace(self.run.scope, dry_run=False), origin, preview=self.run)


def _families_changed(run: PurgeRun) -> bool:
    try:
        return not Keyspace.from_settings().agrees_with(run.families_digest, run.scope)
    except PurgeConfigurationError:
        return True
