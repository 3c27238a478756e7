"""A process that is killed in the middle of a restore: what it wrote is there, and the next one completes it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import redis
from django.utils import timezone

from dealpurge.models import LOST_AFTER, PurgeRun
from tests.support.archiving import snapshot
from tests.support.servers import wait_until

from .conftest import BYSTANDERS, KEYS, Manage
from .test_archive import LIVE_ALL, files

__all__ = ["files"]

pytestmark = pytest.mark.django_db(transaction=True)

#: Small packets, each waited for, make a slow restore.
SLOW = """
from dealpurge.engine.restore import restoring, writer

restoring.PACKET_BYTES = writer.PACKET_BYTES = 64
writer.AHEAD = 0
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_next_one_completes_it(
    manage: Manage, full: redis.Redis, files: Path, tmp_path: Path, number: signal.Signals
) -> None:
    before = snapshot(full)
    manage.start(*LIVE_ALL).communicate(timeout=60)
    assert full.dbsize() == BYSTANDERS
    purge = PurgeRun.objects.get()
    (tmp_path / "slow_manage.py").write_text(SLOW)
    with (tmp_path / "slow_settings.py").open("a") as settings:
        settings.write("\nINSTALLED_APPS += ['slow_app']\n")
    (tmp_path / "slow_app.py").write_text(
        "from django.apps import AppConfig\n\n\n"
        "class Slow(AppConfig):\n    name = 'slow_app'\n    path = '.'\n\n"
        "    def ready(self) -> None:\n        import slow_manage  # noqa: F401\n"
    )
    restore = ("restore_deals", str(purge.pk), "--no-dry-run", "--no-input")

    process = manage.start(*restore)
    wait_until(lambda: full.dbsize() > BYSTANDERS + KEYS // 20, seconds=60)
    process.send_signal(number)
    process.communicate(timeout=30)

    written = full.dbsize() - BYSTANDERS
    assert 0 < written < KEYS
    run = PurgeRun.objects.get(restored_run=purge)
    if number == signal.SIGTERM:
        assert (run.status, run.keys_restored, process.returncode) == ("cancelled", written, 128 + number)
    else:
        assert run.status == "running"
        PurgeRun.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now() - 2 * LOST_AFTER)
    again = manage.start(*restore)
    told = again.communicate(timeout=120)[0]

    assert again.returncode == 0, told
    assert f"Exist again, left as they are: {written:,} keys." in told
    assert snapshot(full) == before
    assert PurgeRun.objects.filter(restored_run=purge, status="completed").count() == 1
