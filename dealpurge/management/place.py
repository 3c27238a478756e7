"""Which Redis the command is about to go to, in one line."""

from __future__ import annotations

from django.db import Error as DatabaseTrouble
from django.utils.translation import override

from dealpurge.runs.label import Label, UnderWay, under_way
from dealpurge.text import escape


def place() -> str:
    """Environment, server, and version and role as the last run met them. Raises ``PurgeConfigurationError``."""
    label = Label.of_settings()
    try:
        known = under_way(label.redis_address)
    except DatabaseTrouble:  # which the run says in its own words
        known = UnderWay()
    with override("en"):
        parts = (label.environment or "Environment not named", label.server or known.address, known.server)
    return " · ".join(escape(part) for part in parts if part)
