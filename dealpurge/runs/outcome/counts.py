"""Numbers of deals and keys, and moments, as the active language writes them."""

from __future__ import annotations

from datetime import UTC, datetime

from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext


def number(value: float | None) -> str:
    """A whole number with the digits grouped as the language does it."""
    return "" if value is None else number_format(value, 0, force_grouping=True)


def deals(count: int) -> str:
    """A number of deals."""
    return ngettext("%(n)s deal", "%(n)s deals", count) % {"n": number(count)}


def keys(count: int) -> str:
    """A number of keys."""
    return ngettext("%(n)s key", "%(n)s keys", count) % {"n": number(count)}


def day(moment: datetime) -> str:
    """A moment's date, in UTC."""
    return date_format(moment.astimezone(UTC), _("j M Y"))


def utc(moment: datetime) -> str:
    """A moment to the second, in UTC whatever the host's time zone."""
    return date_format(moment.astimezone(UTC), _("j M Y, H:i:s")) + " UTC"
