"""A PostgreSQL of our own: on a socket in a directory that dies with the test run, and on no port."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.support.servers import ServerMissingError

#: Nothing of it need survive, and nobody else may reach it.
OPTIONS = "-c listen_addresses= -c fsync=off -c full_page_writes=off -c synchronous_commit=off"


def executables() -> Path:
    """The directory of the server's programs, which Debian keeps off the PATH."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not versions:
        raise ServerMissingError("PostgreSQL is not installed (apt-get install postgresql)")
    return versions[-1].parent


@contextmanager
def postgresql() -> Iterator[str]:
    """A running server; the directory of its socket. It refuses to run as root, so root starts it as postgres."""
    programs = executables()
    # Not pytest's directory: others may not enter that, and the path of a socket has to be short.
    with TemporaryDirectory(prefix="pg-") as directory:
        identity: dict[str, Any] = {}
        if os.geteuid() == 0:
            identity = {"user": "postgres", "group": "postgres", "extra_groups": ()}
            shutil.chown(directory, "postgres", "postgres")

        def call(program: str, *options: str) -> None:
            words = [str(programs / program), "-D", f"{directory}/data", *options]
            pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
            done = subprocess.run(words, cwd=directory, check=False, **pipes, **identity)
            if done.returncode:
                log = Path(directory, "server.log")
                raise RuntimeError(f"{program}: {done.stderr}{log.read_text() if log.exists() else ''}")

        call("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        call("pg_ctl", "start", "-w", "-l", f"{directory}/server.log", "-o", f"-k {directory} {OPTIONS}")
        try:
            yield directory
        finally:
            call("pg_ctl", "stop", "-w", "-m", "immediate")
