"""What a process leaves in the archive that is killed, or told to stop, while it deletes."""

from __future__ import annotations

import gzip
import signal
from pathlib import Path

import pytest
import redis

from dealpurge.models import PurgeArchiveChunk, PurgeRun
from tests.support.archiving import commands_in

from .conftest import BYSTANDERS, KEYS, Manage, wait_for_the_middle

pytestmark = pytest.mark.django_db(transaction=True)

LIVE_ALL = ("purge_deals", "--mode", "all", "--no-dry-run", "--no-input")
ARCHIVED = """
STORAGES = {{
    "default": {{"BACKEND": "django.core.files.storage.FileSystemStorage"}},
    "staticfiles": {{"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}},
    "purges": {{
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {{"location": "{}", "file_permissions_mode": 0o600}},
    }}
}}
DEALPURGE_ARCHIVE = "purges"
"""


@pytest.fixture
def files(manage: Manage, tmp_path: Path) -> Path:
    """Where the archive is."""
    with (tmp_path / "slow_settings.py").open("a") as settings:
        settings.write(ARCHIVED.format(tmp_path / "purges"))
    return tmp_path / "purges"


def archived(files: Path) -> list[bytes]:
    """The keys in the files that rows name."""
    names = PurgeArchiveChunk.objects.values_list("name", flat=True)
    return [words[1] for name in names for words in commands_in(gzip.decompress((files / name).read_bytes()))]


@pytest.mark.parametrize("guard", [(), ("--exclude-active-within", "1h")])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_each_key_is_in_redis_or_in_the_archive(
    manage: Manage, full: redis.Redis, files: Path, number: signal.Signals, guard: tuple[str, ...]
) -> None:
    before = set(full.scan_iter(count=5000))
    process = manage.start(*LIVE_ALL, *guard)
    wait_for_the_middle(full)

    process.send_signal(number)
    process.communicate(timeout=30)

    left, kept = set(full.scan_iter(count=5000)), archived(files)
    assert len(before) == KEYS + BYSTANDERS
    assert before - left
    assert left | set(kept) == before
    assert len(kept) == len(set(kept))
    if number == signal.SIGTERM:
        run = PurgeRun.objects.get()
        assert left.isdisjoint(kept)
        assert run.keys_deleted == len(kept)
        assert run.status == ("cancelled" if process.returncode else "completed")  # it may have been over by then
        assert run.report is not None
        assert run.report["archive"]["chunks"] == PurgeArchiveChunk.objects.count()
        assert sorted(path.name for path in files.rglob("*.resp.gz")) == sorted(
            name.rpartition("/")[2] for name in PurgeArchiveChunk.objects.values_list("name", flat=True)
        )
