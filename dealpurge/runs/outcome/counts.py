"""Numbers of deals, keys and bytes, and moments, as the active language writes them."""

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


def size(count: int) -> str:
    """Bytes in the unit that leaves one to three digits, a thousand to the next: "948 MB", "3.1 GB"."""
    if count < 1000:
        return ngettext("%(n)s byte", "%(n)s bytes", count) % {"n": number(count)}
    value, units = count / 1000, [_("%(n)s kB"), _("%(n)s MB"), _("%(n)s GB"), _("%(n)s TB")]
    while round(value) >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    digits = 1 if round(value, 1) < 10 else 0
    return units[0] % {"n": number_format(round(value, digits), digits, force_grouping=True)}  # which cuts off


def day(moment: datetime) -> str:
    """A moment's date, in UTC."""
    return date_format(moment.astimezone(UTC), _("j M Y"))


def minute(moment: datetime) -> str:
    """And the time on it, to the minute."""
    return date_format(moment.astimezone(UTC), _("j M Y, H:i")) + " UTC"


def utc(moment: datetime) -> str:
    """A moment to the second, in UTC whatever the host's time zone."""
    return date_format(moment.astimezone(UTC), _("j M Y, H:i:s")) + " UTC"
