"""The host project with a base of its own for the admin's pages, of fewer blocks than Django's and other styles."""

from __future__ import annotations

from pathlib import Path

from tests.themes.host import *  # noqa: F403

TEMPLATES[0]["DIRS"] = [Path(__file__).parent / "templates"]  # noqa: F405
THEME = "own"
