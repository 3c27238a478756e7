"""Purges that keep what they delete, in files that are fsynced, and without a database."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dealpurge.engine.archive.archiver import Archive
from dealpurge.engine.archive.chunk import Chunk
from dealpurge.engine.sweep.tally import Tally
from dealpurge.report import PurgeReport
from tests.support.purging import carry_out, report_of


class DiskKeeper:
    """Files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, chunk: Chunk, may_go_on: Callable[[], bool]) -> str:
        name = f"{chunk.server}-{chunk.number}.resp.gz"
        with (self.folder / name).open("wb") as file:
            file.write(chunk.data)
            file.flush()
            os.fsync(file.fileno())
        return name

    def commit(self, chunk: Chunk, name: str, instead_of: str = "") -> None:
        if instead_of:
            self.drop(instead_of)

    def drop(self, name: str) -> None:
        (self.folder / name).unlink()


def purge_archived(**options: Any) -> PurgeReport:
    """As ``purge``, and what goes is kept, until the end."""
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        carry_out(tally, archive=Archive(DiskKeeper(Path(folder)), 1 << 24), **options)
    return report_of(tally, **options)
