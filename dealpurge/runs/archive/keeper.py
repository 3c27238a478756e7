"""Keeps what a run deletes: each chunk is a file first, and then a row that is committed before anything goes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from django.db.models import Q, QuerySet

from dealpurge.engine.archive.chunk import Chunk
from dealpurge.exceptions import RunLost
from dealpurge.keys.families import Keyspace
from dealpurge.models import PurgeArchiveChunk, PurgeRun
from dealpurge.report import ArchiveReport
from dealpurge.runs import retry
from dealpurge.runs.archive import storage
from dealpurge.runs.archive.manifest import MANIFEST, manifest
from dealpurge.runs.database import alias, durable, stored, update
from dealpurge.text import redacted

logger = logging.getLogger("dealpurge")


class ArchiveKeeper:
    """The archive of a run under way, in the storage that its row names. Raises ``PurgeConfigurationError``."""

    def __init__(self, run: PurgeRun, keyspace: Keyspace, seconds: float | None = None) -> None:
        """``seconds``: for which a write of the record is tried."""
        self._run, self._families, self._seconds = run, keyspace.names, seconds
        run.archive_families = keyspace.texts
        self._storage = storage.storage_of(run.archive_alias)
        self._folder = storage.folder_of(run.pk)
        #: Bytes of each file that belongs to it, by name.
        self._sizes: dict[str, int] = {}

    def open(self) -> None:
        """Write down by which templates its keys are to be read. Raises ``RunLost``."""
        running = Q(pk=self._run.pk, status=PurgeRun.Status.RUNNING)
        write = partial(update, running, archive_families=self._run.archive_families)
        if not retry.with_retry(self._run.pk, write, seconds=self._seconds):
            raise RunLost(f"Run {self._run.pk} is no longer running.")

    def save(self, chunk: Chunk, may_go_on: Callable[[], bool]) -> str:
        """In any thread: write the file; its name. Raises ``ArchiveUnavailable``, ``Stopped``."""
        name = f"{self._folder}/{chunk.server}-{chunk.number}.resp.gz"
        return storage.write(self._storage, name, chunk.data, may_go_on)

    def commit(self, chunk: Chunk, name: str, instead_of: str = "") -> None:
        """Write down that the file belongs to the archive, in place of another. Raises ``RunLost``."""

        def write() -> None:
            with durable():
                if not stored().filter(pk=self._run.pk, status=PurgeRun.Status.RUNNING).exists():
                    raise RunLost(f"Run {self._run.pk} is no longer running.")
                # Of a COMMIT whose answer was lost the row may be there.
                self._rows().filter(name__in=[name, instead_of]).delete()
                self._row(chunk, name).save(force_insert=True, using=alias())

        retry.with_retry(self._run.pk, write, seconds=self._seconds)
        self._sizes[name] = len(chunk.data)
        if instead_of:
            self._forget(instead_of)

    def drop(self, name: str) -> None:
        """The file does not belong to the archive, or no more. Raises ``RunLost``."""

        def delete() -> None:
            with durable():
                self._rows().filter(name=name).delete()

        retry.with_retry(self._run.pk, delete, seconds=self._seconds)
        self._forget(name)

    def report(self) -> ArchiveReport:
        """What the archive has by now."""
        until = self._run.archived_until
        return ArchiveReport(bytes=sum(self._sizes.values()), chunks=len(self._sizes), until=until)

    def close(self, status: str) -> None:
        """At the run's end: let a manifest tell whoever finds the files what they are. Without it the rows do."""
        if not self._sizes:
            return
        try:
            data = manifest(self._run, status, list(self._rows().order_by("server", "number")))
            storage.write(self._storage, f"{self._folder}/{MANIFEST}", data, lambda: False)
        except Exception as exc:
            logger.warning("the archive's manifest cannot be written: %s", redacted(f"{type(exc).__name__}: {exc}"))

    def _forget(self, name: str) -> None:
        self._sizes.pop(name, None)
        try:
            storage.remove(self._storage, name)
        except Exception as exc:  # of one that may not delete, or is in trouble: no row names the file any more
            logger.warning("a file that is no part of the archive stays: %s", redacted(f"{type(exc).__name__}: {exc}"))

    def _rows(self) -> QuerySet[PurgeArchiveChunk]:
        return PurgeArchiveChunk.objects.using(alias()).filter(run=self._run)

    def _row(self, chunk: Chunk, name: str) -> PurgeArchiveChunk:
        return PurgeArchiveChunk(
            run=self._run,
            server=chunk.server,
            number=chunk.number,
            name=name,
            keys=chunk.keys,
            size=len(chunk.data),
            length=chunk.length,
            sha256=chunk.sha256,
            families={self._families[index]: keys for index, keys in chunk.families.items()},
            first=None if chunk.first is None else chunk.first.decode(),
            last=None if chunk.last is None else chunk.last.decode(),
            server_version=chunk.server_version[:100],
            rdb_version=chunk.rdb_version,
        )


def keeper_of(run: PurgeRun, keyspace: Keyspace, seconds: float) -> ArchiveKeeper | None:
    """The keeper of a run that begins; None where nothing is kept. Raises ``PurgeConfigurationError``, ``RunLost``."""
    if not run.archive_alias:
        return None
    keeper = ArchiveKeeper(run, keyspace, seconds)
    keeper.open()
    return keeper
