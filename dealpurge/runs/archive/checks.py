"""System checks of the archive: its settings, and the storage that they name, which is asked for nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.core.files.storage import FileSystemStorage, storages
from django.utils.module_loading import import_string

from dealpurge.conf import MOST_ARCHIVE_DAYS, MOST_KEY_BYTES, conf
from dealpurge.exceptions import PurgeConfigurationError
from dealpurge.text import redacted

#: Django's own aliases: what is stored there is for visitors.
SERVED = ("default", "staticfiles")
#: For the app's own user alone.
FILE_MODE = 0o600
OPTIONS = (
    "{'BACKEND': 'django.core.files.storage.FileSystemStorage', 'OPTIONS': {'location': '/var/lib/dealpurge', "
    "'file_permissions_mode': 0o600, 'directory_permissions_mode': 0o700}}"
)


def check_archive() -> Iterator[CheckMessage]:
    """E030 to E033 and W010."""
    yield from _check_alias()
    yield from _check_number("DEALPURGE_ARCHIVE_DAYS", "days", MOST_ARCHIVE_DAYS)
    yield from _check_number("DEALPURGE_ARCHIVE_MAX_KEY_BYTES", "bytes", MOST_KEY_BYTES)
    try:
        _ = conf.archive_on_full
    except PurgeConfigurationError as exc:
        hint = "Give 'stop' or 'unchecked', or leave the setting out."
        yield Error(str(exc), hint=hint, id="dealpurge.E033")


def _check_alias() -> Iterator[CheckMessage]:
    has = f"STORAGES has {', '.join(map(repr, settings.STORAGES))}. Name one for archives alone, such as {OPTIONS}."
    try:
        alias = conf.archive
    except PurgeConfigurationError as exc:
        yield Error(str(exc), hint=has, id="dealpurge.E030")
        return
    if alias is None:
        return
    if alias in SERVED:
        yield Error(f"DEALPURGE_ARCHIVE names {alias!r}, whose files are served.", hint=has, id="dealpurge.E030")
        return
    try:
        storage = _on_disk(alias)
    except Exception as exc:  # whatever a class makes of options that do not fit
        words = f"The storage {alias!r} of DEALPURGE_ARCHIVE cannot be used: {redacted(f'{type(exc).__name__}: {exc}')}"
        yield Error(words, hint=f"See its BACKEND and OPTIONS in STORAGES[{alias!r}].", id="dealpurge.E030")
        return
    if storage:
        yield from _check_place(alias, storage)
        yield from _check_mode(alias, storage)


def _on_disk(alias: str) -> FileSystemStorage | None:
    """The storage if it keeps files here. Others are not made: some call their service when they are."""
    backend = import_string(settings.STORAGES[alias]["BACKEND"])
    if not (isinstance(backend, type) and issubclass(backend, FileSystemStorage)):
        return None
    storage = storages[alias]
    return storage if isinstance(storage, FileSystemStorage) else None


def _check_place(alias: str, storage: FileSystemStorage) -> Iterator[CheckMessage]:
    own, whose = Path(storage.location), f"The storage {alias!r} of DEALPURGE_ARCHIVE"
    hint = f"Give it a location of its own, which no web server reads, such as {OPTIONS}."
    if not storage.base_location:
        yield Error(f"{whose} has no location, so its files are where the app starts.", hint=hint, id="dealpurge.E031")
    for name in ("MEDIA_ROOT", "STATIC_ROOT"):
        root = getattr(settings, name, None)
        if root and _overlap(own, Path(os.path.abspath(root))):
            words = f"{whose} has its files in {own}, which is {name} or lies below or above it: they would be served."
            yield Error(words, hint=hint, id="dealpurge.E031")


def _overlap(one: Path, other: Path) -> bool:
    return one.is_relative_to(other) or other.is_relative_to(one)


def _check_mode(alias: str, storage: FileSystemStorage) -> Iterator[CheckMessage]:
    mode = storage.file_permissions_mode  # that of FILE_UPLOAD_PERMISSIONS where it has none of its own
    if mode != FILE_MODE:
        given = oct(mode) if isinstance(mode, int) else repr(mode)
        words = (
            f"The storage {alias!r} of DEALPURGE_ARCHIVE gives its files the mode {given}, and not {oct(FILE_MODE)}."
        )
        hint = f"They hold what deals had in Redis, for others on this machine to read. Write {OPTIONS}."
        yield Warning(words, hint=hint, id="dealpurge.W010")


def _check_number(name: str, unit: str, most: int) -> Iterator[CheckMessage]:
    value: object = getattr(settings, name, 1)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        hint = f"Give a whole number of {unit}, 1 at least and {most} at most, or leave the setting out."
        yield Error(f"{name} is no number of {unit} that can be: {value!r}.", hint=hint, id="dealpurge.E032")
