"""The audit row of a run, which deals it touched, and what an inventory found.

Rows are written by ``runs``, never edited by hand.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from dealpurge.scope import Mode, PurgeScope

#: A running run whose heartbeat is older is lost.
LOST_AFTER = timedelta(seconds=60)
#: A queued run that no worker took by then expires.
QUEUE_EXPIRES_AFTER = timedelta(minutes=15)
#: A preview can be applied for this long after it finished.
PREVIEW_VALID_FOR = timedelta(minutes=15)


class UTCDateTimeField(models.DateTimeField):  # type: ignore[type-arg]
    """A moment that is aware and in UTC whatever ``USE_TZ`` says; for migrations a ``DateTimeField``.

    Where ``USE_TZ`` is off, SQLite's ``Now()`` is UTC all the same, so UTC is what stands there; other databases tell
    and take the time of ``TIME_ZONE``, which is also what a naive moment in Python is one of.
    """

    def deconstruct(self) -> Any:
        """As what it is in the database."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.DateTimeField", args, kwargs

    def from_db_value(self, value: datetime | None, expression: Any, connection: Any) -> datetime | None:
        """Aware. An hour that comes twice a year is told apart where the database's driver does."""
        if value is None or timezone.is_aware(value):
            return value
        return value.replace(tzinfo=stored_zone(connection)).astimezone(UTC)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """Without its zone where Django wants that. PostgreSQL's driver takes it whole."""
        if settings.USE_TZ or connection.vendor == "postgresql" or not isinstance(value, datetime):
            return super().get_db_prep_value(value, connection, prepared)
        aware = value if timezone.is_aware(value) else timezone.make_aware(value)
        return super().get_db_prep_value(timezone.make_naive(aware, stored_zone(connection)), connection, prepared)


def stored_zone(connection: Any) -> tzinfo:
    """The zone that moments stand in where ``USE_TZ`` is off."""
    return UTC if connection.vendor == "sqlite" else timezone.get_default_timezone()


class PurgeRun(models.Model):
    """One call of the service, dry runs included. ``exclusive`` is set while a live purge of all deals is under way."""

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

    class Meta:
        verbose_name = _("purge run")
        verbose_name_plural = _("purge runs")
        ordering = ("-created_at", "-id")
        default_permissions = ("view",)
        permissions = (("purge_deals", _("Can purge deals from Redis")),)
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
        )

    @property
    def is_over(self) -> bool:
        """Whether the run has ended, one way or another."""
        return self.status not in (self.Status.QUEUED, self.Status.RUNNING)


class PurgeRunDeal(models.Model):
    """One deal that a run met, or that was named and not found: answers who purged it, and what a preview would do.

    ``keys_deleted``: of the deal's keys in scope, those sent and not found still there. ``keys_left``: those that are
    still there. ``checkpoints``: of what a dry run would delete. None is what is not known.
    """

    class Outcome(models.TextChoices):
        """``interrupted``: begun, and left because somebody became active or the run ended. Dry runs know what would
        be, and what was not found."""

        PURGED = "purged", _("purged")
        SKIPPED_ACTIVE = "skipped_active", _("skipped, active")
        SKIPPED_NEVER_ACTIVE = "skipped_never_active", _("skipped, never active")
        INTERRUPTED = "interrupted", _("interrupted")
        NOT_REMOVED = "not_removed", _("not removed")
        NOT_FOUND = "not_found", _("not found")
        WOULD_BE_PURGED = "would_be_purged", _("would be purged")
        WOULD_BE_SKIPPED = "would_be_skipped", _("would be skipped")

    run = models.ForeignKey(PurgeRun, models.CASCADE, related_name="run_deals", verbose_name=_("run"))
    org_id = models.CharField(_("organisation"), max_length=255, null=True)  # noqa: DJ001 - null: org-less
    deal_id = models.CharField(_("deal"), max_length=255)
    outcome = models.CharField(_("outcome"), max_length=20, choices=Outcome.choices)
    keys_deleted = models.BigIntegerField(_("keys deleted"), null=True)
    keys_left = models.BigIntegerField(_("keys left"), null=True)
    last_active_at = UTCDateTimeField(_("last activity"), null=True)
    checkpoints = models.BigIntegerField(_("checkpoint keys"), null=True)

    class Meta:
        verbose_name = _("deal of a run")
        verbose_name_plural = _("deals of a run")
        default_permissions = ()
        # Not by db_index, with which PostgreSQL has a second one, for LIKE, that every row pays for.
        indexes = (models.Index(fields=("deal_id", "org_id"), name="dealpurge_run_deal"),)

    def __str__(self) -> str:
        return f"{self.org_id}:{self.deal_id}"


class InventoryDeal(models.Model):
    """What one deal held when an inventory was taken. ``families`` maps names to numbers of keys, without zeros."""

    run = models.ForeignKey(PurgeRun, models.CASCADE, related_name="inventory_deals", verbose_name=_("run"))
    org_id = models.CharField(_("organisation"), max_length=255, null=True)  # noqa: DJ001 - null: org-less
    deal_id = models.CharField(_("deal"), max_length=255)
    keys = models.BigIntegerField(_("keys"))
    families = models.JSONField(_("families"))
    last_active_at = UTCDateTimeField(_("last activity"), null=True)

    class Meta:
        verbose_name = _("deal in Redis")
        verbose_name_plural = _("deals in Redis")
        default_permissions = ()
        indexes = (
            models.Index(fields=("run", "keys"), name="dealpurge_inventory_keys"),
            # With what is counted and added up, so that 300,000 deals are without a look at their rows.
            models.Index(fields=("run", "last_active_at", "keys"), name="dealpurge_inventory_active"),
            models.Index(fields=("run", "org_id", "deal_id", "keys", "last_active_at"), name="dealpurge_inventory_org"),
        )

    def __str__(self) -> str:
        return f"{self.org_id}:{self.deal_id}"
