"""Somebody who has never seen this package: an empty environment, a new Django project, and the README."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .browser import Browser
from .readme_blocks import Block
from .servers import free_port, wait_until

SECONDS = 120

#: What the README takes for granted: the host has deals, and an app of its own for them.
MODELS = """
from django.db import models


class Organization(models.Model):
    slug = models.SlugField(unique=True)


class Deal(models.Model):
    deal_id = models.CharField(max_length=64)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE)
"""


class Environment:
    """A virtual environment without even pip; the tests' own pip installs into it."""

    def __init__(self, folder: Path, wheel: Path) -> None:
        self.python, self.wheel = folder / "bin" / "python", wheel
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True, timeout=SECONDS)

    def pip(self, *words: str) -> str:
        """Run pip, the checkout (``.``, or ``.[extra]``) meaning the wheel that was just built of it."""
        wheel = self.wheel.as_uri()
        located = [re.sub(r"^\.(\[\w+\])?$", rf"django-dealpurge\1 @ {wheel}", word) for word in words]
        return run([sys.executable, "-m", "pip", "--python", str(self.python), *located])

    def packages(self) -> set[str]:
        """The names of what is installed."""
        lines = self.pip("list", "--format", "freeze").lower().splitlines()
        return {line.partition("==")[0].replace("_", "-") for line in lines}


class Newcomer:
    """Does what the README says, word for word, in a project made by ``startproject``."""

    def __init__(self, folder: Path, environment: Environment, redis_url: str) -> None:
        self.folder, self.environment = folder, environment
        self.variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("DJANGO", "PYTHON"))},
            "REDIS_URL": redis_url,
            "PYTHONWARNINGS": "error",
            "DJANGO_SUPERUSER_PASSWORD": "a-long-password",
        }

    def start_project(self) -> None:
        """A new project with deals in it."""
        self.folder.mkdir()
        self._python("-m", "django", "startproject", "platform_site", ".")
        self.manage("startapp", "deals")
        (self.folder / "deals" / "models.py").write_text(MODELS)
        self.paste("settings.py", 'INSTALLED_APPS += ["deals"]\n')
        self.manage("makemigrations", "deals")

    def paste(self, name: str, text: str) -> None:
        """Add text at the end of a file that exists already."""
        (path,) = [folder / name for folder in self.folder.iterdir() if (folder / name).exists()]
        with path.open("a") as file:
            file.write(f"\n{text}")

    def follow(self, block: Block) -> str:
        """Paste Python into the files that it names, or run commands one by one; what they printed."""
        for name, text in block.files.items():
            self.paste(name, text)
        return "" if block.files else "".join(map(self.shell, block.commands))

    def shell(self, command: str) -> str:
        """Run a command of pip or Python; what it printed."""
        program, *arguments = shlex.split(command)
        return {"pip": self.environment.pip, "python": self._python}[program](*arguments)

    def manage(self, *words: str) -> str:
        """Run a management command; what it printed."""
        return self._python("manage.py", *words)

    @contextmanager
    def site(self) -> Iterator[Browser]:
        """The development server, for as long as the block lasts, and a browser that looks at it."""
        port = free_port()
        words = [str(self.environment.python), "manage.py", "runserver", "--noreload", str(port)]
        with (self.folder / "site.log").open("wb") as log:
            process = subprocess.Popen(
                words, cwd=self.folder, env=self.variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            browser = Browser(f"http://127.0.0.1:{port}")
            wait_until(browser.answers, what="the development server", seconds=30)
            yield browser
        finally:
            process.kill()
            process.wait()

    def _python(self, *words: str) -> str:
        return run([str(self.environment.python), *words], cwd=self.folder, env=self.variables)


def run(words: list[str], *, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Run a program to its end; its output. Raises ``AssertionError`` with what it said if it fails."""
    done = subprocess.run(
        words, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS
    )
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"
    return done.stdout
