"""The archive of a run as it is read again: its files by the record, compared with their checksums."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Sequence
from hashlib import sha256
from time import monotonic, sleep

from dealpurge.conf import conf
from dealpurge.engine.restore.source import ArchivedFile, Damaged
from dealpurge.exceptions import ArchiveUnavailable, RestoreRefused
from dealpurge.i18n import gettext_noop
from dealpurge.keys.families import Keyspace
from dealpurge.keys.template import Template
from dealpurge.models import PurgeArchiveChunk, PurgeRun
from dealpurge.runs.archive.storage import RETRY_SECONDS, storage_of
from dealpurge.runs.database import alias, bounded
from dealpurge.text import redacted

logger = logging.getLogger("dealpurge")

UNREADABLE = gettext_noop("The archive cannot be read.", code="archive_unreadable")
NO_TEMPLATES = gettext_noop(
    "The record does not say by which key families the archive is to be read.", code="archive_without_families"
)
#: A compressed file in the format of gzip, as zlib knows it.
GZIP = 16 + zlib.MAX_WBITS


class StoredArchive:
    """The files of a run, in the storage that its row names. Raises ``PurgeConfigurationError``."""

    def __init__(self, run: PurgeRun) -> None:
        self._storage = storage_of(run.archive_alias)
        with bounded():
            rows = PurgeArchiveChunk.objects.using(alias()).filter(run=run).order_by("server", "number")
            self._rows = {row.name: row for row in rows}
        self.files: Sequence[ArchivedFile] = [_file(row) for row in self._rows.values()]

    def read(self, file: ArchivedFile) -> bytes:
        """In any thread: what was archived. Raises ``Damaged``, ``ArchiveUnavailable``."""
        row = self._rows[file.name]
        data = self._stored(file.name, row.size)
        if len(data) < row.size:
            raise Damaged("truncated")
        try:
            unpacking = zlib.decompressobj(GZIP)
            text = unpacking.decompress(data, row.length + 1)  # what was altered may be larger than memory
        except zlib.error as exc:
            raise Damaged("altered") from exc
        if len(text) != row.length or sha256(text).hexdigest() != row.sha256:
            raise Damaged("altered")
        return text

    def _stored(self, name: str, size: int) -> bytes:
        """The file, of which no more is read than it had. Tried for ``DEALPURGE_RETRY_SECONDS``."""
        deadline = monotonic() + conf.retry_seconds
        while True:
            try:
                with self._storage.open(name) as stored:
                    data: bytes = stored.read(size + 1)
                    return data
            except FileNotFoundError as exc:
                raise Damaged("missing") from exc
            except Exception as exc:  # whatever a storage raises
                if monotonic() >= deadline:
                    logger.error("the archive cannot be read: %s", redacted(f"{type(exc).__name__}: {exc}"))
                    raise ArchiveUnavailable(UNREADABLE) from exc
            sleep(RETRY_SECONDS)


def archived_keyspace(run: PurgeRun) -> Keyspace:
    """The families by which the keys of the archive were claimed. Raises ``RestoreRefused``."""
    texts = run.archive_families
    if not isinstance(texts, dict) or not texts:
        raise RestoreRefused(NO_TEMPLATES)
    return Keyspace({name: [Template.parse(text) for text in items] for name, items in texts.items()})


def _file(row: PurgeArchiveChunk) -> ArchivedFile:
    return ArchivedFile(
        name=row.name,
        keys=row.keys,
        length=row.length,
        families=row.families,
        first=None if row.first is None else row.first.encode(),
        last=None if row.last is None else row.last.encode(),
        rdb_version=row.rdb_version,
    )
