"""Lets archives go: files first, then the rows that name them, and last the run's row says that there is none."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import chain
from uuid import UUID

from django.core.files.storage import Storage, storages
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Now

from dealpurge.exceptions import ArchiveRefused
from dealpurge.models import PurgeArchiveChunk, PurgeRun
from dealpurge.report import timestamp
from dealpurge.runs.archive.manifest import MANIFEST
from dealpurge.runs.archive.storage import folder_of, names_in, remove, remove_folder
from dealpurge.runs.database import alias, bounded, delete_in_batches, storable, stored, update
from dealpurge.runs.log import log_archive_removal
from dealpurge.runs.pruning import OVER, listed
from dealpurge.runs.termination import fail_lost_runs
from dealpurge.text import escape, redacted

logger = logging.getLogger("dealpurge")

#: Runs that are over and whose archive was not removed.
KEPT = OVER & ~Q(archive_alias="") & Q(archive_removed_at=None)
MORE_CAME = "More files came while it was removed."


class Removal:
    """Archives of runs that are over, those past their time by the database's clock, or that of one run whatever its
    time. ``by``: the name of who removes them. Whoever stops in between has lost nothing: the next one goes on."""

    def __init__(self, by: str, run_id: UUID | None = None) -> None:
        self.by, self.run_id = storable(by)[:255], run_id
        #: Runs whose archive is gone, or would be, files, and the bytes of these.
        self.runs = self.files = self.bytes = 0
        #: Why archives are still there that were to go, by run.
        self.failed: dict[UUID, str] = {}

    def steps(self, *, dry_run: bool) -> Iterator[None]:
        """Count, or remove and count, file by file. What a storage raises is noted. Raises ``ArchiveRefused`` where the
        one run has nothing to remove, ``AuditUnavailable``, and what the database does."""
        fail_lost_runs()  # a killed process leaves runs that look as if they were under way
        if self.run_id is not None:
            _check(self.run_id)
        for key in chain.from_iterable(listed(self._kept())):
            run = self._still_kept(key)
            if run:
                yield from self._remove(run, dry_run=dry_run)
            yield

    def _kept(self) -> QuerySet[PurgeRun]:
        """But for those that a restore reads just now."""
        which = Q(archived_until__lt=Now()) if self.run_id is None else Q(pk=self.run_id)
        return stored().filter(KEPT, ~Exists(_reading(OuterRef("pk"))), which)

    @bounded()
    def _still_kept(self, key: UUID) -> PurgeRun | None:
        return self._kept().filter(pk=key).only("environment", "archive_alias").first()

    def _remove(self, run: PurgeRun, *, dry_run: bool) -> Iterator[None]:
        rows, files, size = _rows().filter(run=run), self.files, self.bytes
        with bounded():
            chunks = list(rows.order_by("-pk").values_list("pk", "name", "size"))
        try:
            yield from self._remove_files(run, {name: size for _, name, size in chunks}, dry_run=dry_run)
        except Exception as exc:  # whatever a storage raises
            words = redacted(f"{type(exc).__name__}: {exc}")
            logger.error("an archive cannot be removed: %s", words, extra={"run_id": str(run.pk)})
            self.failed[run.pk] = _why(exc, run.archive_alias)
            return
        if dry_run:
            self.runs += 1
            return
        if chunks:  # and none that came since, whose file is there
            yield from (None for _ in delete_in_batches(rows.filter(pk__lte=chunks[0][0])))
        if self._write_down(run):
            log_archive_removal(run, self.by, self.files - files, self.bytes - size)

    def _remove_files(self, run: PurgeRun, sizes: Mapping[str, int], *, dry_run: bool) -> Iterator[None]:
        """Those in the run's folder count. What the rows name goes wherever it is, if it is there at all."""
        storage, folder = storages[run.archive_alias], folder_of(run.pk)
        found = _found(storage, folder, sizes)
        for name in found:
            with suppress(FileNotFoundError):  # somebody else removes them as well
                size = sizes[name] if name in sizes else storage.size(name)
                if not dry_run:
                    remove(storage, name)
                self.files, self.bytes = self.files + 1, self.bytes + size
            yield
        if not dry_run:
            for name in sizes.keys() - found:
                remove(storage, name)
                yield
            remove_folder(storage, folder)

    def _write_down(self, run: PurgeRun) -> bool:
        """Whether it is gone by our doing."""
        none_left = Q(KEPT, ~Exists(_rows().filter(run=OuterRef("pk"))), pk=run.pk)
        if update(none_left, archive_removed_at=Now(), archive_removed_by=self.by):
            self.runs += 1
            return True
        if self._still_kept(run.pk):
            self.failed[run.pk] = MORE_CAME
        return False


def _rows() -> QuerySet[PurgeArchiveChunk]:
    return PurgeArchiveChunk.objects.using(alias()).all()


def _found(storage: Storage, folder: str, named: Mapping[str, int]) -> list[str]:
    """The files of an archive: all in its folder, or where that is not told those that are known."""
    found = names_in(storage, folder)
    if found is not None:
        return found
    manifest = f"{folder}/{MANIFEST}"
    return [*named, manifest] if storage.exists(manifest) else [*named]


@bounded()
def _check(run_id: UUID) -> None:
    """Raises ``ArchiveRefused``."""
    fields = ("status", "archive_alias", "archive_removed_at", "archive_removed_by")
    run = stored().filter(pk=run_id).only(*fields).first()
    if run is None:
        raise ArchiveRefused(f"The record has no run {run_id}.")
    if not run.archive_alias:
        raise ArchiveRefused(f"Run {run_id} has no archive.")
    if run.archive_removed_at:
        by = f" by {escape(run.archive_removed_by)}" if run.archive_removed_by else ""
        raise ArchiveRefused(f"The archive of run {run_id} was removed{by} at {timestamp(run.archive_removed_at)}.")
    if not run.is_over:
        raise ArchiveRefused(f"Run {run_id} is under way. Its archive can be removed when it is over.")
    reading = _reading(run_id).values_list("pk", flat=True).first()
    if reading:
        raise ArchiveRefused(f"The archive of run {run_id} is read by a restore, run {reading}.")


def _reading(run: UUID | OuterRef) -> QuerySet[PurgeRun]:
    """Restores of its archive that are under way."""
    return stored().filter(~OVER, restored_run=run)


def _why(exc: Exception, storage: str) -> str:
    """Without the words of the error, which may hold an address or a key."""
    if storage not in storages.backends:
        return f"Its files are in the storage {storage!r}, which STORAGES no longer has."
    return f"The storage {storage!r} raised {type(exc).__name__}; the log has its words."
