"""Deals that a filter chose from one scan: what a form is handed instead of their ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from urllib.parse import urlencode

from django.utils.translation import gettext as _

from dealpurge.console import formatting
from dealpurge.models import PurgeRun
from dealpurge.runs import inventory_filter
from dealpurge.runs.inventory_filter import IDLE, NEVER, InventoryFilter
from dealpurge.scope import BLANKS, Deal
from dealpurge.text import escape

#: Deals that a selection may name: their ids are kept with the run.
MOST = 50_000
#: A filter's fields in a query or a form, by their names there.
NAMES: Mapping[str, str] = {"deal": "text", "org": "org_id", "idle": "idle", "family": "family"}

#: Chooses all deals of a scan.
ALL = "all"
#: Names of a query that say how a page shows deals, and not which.
OF_THE_PAGE = ("sort", "orgs", "p")


def read_filter(data: Mapping[str, str]) -> InventoryFilter:
    """The filter of a query or a form. What it cannot mean is left out."""
    asked = {field: data.get(name, "").strip(BLANKS) for name, field in NAMES.items()}
    if asked["idle"] not in (*IDLE, NEVER):
        asked["idle"] = ""
    return InventoryFilter(**asked)


def write_filter(asked: InventoryFilter) -> dict[str, str]:
    """The fields that ``read_filter`` reads."""
    fields = {name: getattr(asked, field) for name, field in NAMES.items()}
    return {name: value for name, value in fields.items() if value}


def choice_fields(asked: InventoryFilter) -> dict[str, str]:
    """The filter for a choice, which says so where it leaves no deal out: nothing at all must not mean all."""
    return write_filter(asked) or {ALL: "1"}


def kept_choice(data: Mapping[str, str]) -> str:
    """The query of a choice that was sent by somebody who has to log in first."""
    return urlencode({name: data[name] for name in (*NAMES, ALL) if data.get(name)})


def is_understood(data: Mapping[str, str], *, query: bool) -> bool:
    """Whether ``read_filter`` leaves nothing out: a part of a filter would choose more deals than were shown.

    ``query``: it is one, which has no other fields; those of a form may have the form's own.
    """
    named = {name: value for name in NAMES if (value := data.get(name, "").strip(BLANKS))}
    if query and data.keys() - NAMES.keys() - {ALL, *OF_THE_PAGE}:
        return False
    return write_filter(read_filter(data)) == named and bool(named or data.get(ALL))


class Selection:
    """The deals of a finished scan that match. A newer scan changes nothing in it."""

    def __init__(self, scan: PurgeRun, chosen: InventoryFilter) -> None:
        self.scan, self.filter = scan, chosen

    @property
    def fields(self) -> dict[str, str]:
        """The filter for a form."""
        return choice_fields(self.filter)

    @property
    def query(self) -> str:
        """The filter for an address."""
        return f"?{urlencode(self.fields)}"

    @cached_property
    def rows(self) -> list[Deal]:
        """The deals that match, and at most one more than ``MOST``."""
        rows = self.filter.rows(self.scan).order_by("pk").values_list("org_id", "deal_id")
        return list(rows[: MOST + 1])

    @property
    def is_too_large(self) -> bool:
        """Whether it has more deals than can be named."""
        return len(self.rows) > MOST

    @cached_property
    def deals(self) -> tuple[Deal, ...]:
        """The deals that match, by name. Without those that have no organisation where naming them would name deals of
        organisations that do not match; with these their keys go too."""
        chosen = set(self.rows)
        orgless = [deal_id for org_id, deal_id in self.rows if org_id is None]
        others = inventory_filter.holders_of(self.scan, orgless) if orgless else []
        meant_too = {deal_id for org_id, deal_id in others if (org_id, deal_id) not in chosen}
        return tuple(deal for deal in self.rows if deal[0] is not None or deal[1] not in meant_too)

    @property
    def words(self) -> str:
        """How many deals, and by what they were chosen: "1,204 deals: globex, idle for 30 days"."""
        what = ", ".join(self._parts()) or _("all of the scan")
        return _("%(deals)s: %(what)s") % {"deals": formatting.deals(len(self.deals)), "what": what}

    def _parts(self) -> Iterator[str]:
        asked = self.filter
        if asked.org_id:
            yield escape(asked.org_id)
        if asked.text:
            yield _("“%(text)s” in the id") % {"text": escape(asked.text)}
        if asked.idle == NEVER:
            yield _("no activity known")
        elif asked.idle:
            yield _("idle for %(span)s") % {"span": formatting.span(IDLE[asked.idle])}
        if asked.family:
            yield _("with keys of %(family)s") % {"family": formatting.family(asked.family)}
