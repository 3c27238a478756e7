"""What an archive says of itself, for whoever finds its files without the record."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from dealpurge.models import PurgeArchiveChunk, PurgeRun
from dealpurge.report import timestamp

MANIFEST = "manifest.json"
#: Of the files and of this text; another one is another format.
FORMAT = 1


def manifest(run: PurgeRun, status: str, chunks: Sequence[PurgeArchiveChunk]) -> bytes:
    """As JSON. ``families``: their templates, by which keys are read; ``keys``: archived ones by family."""
    keys = Counter[str]()
    for chunk in chunks:
        keys.update(chunk.families)
    told: dict[str, Any] = {
        "format": FORMAT,
        "run_id": str(run.pk),
        "status": status,
        "environment": run.environment or None,
        "created_at": timestamp(run.created_at),
        "until": timestamp(run.archived_until) if run.archived_until else None,
        "families": run.archive_families,
        "keys": dict(keys),
        "chunks": [_chunk(chunk) for chunk in chunks],
    }
    return json.dumps(told, indent=1).encode()


def _chunk(chunk: PurgeArchiveChunk) -> dict[str, Any]:
    return {
        "name": chunk.name,
        "server": chunk.server,
        "server_version": chunk.server_version or None,
        "rdb_version": chunk.rdb_version,
        "keys": chunk.keys,
        "families": chunk.families,
        "bytes": chunk.size,
        "length": chunk.length,
        "sha256": chunk.sha256,
        "first": chunk.first,
        "last": chunk.last,
    }
