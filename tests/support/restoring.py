"""What a purge archived, restored from memory."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import sha256

from dealpurge.engine.archive.chunk import compress
from dealpurge.engine.restore.restoring import restore
from dealpurge.engine.restore.source import ArchivedFile, Damaged
from dealpurge.engine.restore.tally import RestoreTally
from dealpurge.keys.families import Keyspace
from dealpurge.scope import RestoreScope
from tests.support.archiving import MemoryKeeper, commands_in


class MemorySource:
    """The chunks of a keeper, compared with their checksums; ``stored`` is what is left of each."""

    def __init__(self, keeper: MemoryKeeper, keyspace: Keyspace) -> None:
        self.stored = {name: chunk.data for name, chunk in keeper.committed.items()}
        self.chunks = dict(keeper.committed)
        #: How often each was read.
        self.reads: list[str] = []
        self.files: Sequence[ArchivedFile] = [
            ArchivedFile(
                name=name,
                keys=chunk.keys,
                length=chunk.length,
                families={keyspace.names[index]: keys for index, keys in chunk.families.items()},
                first=chunk.first,
                last=chunk.last,
                rdb_version=chunk.rdb_version,
            )
            for name, chunk in self.chunks.items()
        ]

    def read(self, file: ArchivedFile) -> bytes:
        self.reads.append(file.name)
        if file.name not in self.stored:
            raise Damaged("missing")
        try:
            data = gzip.decompress(self.stored[file.name])
        except EOFError as exc:
            raise Damaged("truncated") from exc
        except (OSError, zlib.error) as exc:
            raise Damaged("altered") from exc
        if sha256(data).hexdigest() != self.chunks[file.name].sha256:
            raise Damaged("altered")
        return data

    def keys_of(self, *names: str) -> list[bytes]:
        """Those that were archived in these files."""
        datas = [gzip.decompress(self.chunks[name].data) for name in names]
        return [words[1] for data in datas for words in commands_in(data)]

    def rewrite(self, name: str, data: bytes) -> None:
        """As if that had been archived."""
        self.stored[name] = compress(data)
        self.chunks[name] = replace(self.chunks[name], data=self.stored[name], sha256=sha256(data).hexdigest())


def restore_from(
    keeper: MemoryKeeper,
    keyspace: Keyspace | None = None,
    *,
    source: MemorySource | None = None,
    keep_going: Callable[[], bool] = lambda: True,
    **options: object,
) -> RestoreTally:
    """For real unless told otherwise, to the Redis of the settings."""
    keyspace = keyspace or Keyspace.from_settings()
    tally = RestoreTally()
    scope = RestoreScope(**{"dry_run": False, **options})  # type: ignore[arg-type]
    restore(scope, keyspace, source or MemorySource(keeper, keyspace), tally, keep_going)
    return tally


def counts(tally: RestoreTally) -> dict[str, int]:
    """What became of keys, without what became of none."""
    names = "restored", "kept", "expired", "refused", "crowded_out"
    return {name: keys for name in names if (keys := getattr(tally, name).total())}
