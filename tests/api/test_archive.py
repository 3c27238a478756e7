"""What the endpoint answers of the archive, and where that cannot be written to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.files.storage import FileSystemStorage
from django.test import Client
from pytest_django.fixtures import Settings

from dealpurge.engine.archive import archiver
from dealpurge.models import PurgeRun
from dealpurge.report import timestamp
from dealpurge.runs.archive.storage import UNWRITABLE
from tests.support.seeding import seed_deal

from .conftest import RUNS, Bearer, Post

pytestmark = pytest.mark.django_db(transaction=True)

LIVE = {"mode": "all", "dry_run": False}


@pytest.fixture
def deals(valkey_settings: Settings, valkey_client: redis.Redis) -> redis.Redis:
    """A deal of more keys than are read at once."""
    valkey_settings.DEALPURGE_RETRY_SECONDS = 0.1
    seed_deal(valkey_client, "acme", "deal-1", image_crops=3500)
    return valkey_client


def test_the_report_says_what_is_kept_and_until_when(
    http: Client, post: Post, superuser: Any, bearer: Bearer, deals: redis.Redis, archive: Path
) -> None:
    report = post(LIVE).json()

    run = PurgeRun.objects.get()
    sizes = [*run.archive_chunks.values_list("size", flat=True)]
    assert run.archived_until
    told = {"bytes": sum(sizes), "chunks": len(sizes), "until": timestamp(run.archived_until)}
    assert report["archive"] == told
    assert http.get(f"{RUNS}/{run.pk}", headers=bearer(superuser)).json()["report"]["archive"] == told
    assert deals.dbsize() == 0


@pytest.mark.usefixtures("archive")
def test_a_dry_run_keeps_nothing(post: Post, deals: redis.Redis) -> None:
    assert post({"mode": "all"}).json()["archive"] is None


def test_without_a_storage_nothing_is_kept(post: Post, deals: redis.Redis) -> None:
    assert post(LIVE).json()["archive"] is None


def test_nobody_declines_it_here(post: Post, deals: redis.Redis, archive: Path) -> None:
    answer = post({**LIVE, "keep_archive": False})

    assert (answer.status_code, answer.json()["detail"][0]["type"]) == (422, "extra_forbidden")


def test_a_storage_that_cannot_be_written_is_a_503(post: Post, deals: redis.Redis, archive: Path) -> None:
    archive.write_text("a file where a folder should be")
    before = deals.dbsize()

    answer = post(LIVE)

    run, body = PurgeRun.objects.get(), answer.json()
    assert (answer.status_code, body["detail"], body["run_id"]) == (503, UNWRITABLE, str(run.pk))
    assert (body["deleted"], body["report"]["status"], run.status) == (0, "failed", "failed")
    assert (run.error, answer.headers["Retry-After"]) == (UNWRITABLE, "30")
    assert answer.headers["X-Purge-Run-ID"] == str(run.pk)
    assert str(archive) not in answer.content.decode()
    assert deals.dbsize() == before


def test_what_was_archived_before_is_deleted_and_told(
    post: Post, deals: redis.Redis, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = deals.dbsize()
    monkeypatch.setattr(archiver, "LEAST_CHUNK_BYTES", 1)
    monkeypatch.setattr(archiver, "CHUNK_BYTES", 1)
    writes = iter(range(2))
    save = FileSystemStorage.save

    def full(self: FileSystemStorage, *args: Any, **options: Any) -> str:
        if next(writes, None) is None:
            raise OSError(28, "No space left on device", "/secret/folder")
        return save(self, *args, **options)

    monkeypatch.setattr(FileSystemStorage, "save", full)
    body = post(LIVE).json()

    run = PurgeRun.objects.get()
    assert body["detail"] == UNWRITABLE
    assert 0 < body["deleted"] == run.keys_deleted == before - deals.dbsize() < before
    assert "secret" not in str(body)
