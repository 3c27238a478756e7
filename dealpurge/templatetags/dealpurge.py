"""The wording of the pages as template filters."""

from __future__ import annotations

from django import template

from dealpurge.console import formatting
from dealpurge.text import plain

register = template.Library()
register.filter("plain", plain)
register.filter("number", formatting.number)
register.filter("utc", formatting.utc)
register.filter("clock", formatting.clock)
register.filter("ago", formatting.ago)
register.filter("duration", formatting.duration)
register.filter("span", formatting.span)
register.filter("deals", formatting.deals)
register.filter("keys", formatting.keys)
register.filter("family", formatting.family)
