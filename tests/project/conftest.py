from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.servers import free_port
from tests.support.terminal import SECONDS, Demo, Terminal


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of the shared demo stay on one worker, so that it is started once."""
    for item in items:
        if "shared_demo" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("shared demo"))


@pytest.fixture
def terminal(tmp_path: Path, redis_port: int) -> Terminal:
    return Terminal(tmp_path, DEMO_REDIS_PORT=str(redis_port))


@pytest.fixture
def redis_port() -> int:
    return free_port()


def running(terminal: Terminal) -> Iterator[Demo]:
    demo = Demo(terminal)
    yield demo
    if demo.process.poll() is None:
        demo.process.terminate()
        demo.process.wait(SECONDS)


@pytest.fixture
def demo(terminal: Terminal) -> Iterator[Demo]:
    """A demo for one test, which may end it."""
    yield from running(terminal)


@pytest.fixture(scope="session")
def shared_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    yield from running(Terminal(tmp_path_factory.mktemp("demo"), DEMO_REDIS_PORT=str(free_port())))
