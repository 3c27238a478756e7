from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from pytest_django.fixtures import Settings

from dealpurge.engine.archive import archived_sweep, archiver
from dealpurge.models import PurgeRun
from tests.support.archive_storages import MINUTE, keep_archives_in, names_of, purged


@pytest.fixture
def place(valkey_settings: Settings, tmp_path: Path) -> Path:
    """Where the archives are."""
    keep_archives_in(valkey_settings, tmp_path)
    return tmp_path


@pytest.fixture
def archived(place: Path, valkey_client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> Callable[..., PurgeRun]:
    """A purge with an archive of several chunks."""
    monkeypatch.setattr(archived_sweep, "READ_AT_ONCE", 1)
    monkeypatch.setattr(archived_sweep, "READERS", 1)
    monkeypatch.setattr(archiver, "CHUNK_BYTES", 1)
    monkeypatch.setattr(archiver, "LEAST_CHUNK_BYTES", 1)

    def purge(left: timedelta = -MINUTE) -> PurgeRun:
        run = purged(valkey_client, left=left)
        assert len(names_of(run)) > 1
        return run

    return purge
