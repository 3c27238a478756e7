"""The deals that were named and are not in Redis, each with what is known of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dealpurge import clock
from dealpurge.console import formatting
from dealpurge.console.deals.links import deal_admins, known, nearly
from dealpurge.console.forms.purge import write_deals
from dealpurge.models import PurgeRun
from dealpurge.runs import inventory
from dealpurge.runs.deals.suggestions import MOST_SECONDS
from dealpurge.scope import Deal

#: As many are shown before "Show all".
SHOWN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """One of them; ``meant`` is what may have been. All names are escaped."""

    name: str
    why: str
    meant: str


class MissingDeals:
    """Those that the report of a run lists."""

    def __init__(self, run: PurgeRun, site: AdminSite, request: HttpRequest) -> None:
        self.run, self._site, self._request = run, site, request
        self._listed: list[dict[str, Any]] = (run.report or {}).get("deals_not_found", [])

    @property
    def count(self) -> int:
        """How many there are, those that the report does not list included."""
        counts: dict[str, int] = (self.run.report or {}).get("deals", {})
        return counts.get("not_found", 0)

    @property
    def heading(self) -> str:
        """How many of how many."""
        named = self.run.deals_named
        if self.count == named:
            return _("None of the named deals has keys in Redis")
        words = ngettext(
            "%(n)s of %(all)s named deals was not found", "%(n)s of %(all)s named deals were not found", self.count
        )
        return words % {"n": formatting.number(self.count), "all": formatting.number(named)}

    @property
    def first(self) -> list[Missing]:
        """The first of them."""
        return self._all[:SHOWN]

    @property
    def others(self) -> list[Missing]:
        """The others that the report lists."""
        return self._all[SHOWN:]

    @property
    def unlisted(self) -> int:
        """How many it does not list; the table has them."""
        return self.count - len(self._listed)

    @cached_property
    def _all(self) -> list[Missing]:
        # What was escaped for the report is no id of any deal.
        deals: list[Deal] = [(item["org_id"], item["deal_id"]) for item in self._listed]
        as_named = [deal for deal in deals if "\\" not in f"{deal[0]}{deal[1]}"]
        in_database = known(self._site, self._request, as_named)
        strangers = self._unknown_organisations({org_id for org_id, _deal in deals if org_id is not None})
        meant, began = [_meant(item) for item in self._listed], clock.seconds()
        for place, deal in enumerate(deals):
            if deal in in_database:
                meant[place] = None
            elif place < SHOWN and meant[place] is None and deal in as_named and clock.seconds() - began < MOST_SECONDS:
                meant[place] = nearly(self._site, self._request, deal)
        return [
            Missing(
                name=write_deals([deal]),
                why=self._why(deal, in_database, strangers),
                meant=write_deals([other]) if other else "",
            )
            for deal, other in zip(deals, meant, strict=True)
        ]

    def _why(self, deal: Deal, in_database: Collection[Deal], strangers: Collection[str]) -> str:
        if deal in in_database:
            return _("In the database, but it has no keys in Redis. Nothing to do.")
        if deal[0] in strangers:
            return _("No such organisation.")
        if any(True for _admin in deal_admins([self._site])):
            return _("Neither in Redis nor in the database.")
        return _("Not in Redis.")

    def _unknown_organisations(self, names: set[str]) -> set[str]:
        """Those of which the last scan found no deal; none where nobody has looked."""
        scan = inventory.latest_finished() if names else None
        return names - inventory.organisations(scan, names) if scan else set()


def _meant(item: dict[str, Any]) -> Deal | None:
    """By the last scan, as the report has it."""
    meant = item["did_you_mean"]
    return (meant["org_id"], meant["deal_id"]) if meant else None
