from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.conf import settings

from tests.conftest import emptied
from tests.support.newcomer import Environment, Newcomer
from tests.support.servers import RedisServer


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source archive and the wheel that was made of it."""
    directory = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--outdir", str(directory), str(settings.BASE_DIR)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return directory


@pytest.fixture(scope="session")
def wheel(archives: Path) -> Path:
    (wheel,) = archives.glob("*.whl")
    return wheel


@pytest.fixture
def environment(tmp_path: Path, wheel: Path) -> Environment:
    """An empty virtual environment."""
    return Environment(tmp_path / "venv", wheel)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """The Redis of the new project."""
    server = RedisServer(kind="valkey", directory=tmp_path_factory.mktemp("install")).start()
    yield server
    server.stop()


@pytest.fixture
def client(server: RedisServer) -> Iterator[redis.Redis]:
    """A client of it, emptied."""
    yield from emptied(server)


@pytest.fixture
def newcomer(tmp_path: Path, environment: Environment, server: RedisServer) -> Newcomer:
    """Nothing is installed yet, and there is no project."""
    return Newcomer(tmp_path / "site", environment, server.url)
