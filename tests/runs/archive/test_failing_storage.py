"""What is found in a storage that failed for a moment, or that lets nothing be removed."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.files.storage import FileSystemStorage
from pytest_django.fixtures import Settings

from dealpurge import services
from dealpurge.models import PurgeRun
from dealpurge.runs.archive.keeper import ArchiveKeeper
from tests.support.archive_storages import files_of, names_of
from tests.support.archiving import commands_in
from tests.support.seeding import key_of, seed_deal

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def deal(valkey_settings: Settings, valkey_client: redis.Redis, archive: Path) -> redis.Redis:
    valkey_settings.DEALPURGE_RETRY_SECONDS = 5
    seed_deal(valkey_client, "acme", "deal-1")
    return valkey_client


def written_again(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Let something happen behind the first commit."""
    commit, times = ArchiveKeeper.commit, iter([happens])

    def meddled(self: ArchiveKeeper, *arguments: Any, **options: Any) -> None:
        commit(self, *arguments, **options)
        for happening in times:
            happening()

    monkeypatch.setattr(ArchiveKeeper, "commit", meddled)


def test_half_a_file_does_not_stay_beside_the_whole_one(
    deal: redis.Redis, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full for a moment; who loads all files would load the half one, too."""
    size, failures = FileSystemStorage.size, iter([OSError(28, "No space left on device")])

    def cut_short(self: FileSystemStorage, name: str) -> int:
        for failure in failures:
            path = Path(self.path(name))
            path.write_bytes(path.read_bytes()[:50])
            raise failure
        return size(self, name)

    monkeypatch.setattr(FileSystemStorage, "size", cut_short)
    before = set(deal.keys())

    services.purge_deals(mode="all", dry_run=False)

    run = PurgeRun.objects.get()
    assert files_of(run, archive) == [*names_of(run), "manifest.json"]
    files = (archive / f"dealpurge/{run.pk}").glob("*.gz")
    assert {words[1] for file in files for words in commands_in(gzip.decompress(file.read_bytes()))} == before


def test_a_storage_that_lets_nothing_be_removed_ends_no_purge(
    deal: redis.Redis, archive: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    key = key_of("image_crops", "acme", "deal-1")
    written_again(monkeypatch, lambda: deal.set(key, "new"))

    def forbidden(self: FileSystemStorage, name: str) -> None:
        raise PermissionError("AccessDenied when calling the DeleteObject operation")

    monkeypatch.setattr(FileSystemStorage, "delete", forbidden)
    before = deal.dbsize()

    report = services.purge_deals(mode="all", dry_run=False)

    run = PurgeRun.objects.get()
    assert (report.status, report.keys.deleted, deal.dbsize()) == ("completed", before, 0)
    assert sum(run.archive_chunks.values_list("keys", flat=True)) == before
    assert "AccessDenied" in caplog.text
