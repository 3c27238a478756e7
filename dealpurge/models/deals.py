"""What a run did to each deal, what an inventory found of them, and what a restore brought back."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from dealpurge.models.fields import UTCDateTimeField
from dealpurge.models.run import PurgeRun


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


class RestoredDeal(models.Model):
    """What a restore did with the keys of one deal, or its preview would do. ``keys_kept``: those that exist again and
    stay as they are, some of them in ``names``; ``keys_missed``: those that are not there although they could be."""

    run = models.ForeignKey(PurgeRun, models.CASCADE, related_name="restored_deals", verbose_name=_("run"))
    org_id = models.CharField(_("organisation"), max_length=255, null=True)  # noqa: DJ001 - null: org-less
    deal_id = models.CharField(_("deal"), max_length=255)
    keys_archived = models.BigIntegerField(_("keys archived"))
    keys_restored = models.BigIntegerField(_("keys restored"))
    keys_kept = models.BigIntegerField(_("keys that exist again"))
    keys_expired = models.BigIntegerField(_("keys expired"))
    keys_missed = models.BigIntegerField(_("keys not restored"))
    left_out = models.BooleanField(_("left out"), default=False)
    names = models.JSONField(_("some keys that exist again"), default=list)

    class Meta:
        verbose_name = _("deal of a restore")
        verbose_name_plural = _("deals of a restore")
        default_permissions = ()
        indexes = (
            models.Index(fields=("deal_id", "org_id"), name="dealpurge_restored_deal"),
            models.Index(fields=("run", "keys_kept"), name="dealpurge_restored_kept"),
        )

    def __str__(self) -> str:
        return f"{self.org_id}:{self.deal_id}"
