"""Whatever ends a purge, and whenever: each key is in Redis, or in a chunk that belongs to the archive."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.files.storage import InMemoryStorage
from pytest_django.fixtures import Settings

from dealpurge.engine.archive import archived_sweep, archiver
from dealpurge.engine.archive.chunk import Chunk
from dealpurge.engine.guard.archived import guard
from dealpurge.exceptions import ArchiveUnavailable, RunLost
from dealpurge.runs.archive import storage
from tests.support.archive_files import archived_in
from tests.support.archiving import MemoryKeeper, load, purge_into, snapshot
from tests.support.samples import sample
from tests.support.seeding import seed_scene
from tests.support.servers import RedisServer

pytestmark = pytest.mark.faults

CHECKOUT = Path(__file__).parents[2]
DEALS = 300


@pytest.fixture(autouse=True)
def _many_small_chunks(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DEALPURGE_SCAN_COUNT = 50
    settings.DEALPURGE_RETRY_SECONDS = 0.2
    monkeypatch.setattr(archiver, "CHUNK_BYTES", 4096)
    monkeypatch.setattr(archiver, "LEAST_CHUNK_BYTES", 4096)
    for module in (archived_sweep, guard):
        monkeypatch.setattr(module, "READ_AT_ONCE", 50)
    monkeypatch.setattr(storage, "RETRY_SECONDS", 0.01)


@pytest.fixture
def purger(redis_server: RedisServer) -> Iterator[subprocess.Popen[str]]:
    """A process that starts others, which purge into the folders that it is told."""
    command = [sys.executable, "-m", "tests.support.archive_files", redis_server.url]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=CHECKOUT, env=environment, text=True, bufsize=1, **pipes) as process:
        yield process
        assert process.stdin
        process.stdin.close()


def seeded(client: redis.Redis) -> dict[bytes, Any]:
    """What all keys hold that there are."""
    client.flushall()
    seed_scene(client, deals=DEALS)
    return snapshot(client)


def assert_nothing_lost(before: dict[bytes, Any], client: redis.Redis, data: bytes, other: RedisServer) -> set[bytes]:
    """As it was, each is in one place or the other, or in both: those that are."""
    with other.client() as loaded:
        loaded.flushall()
        load(data, other)
        left, kept = snapshot(client), snapshot(loaded)
    assert {**kept, **left} == {**left, **kept} == before
    return left.keys() & kept.keys()


def kill_midway(purger: subprocess.Popen[str], folder: Path, client: redis.Redis, chance: random.Random) -> None:
    """Somewhere between the first delete and the last one, or a little later."""
    until, late = client.dbsize() - chance.randrange(DEALS * 6), chance.uniform(0, 0.01)
    assert purger.stdin
    assert purger.stdout
    purger.stdin.write(f"{folder}\n")
    process = int(purger.stdout.readline())
    deadline = time.monotonic() + 30
    while client.dbsize() >= until and time.monotonic() < deadline:
        pass
    time.sleep(late)
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
    assert purger.stdout.readline() == "over\n"


def test_a_purge_that_is_killed_at_any_moment(
    server: redis.Redis, other: RedisServer, purger: subprocess.Popen[str], tmp_path: Path
) -> None:
    midway = 0
    for number in range(sample(10, 100)):
        before, folder = seeded(server), tmp_path / f"{number}-{'guarded' if number % 2 else 'swept'}"
        folder.mkdir()

        kill_midway(purger, folder, server, random.Random(number))  # noqa: S311 - no secret

        both = assert_nothing_lost(before, server, archived_in(folder), other)
        assert len(both) < 300, "more is in both places than can have been under way"
        midway += len(before) - 6 * DEALS < server.dbsize() < len(before)
    assert midway >= sample(5, 50)


class FlakyStorage(InMemoryStorage):
    """Fails now and then, and sometimes behind the write."""

    def __init__(self, chance: random.Random, often: float) -> None:
        super().__init__()
        self.chance, self.often, self.failures = chance, often, 0

    def save(self, name: str | None, content: Any, max_length: int | None = None) -> str:
        self._fail()
        stored: str = super().save(name, content, max_length)
        self._fail()
        return stored

    def _fail(self) -> None:
        if self.chance.random() < self.often:
            self.failures += 1
            raise OSError(28, "No space left on device")


class FlakyKeeper(MemoryKeeper):
    """Saves into such a storage, as the run's own keeper does, and commits not always."""

    def __init__(self, chance: random.Random, often: float, lost: float = 0.0) -> None:
        super().__init__()
        self.chance, self.lost = chance, lost
        self.storage = FlakyStorage(chance, often)

    def save(self, chunk: Chunk, may_go_on: Callable[[], bool]) -> str:
        name = storage.write(self.storage, f"{chunk.server}-{chunk.number}", chunk.data, may_go_on)
        self.saved[name] = chunk.data
        return name

    def commit(self, chunk: Chunk, name: str, instead_of: str = "") -> None:
        if self.chance.random() < self.lost:
            raise RunLost("Somebody else ended it.")
        super().commit(chunk, name, instead_of)


@pytest.mark.parametrize("number", range(sample(3, 30)))
@pytest.mark.parametrize("often", [0.1, 0.6, 1.0])
def test_a_storage_that_fails_now_and_then(server: redis.Redis, other: RedisServer, number: int, often: float) -> None:
    before, keeper, ended = seeded(server), FlakyKeeper(random.Random(number), often), False  # noqa: S311 - no secret

    try:
        purge_into(keeper, exclude_active_within_secs=3600 if number % 2 else None)
    except ArchiveUnavailable:
        ended = True

    assert assert_nothing_lost(before, server, keeper.data, other) == set()
    assert keeper.storage.failures
    assert ended == (server.dbsize() > len(before) - 6 * DEALS)
    if often == 1.0:
        assert server.dbsize() == len(before)
    elif often == 0.1:
        assert not ended
