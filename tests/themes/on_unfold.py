"""The host project with unfold as its admin's theme: ``pytest --ds=tests.themes.on_unfold tests/themes``."""

from __future__ import annotations

from tests.themes.host import *  # noqa: F403

INSTALLED_APPS = [*theme("unfold"), *INSTALLED_APPS]  # noqa: F405
THEME = "unfold"
