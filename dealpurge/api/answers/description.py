"""What the schema says of fields that have many answers in common."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers


def words(component: str, names: tuple[str, ...] | list[str], description: str) -> Any:
    """Makes a component of a field's words, called so, whatever else the host's schema calls a mode or a status."""
    return extend_schema_field({"type": "string", "enum": [*names], "description": description}, component)


def count(text: str = "", **options: Any) -> serializers.IntegerField:
    """A number of things."""
    return serializers.IntegerField(min_value=0, help_text=text, **options)
