"""The audit row of a run."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from dealpurge.models.fields import UTCDateTimeField
from dealpurge.scope import Mode, PurgeScope, RestoreScope

#: A running run whose heartbeat is older is lost.
LOST_AFTER = timedelta(seconds=60)
#: A queued run that no worker took by then expires.
QUEUE_EXPIRES_AFTER = timedelta(minutes=15)
#: A preview can be applied for this long after it finished.
PREVIEW_VALID_FOR = timedelta(minutes=15)


class PurgeRun(models.Model):
    """One call of the service, dry runs included. ``exclusive`` is set while a live purge of all deals is under way, or
    a live restore."""

    class Status(models.TextChoices):
        """``partial``: something could not be removed, or a deal was interrupted."""

        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        COMPLETED = "completed", _("completed")
        PARTIAL = "partial", _("partial")
        CANCELLED = "cancelled", _("cancelled")
        FAILED = "failed", _("failed")

    class Source(models.TextChoices):
        """The door it came through."""

        API = "api", _("API")
        COMMAND = "command", _("command")
        ADMIN = "admin", _("admin")

    class RunMode(models.TextChoices):
        """The modes of a scope."""

        ALL = "all", _("all deals")
        BY_DEAL = "by_deal", _("by deal")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    source = models.CharField(_("source"), max_length=10, choices=Source.choices)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("actor")
    )
    actor_name = models.CharField(_("actor's name"), max_length=255, blank=True)
    reason = models.TextField(_("reason"), blank=True)

    mode = models.CharField(_("mode"), max_length=10, choices=RunMode.choices)
    deals = models.JSONField(_("deals"), default=list, blank=True)
    org_id = models.CharField(_("organisation"), max_length=255, null=True, blank=True)  # noqa: DJ001 - null: all
    include_checkpoints = models.BooleanField(_("checkpoints included"), default=False)
    exclude_active_within_secs = models.BigIntegerField(_("active within seconds stay"), null=True, blank=True)
    leave_never_active = models.BooleanField(_("never active stay"), default=False, db_default=False)
    dry_run = models.BooleanField(_("dry run"), default=True)
    at_most_deals = models.BigIntegerField(_("deals at most"), null=True, blank=True)
    at_most_keys = models.BigIntegerField(_("keys at most"), null=True, blank=True)
    inventory = models.BooleanField(_("inventory"), default=False)
    families_digest = models.CharField(_("digest of the key families"), max_length=64, blank=True, editable=False)

    status = models.CharField(_("status"), max_length=10, choices=Status.choices, default=Status.QUEUED)
    keys_total = models.BigIntegerField(_("keys to scan"), default=0)
    keys_scanned = models.BigIntegerField(_("keys scanned"), default=0)
    keys_deleted = models.BigIntegerField(_("keys deleted"), default=0)
    # What the list of runs shows; the report and the named deals themselves may be large.
    keys_to_go = models.BigIntegerField(_("keys that would go"), default=0)
    # How far it is, phase by phase and server by server, as the run itself told last.
    progress = models.JSONField(_("progress"), null=True, blank=True, editable=False)
    deals_purged = models.IntegerField(_("deals purged"), default=0)
    deals_named = models.IntegerField(_("deals named"), default=0)
    created_at = UTCDateTimeField(_("created"), default=timezone.now, db_index=True)
    started_at = UTCDateTimeField(_("started"), null=True, blank=True)
    heartbeat_at = UTCDateTimeField(_("heartbeat"), null=True, blank=True)
    finished_at = UTCDateTimeField(_("finished"), null=True, blank=True)
    cancel_requested = models.BooleanField(_("cancel requested"), default=False)
    cancelled_by = models.CharField(_("cancelled by"), max_length=255, blank=True, default="", db_default="")
    report = models.JSONField(_("report"), null=True, blank=True)
    error = models.TextField(_("error"), blank=True)
    # The codes and parameters of the error and of the report's warnings, to say them in another language.
    sentences = models.JSONField(null=True, blank=True, editable=False)

    # A digest of whose request it was and of that request's idempotency key, while no other run may have it.
    idempotency_key = models.CharField(max_length=64, null=True, editable=False)  # noqa: DJ001 - null: none
    exclusive = models.CharField(max_length=10, null=True, unique=True, editable=False)  # noqa: DJ001 - null: not exclusive
    preview = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="applied", verbose_name=_("preview")
    )
    seen_at = UTCDateTimeField(_("seen by its actor"), null=True, blank=True)

    # Which Redis it was: what the settings called it, what they connect to, and the processes that were met.
    environment = models.CharField(_("environment"), max_length=100, blank=True, default="", db_default="")
    server_label = models.CharField(_("server"), max_length=255, blank=True, default="", db_default="")
    redis_address = models.TextField(_("configured address"), blank=True, default="", db_default="")
    redis_processes = models.JSONField(_("processes of Redis"), null=True, blank=True, editable=False)
    # How many rows of its deals there are by outcome, so that no page counts them.
    outcomes = models.JSONField(_("deals by outcome"), null=True, blank=True, editable=False)
    # Likewise by organisation, the largest of them.
    organisations = models.JSONField(_("deals by organisation"), null=True, blank=True, editable=False)

    # Where what it deletes is kept, empty where nowhere, until when, and by which templates its keys are read.
    archive_alias = models.CharField(_("archive's storage"), max_length=100, blank=True, default="", db_default="")
    archived_until = UTCDateTimeField(_("archived until"), null=True, blank=True, db_index=True)
    archive_families = models.JSONField(_("archived families"), null=True, blank=True, editable=False)
    # Whether there was to be none although the settings name a storage, and who removed the one there was.
    archive_declined = models.BooleanField(_("archive declined"), default=False, db_default=False)
    archive_removed_at = UTCDateTimeField(_("archive removed"), null=True, blank=True)
    archive_removed_by = models.CharField(
        _("archive removed by"), max_length=255, blank=True, default="", db_default=""
    )

    # Of a restore: the purge whose archive it writes back, which families of it, and what it does with the rest.
    restored_run = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="restores", verbose_name=_("restored purge")
    )
    families = models.JSONField(_("families"), null=True, blank=True, editable=False)
    leave_mixed = models.BooleanField(_("deals with keys stay"), default=False, db_default=False)
    skip_damaged = models.BooleanField(_("damaged files left out"), default=False, db_default=False)
    keys_restored = models.BigIntegerField(_("keys restored"), default=0, db_default=0)

    class Meta:
        verbose_name = _("purge run")
        verbose_name_plural = _("purge runs")
        ordering = ("-created_at", "-id")
        default_permissions = ("view",)
        permissions = (
            ("purge_deals", _("Can purge deals from Redis")),
            ("restore_deals", _("Can restore purged deals to Redis")),
        )
        indexes = (
            models.Index(fields=("status", "heartbeat_at"), name="dealpurge_run_live"),
            models.Index(fields=("actor", "created_at"), name="dealpurge_run_actor"),
        )
        # Not by unique=True, with which PostgreSQL has a second index, for LIKE, that every row pays for.
        constraints = (models.UniqueConstraint(fields=("idempotency_key",), name="dealpurge_run_idempotency"),)

    def __str__(self) -> str:
        return f"{self.pk}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Refuse to overwrite: a run changes by conditional UPDATE only."""
        if not self._state.adding:
            raise TypeError("A PurgeRun is changed by conditional UPDATE only.")
        super().save(*args, **kwargs)

    @property
    def scope(self) -> PurgeScope:
        """What was asked, as the service takes it."""
        mode: Mode = "all" if self.mode == self.RunMode.ALL else "by_deal"
        return PurgeScope(
            mode=mode,
            deals=tuple((org, deal) for org, deal in self.deals),
            org_id=self.org_id,
            include_checkpoints=self.include_checkpoints,
            exclude_active_within_secs=self.exclude_active_within_secs,
            leave_never_active=self.leave_never_active,
            dry_run=self.dry_run,
            at_most_deals=self.at_most_deals,
            at_most_keys=self.at_most_keys,
            keep_archive=not self.archive_declined,
        )

    @property
    def restore_scope(self) -> RestoreScope:
        """Likewise, of a restore."""
        return RestoreScope(
            deals=self.scope.deals,
            families=tuple(self.families or ()),
            leave_mixed=self.leave_mixed,
            skip_damaged=self.skip_damaged,
            dry_run=self.dry_run,
        )

    @property
    def is_restore(self) -> bool:
        """Whether it writes back what another run has archived."""
        return self.restored_run_id is not None

    @property
    def is_over(self) -> bool:
        """Whether the run has ended, one way or another."""
        return self.status not in (self.Status.QUEUED, self.Status.RUNNING)

    @property
    def is_lost(self) -> bool:
        """Whether nobody wrote its end down: what it did is known up to its last sign of life."""
        return self.status == self.Status.FAILED and self.started_at is not None and not self.report
