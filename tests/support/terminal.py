"""`manage.py` as a user runs it: a process in a terminal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.conf import settings

from tests.support.servers import wait_until

MANAGE = str(settings.BASE_DIR / "manage.py")
SECONDS = 60


class Terminal:
    """Runs manage.py with a database of its own and without the settings of whoever runs the tests."""

    def __init__(self, directory: Path, **variables: str) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "REDIS_URL"))}
        self.environment = inherited | {"DJANGO_DB": str(directory / "demo.sqlite3"), "NO_COLOR": "1"} | variables
        self.output = directory / "output"

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, MANAGE, *arguments]
        return subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=SECONDS, check=False
        )

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        with self.output.open("wb") as output:
            return subprocess.Popen(
                [sys.executable, "-u", MANAGE, *arguments],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


class Demo:
    """A demo that serves, and what it printed."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.process = terminal.start("demo", "--port", "0")
        wait_until(self.is_up, seconds=SECONDS, what="the demo")
        self.text = terminal.output.read_text()

    def is_up(self) -> bool:
        assert self.process.poll() is None, self.terminal.output.read_text()
        return "Ctrl-C ends the demo." in self.terminal.output.read_text()

    @property
    def address(self) -> str:
        return self.found(r"(http://127\.0\.0\.1:\d+)/admin/")[0]

    def found(self, pattern: str) -> tuple[str, ...]:
        match = re.search(pattern, self.text)
        assert match, self.text
        return match.groups()

    def paste(self, line: str) -> dict[str, Any]:
        """Run a printed line in a shell, as it stands."""
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=SECONDS, check=True)
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def curls(self) -> list[str]:
        return [line for line in self.text.splitlines() if line.strip().startswith("curl")]
