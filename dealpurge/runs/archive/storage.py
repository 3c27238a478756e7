"""The files of archives in a storage of the host's, whichever it is."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from uuid import UUID

from django.core.files.base import ContentFile
from django.core.files.storage import InvalidStorageError, Storage, storages

from dealpurge.conf import NO_STORAGE, conf
from dealpurge.exceptions import ArchiveUnavailable, PurgeConfigurationError
from dealpurge.i18n import gettext_noop
from dealpurge.servers.errors import Stopped
from dealpurge.text import redacted

logger = logging.getLogger("dealpurge")

#: In the storage everything of ours lies below it, a folder a run.
ROOT = "dealpurge"
UNWRITABLE = gettext_noop("The archive cannot be written; nothing unarchived was deleted.", code="archive_unwritable")
#: Seconds between two tries.
RETRY_SECONDS = 0.5


def storage_of(alias: str) -> Storage:
    """The host's storage. Raises ``PurgeConfigurationError``."""
    try:
        storage: Storage = storages[alias]
    except InvalidStorageError as exc:
        raise PurgeConfigurationError(NO_STORAGE) from exc
    return storage


def folder_of(run_id: UUID) -> str:
    """Where the files of a run are."""
    return f"{ROOT}/{run_id}"


def write(storage: Storage, name: str, data: bytes, may_go_on: Callable[[], bool]) -> str:
    """Write a file, trying again for ``DEALPURGE_RETRY_SECONDS``; the name that it got, which a storage may choose.

    Raises ``ArchiveUnavailable``, and ``Stopped`` where it may not go on.
    """
    deadline = monotonic() + conf.retry_seconds
    while True:
        try:
            return _write(storage, name, data)
        except Exception as exc:  # whatever a storage raises
            with suppress(Exception):  # half a file would be loaded with the whole ones
                storage.delete(name)
            if monotonic() >= deadline:
                logger.error("the archive cannot be written: %s", redacted(f"{type(exc).__name__}: {exc}"))
                raise ArchiveUnavailable(UNWRITABLE) from exc
        if not may_go_on():
            raise Stopped
        sleep(RETRY_SECONDS)


def remove(storage: Storage, name: str) -> None:
    """Remove a file; one that is not there is as good. Raises what the storage does."""
    with suppress(FileNotFoundError):
        storage.delete(name)


def names_in(storage: Storage, folder: str) -> list[str] | None:
    """The files in a folder; None where the storage does not tell. Raises what it does."""
    try:
        files = storage.listdir(folder)[1]
    except FileNotFoundError:
        return []
    except NotImplementedError:
        return None
    return [f"{folder}/{name}" for name in files]


def remove_folder(storage: Storage, folder: str) -> None:
    """Where a folder is more than a part of names, an empty one goes; one that is not empty stays."""
    with suppress(NotImplementedError, OSError):
        Path(storage.path(folder)).rmdir()


def _write(storage: Storage, name: str, data: bytes) -> str:
    stored = storage.save(name, ContentFile(data))
    if storage.size(stored) != len(data):
        raise OSError("The storage has another number of bytes than it was given.")
    # What is no file of this machine is as safe as its service has it; a storage in memory has paths and no files.
    with suppress(NotImplementedError, FileNotFoundError):
        path = Path(storage.path(stored))
        for place in (path, path.parent):
            _sync(place)
    return stored


def _sync(path: Path) -> None:
    """A power failure behind this loses neither the file nor its name."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
