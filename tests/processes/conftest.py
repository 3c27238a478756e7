"""``manage.py`` as a process of its own, on the test's database and a server with keys enough to meet it midway."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db import connection

from tests.conftest import PointCacheAt
from tests.support.seeding import key_of
from tests.support.servers import RedisServer, wait_until

CHECKOUT = Path(__file__).parents[2]
DEALS = 10
KEYS = 20_000
BYSTANDERS = 1_000
#: Tiny pages make a slow purge; a Redis that is gone is given up soon.
SLOW = f"""
from {os.environ["DJANGO_SETTINGS_MODULE"]} import *

DEALPURGE_SCAN_COUNT = 2
DEALPURGE_RETRY_SECONDS = 1
"""


class Manage:
    """Starts management commands."""

    def __init__(self, folder: Path, url: str) -> None:
        (folder / "slow_settings.py").write_text(SLOW)
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "slow_settings",
            "DJANGO_DB": str(connection.settings_dict["NAME"]),
            "DJANGO_DB_HOST": connection.settings_dict["HOST"],
            "PYTHONPATH": os.pathsep.join([str(folder), str(CHECKOUT)]),
            "REDIS_URL": url,
            "TERM": "xterm",
        }
        self.started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str, **streams: Any) -> subprocess.Popen[str]:
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
        words = [sys.executable, str(CHECKOUT / "manage.py"), *arguments]
        process = subprocess.Popen(words, env=self.environment, text=True, **pipes)
        self.started.append(process)
        return process


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(kind="valkey", directory=tmp_path / "valkey").start()
    yield server
    server.stop()


@pytest.fixture
def manage(tmp_path: Path, server: RedisServer, cache_at: PointCacheAt) -> Iterator[Manage]:
    cache_at(server.url)  # a run goes to the Redis of who queued it
    manage = Manage(tmp_path, server.url)
    yield manage
    for process in manage.started:
        process.kill()
        process.communicate()


@pytest.fixture
def full(server: RedisServer) -> Iterator[redis.Redis]:
    """A client of a server with many keys of some deals and some of others."""
    with closing(server.client()) as client:
        populate: Any = client.execute_command
        for number in range(DEALS):
            populate("DEBUG", "POPULATE", KEYS // DEALS, key_of("image_crops", "acme", f"deal-{number}"), 1)
        populate("DEBUG", "POPULATE", BYSTANDERS, "session", 1)
        yield client


def wait_for_the_middle(client: redis.Redis) -> None:
    """Return when the purge is well under way and far from its end."""

    def reached() -> bool:
        left = client.dbsize() - BYSTANDERS
        assert left > KEYS // 10, "the purge was over before it could be met in the middle"
        return left < KEYS * 9 // 10

    wait_until(reached, what="the middle of the purge")
