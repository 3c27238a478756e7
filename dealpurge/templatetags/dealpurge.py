"""The wording of the pages as template filters, and what their frame asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import template
from django.template import Context

from dealpurge.console import formatting
from dealpurge.text import plain

register = template.Library()
register.filter("plain", plain)
register.filter("number", formatting.number)
register.filter("utc", formatting.utc)
register.filter("clock", formatting.clock)
register.filter("day", formatting.day)
register.filter("time_of_day", formatting.time_of_day)
register.filter("ago", formatting.ago)
register.filter("duration", formatting.duration)
register.filter("span", formatting.span)
register.filter("deals", formatting.deals)
register.filter("keys", formatting.keys)
register.filter("family", formatting.family)


@register.filter
def is_in(value: str, values: Sequence[str]) -> bool:
    """Whether it is one of them."""
    return value in values


@register.simple_tag(takes_context=True)
def first_time(context: Context, name: str) -> bool:
    """Whether nothing on this page has asked so before: not every theme of the admin has all blocks."""
    rendered: Any = context.render_context  # whose type knows no values but Django's own
    asked: set[str] = rendered.setdefault("dealpurge", set())
    if name in asked:
        return False
    asked.add(name)
    return True
