"""Where what a run deleted can be found."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from dealpurge.models.run import PurgeRun


class PurgeArchiveChunk(models.Model):
    """A file of a run's archive. ``size``: bytes as stored; ``length`` and ``sha256``: of what is in it uncompressed.
    ``first`` and ``last``: of a guarded run, the tokens between which its deals are; None where it may hold any."""

    # A run stays in the record for as long as its archive is there.
    run = models.ForeignKey(PurgeRun, models.PROTECT, related_name="archive_chunks", verbose_name=_("run"))
    #: Servers and their chunks are numbered from 1 on.
    server = models.PositiveSmallIntegerField(_("server"))
    number = models.PositiveIntegerField(_("number"))
    name = models.TextField(_("name in the storage"))
    keys = models.PositiveIntegerField(_("keys"))
    size = models.BigIntegerField(_("bytes stored"))
    length = models.BigIntegerField(_("bytes uncompressed"))
    sha256 = models.CharField(max_length=64)
    families = models.JSONField(_("keys by family"))
    first = models.TextField(_("first deal"), null=True)  # noqa: DJ001 - null: any
    last = models.TextField(_("last deal"), null=True)  # noqa: DJ001 - null: any
    server_version = models.CharField(_("server's version"), max_length=100, blank=True)
    #: Of the payloads of RESTORE in it, if there are any.
    rdb_version = models.PositiveIntegerField(_("RDB version"), null=True)

    class Meta:
        verbose_name = _("archive chunk")
        verbose_name_plural = _("archive chunks")
        default_permissions = ()
        constraints = (models.UniqueConstraint(fields=("run", "server", "number"), name="dealpurge_chunk"),)

    def __str__(self) -> str:
        return self.name
