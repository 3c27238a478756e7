"""Purges whose archive is files. ``python -m tests.support.archive_files URL`` begins one for each folder that it reads
of its input, a process each, to be killed; it tells their ids, and when they are over."""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Callable
from pathlib import Path

from dealpurge.engine.archive.chunk import Chunk

INDEX = "index"


class FileKeeper:
    """Each chunk is a file; what belongs to the archive stands in another, a line a change. All of it is synced."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, chunk: Chunk, may_go_on: Callable[[], bool]) -> str:
        name = f"{os.getpid()}-{chunk.server}-{chunk.number}"
        self._append(name, chunk.data)
        return name

    def commit(self, chunk: Chunk, name: str, instead_of: str = "") -> None:
        self._append(INDEX, f"+{name} {instead_of}\n".encode())

    def drop(self, name: str) -> None:
        self._append(INDEX, f"- {name}\n".encode())

    def _append(self, name: str, data: bytes) -> None:
        with (self.folder / name).open("ab") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def archived_in(folder: Path) -> bytes:
    """What the committed chunks have, uncompressed."""
    committed = dict[str, None]()
    index = folder / INDEX
    for line in index.read_text().split("\n")[:-1] if index.exists() else ():
        name, _, instead_of = line[1:].partition(" ")
        committed.pop(instead_of, None)
        if name:
            committed[name] = None
    return b"".join(gzip.decompress((folder / name).read_bytes()) for name in committed)


def main(url: str) -> None:
    os.environ["DJANGO_SETTINGS_MODULE"], os.environ["REDIS_URL"] = "project.settings", url
    import django
    from django.conf import settings

    django.setup()
    settings.DEALPURGE_SCAN_COUNT = 50

    from dealpurge.engine.archive import archived_sweep, archiver
    from dealpurge.engine.guard.archived import guard
    from tests.support.archiving import purge_into

    archiver.CHUNK_BYTES = archiver.LEAST_CHUNK_BYTES = 4096
    archived_sweep.READ_AT_ONCE = guard.READ_AT_ONCE = 50
    for folder in sys.stdin:
        process = os.fork()
        if not process:
            guarded = folder.strip().endswith("guarded")
            purge_into(FileKeeper(Path(folder.strip())), exclude_active_within_secs=3600 if guarded else None)
            os._exit(0)
        print(process, flush=True)
        os.waitpid(process, 0)
        print("over", flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
