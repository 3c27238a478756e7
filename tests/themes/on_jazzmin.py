"""The host project with jazzmin as its admin's theme: ``pytest --ds=tests.themes.on_jazzmin tests/themes``."""

from __future__ import annotations

from tests.themes.host import *  # noqa: F403

INSTALLED_APPS = [*theme("jazzmin"), *INSTALLED_APPS]  # noqa: F405
THEME = "jazzmin"
JAZZMIN_UI_TWEAKS = {"default_theme_mode": "auto"}
