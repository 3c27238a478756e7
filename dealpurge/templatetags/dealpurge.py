"""The wording of the pages as template filters."""

from __future__ import annotations

from django import template

from dealpurge import wording
from dealpurge.report import plain
from dealpurge.sentences import in_language

register = template.Library()
register.filter("plain", plain)
register.filter("in_language", in_language)
register.filter("number", wording.number)
register.filter("utc", wording.utc)
register.filter("clock", wording.clock)
register.filter("ago", wording.ago)
register.filter("duration", wording.duration)
register.filter("span", wording.span)
register.filter("deals", wording.deals)
register.filter("keys", wording.keys)
register.filter("family", wording.family)
