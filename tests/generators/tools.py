"""Runs the tools: those of requirements.txt, and those of package-lock.json on the node that comes with them."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOM = Path(__file__).parent
NODE_MODULES = ROOM / "node_modules"
PROGRAMS = Path(sys.executable).parent
SECONDS = 300
#: Nothing is reported to anybody, and nobody is asked for a newer version.
QUIET = {
    "ASTRO_TELEMETRY_DISABLED": "1",
    "REDOCLY_TELEMETRY": "off",
    "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
    "NO_COLOR": "1",
}


def absent() -> str | None:
    """What is not installed and how it is, or None where all is there."""
    parts = [name for name in ("bs4", "httpx") if find_spec(name) is None]
    parts += [
        name for name in ("node", "openapi-python-client", "openapi-spec-validator") if not (PROGRAMS / name).exists()
    ]
    if parts:
        return f"{parts[0]} is not installed (pip install -r tests/generators/requirements.txt)"
    if not (NODE_MODULES / ".package-lock.json").exists():
        return "the packages of npm are not installed (npm ci --ignore-scripts --prefix tests/generators)"
    return None


def run(program: str, *words: str | Path, cwd: Path, failing: bool = False) -> str:
    """What a program of the environment printed; fails with that unless it ended well, or was ``failing``."""
    done = subprocess.run(
        [PROGRAMS / program, *words],
        cwd=cwd,
        env=os.environ | QUIET,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert failing or done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_javascript(name: str, *words: str | Path, cwd: Path, failing: bool = False) -> str:
    """The same of a program that npm installed."""
    return run("node", NODE_MODULES / ".bin" / name, *words, cwd=cwd, failing=failing)
