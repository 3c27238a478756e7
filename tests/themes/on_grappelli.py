"""The host project with grappelli as its admin's theme: ``pytest --ds=tests.themes.on_grappelli tests/themes``."""

from __future__ import annotations

from tests.themes.host import *  # noqa: F403

INSTALLED_APPS = [*theme("grappelli"), *INSTALLED_APPS]  # noqa: F405
THEME = "grappelli"
