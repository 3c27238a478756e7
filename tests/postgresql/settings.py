"""The host project on PostgreSQL, as most hosts are: ``pytest --ds=tests.postgresql.settings``."""

from __future__ import annotations

import os

from project.settings import *  # noqa: F403

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ.get("DJANGO_DB", "dealpurge"),
        "USER": "postgres",
        # The tests start a server and put its socket's directory here; without them there is nobody to connect to.
        "HOST": os.environ.get("DJANGO_DB_HOST", "/nonexistent"),
    },
}
