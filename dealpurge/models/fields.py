"""A field that all rows have."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone


class UTCDateTimeField(models.DateTimeField):  # type: ignore[type-arg]
    """A moment that is aware and in UTC whatever ``USE_TZ`` says; for migrations a ``DateTimeField``.

    Where ``USE_TZ`` is off, SQLite's ``Now()`` is UTC all the same, so UTC is what stands there; other databases tell
    and take the time of ``TIME_ZONE``, which is also what a naive moment in Python is one of.
    """

    def deconstruct(self) -> Any:
        """As what it is in the database."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.DateTimeField", args, kwargs

    def from_db_value(self, value: datetime | None, expression: Any, connection: Any) -> datetime | None:
        """Aware. An hour that comes twice a year is told apart where the database's driver does."""
        if value is None or timezone.is_aware(value):
            return value
        return value.replace(tzinfo=stored_zone(connection)).astimezone(UTC)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """Without its zone where Django wants that. PostgreSQL's driver takes it whole."""
        if settings.USE_TZ or connection.vendor == "postgresql" or not isinstance(value, datetime):
            return super().get_db_prep_value(value, connection, prepared)
        aware = value if timezone.is_aware(value) else timezone.make_aware(value)
        return super().get_db_prep_value(timezone.make_naive(aware, stored_zone(connection)), connection, prepared)


def stored_zone(connection: Any) -> tzinfo:
    """The zone that moments stand in where ``USE_TZ`` is off."""
    return UTC if connection.vendor == "sqlite" else timezone.get_default_timezone()
