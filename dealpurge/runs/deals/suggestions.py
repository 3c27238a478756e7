"""What was meant by names of deals that are not in Redis: deals of the last inventory whose name is one edit away."""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from django.db import Error as DatabaseTrouble
from django.db.models import Q

from dealpurge import clock
from dealpurge.models import InventoryDeal, PurgeRun
from dealpurge.report import MissingDeal
from dealpurge.runs import inventory
from dealpurge.runs.database import alias, bounded
from dealpurge.scope import Deal

#: Deals that something is suggested for; of more, the list as a whole is wrong.
SUGGESTED = 10
#: After which no other name is looked for: the run is over, and somebody waits.
MOST_SECONDS = 1.0
#: Characters of ids besides those of the name itself.
ALPHABET = string.ascii_lowercase + string.ascii_uppercase + string.digits + "-_."
#: Names that are looked for in one query.
NAMES_AT_ONCE = 900


def with_suggestions(missing: Sequence[MissingDeal]) -> tuple[MissingDeal, ...]:
    """The first of them with a deal that may have been meant. Without, where the database has other troubles."""
    found, began = list[MissingDeal](), clock.seconds()
    try:
        with bounded():
            scan = inventory.latest_finished()
            if scan is None:
                return tuple(missing)
            for deal in missing[:SUGGESTED]:
                if clock.seconds() - began > MOST_SECONDS:
                    break
                found.append(replace(deal, did_you_mean=_meant(scan, deal)))
    except DatabaseTrouble:
        pass
    return (*found, *missing[len(found) :])


def edits(name: str) -> set[str]:
    """The names that a slip of one key makes of it: a character left out, put in or changed, or two that changed
    places."""
    letters = {*ALPHABET, *name}
    cuts = [(name[:place], name[place:]) for place in range(len(name) + 1)]
    left_out = {head + tail[1:] for head, tail in cuts if tail}
    swapped = {head + tail[1] + tail[0] + tail[2:] for head, tail in cuts if len(tail) > 1}
    changed = {head + letter + tail[1:] for head, tail in cuts if tail for letter in letters}
    put_in = {head + letter + tail for head, tail in cuts for letter in letters}
    return (left_out | swapped | changed | put_in) - {name, ""}


def _meant(scan: PurgeRun, deal: MissingDeal) -> Deal | None:
    """The same organisation's deal with nearly that id, or nearly that organisation's with this id; none of one that
    was there and is gone."""
    own = Q() if deal.org_id is None else Q(org_id=deal.org_id)
    if InventoryDeal.objects.using(alias()).filter(own, run=scan, deal_id=deal.deal_id).exists():
        return None
    found = _first(scan, own, "deal_id", edits(deal.deal_id))
    if found is None and deal.org_id is not None:
        found = _first(scan, Q(deal_id=deal.deal_id), "org_id", edits(deal.org_id))
    return found


def batched(names: Iterable[str]) -> Iterator[list[str]]:
    """In order, as many at once as a query should look for."""
    ordered = sorted(names)
    for start in range(0, len(ordered), NAMES_AT_ONCE):
        yield ordered[start : start + NAMES_AT_ONCE]


def _first(scan: PurgeRun, condition: Q, field: str, names: Iterable[str]) -> Deal | None:
    rows = InventoryDeal.objects.using(alias()).filter(condition, run=scan).order_by("org_id", "deal_id")
    for some in batched(names):
        found = rows.filter(**{f"{field}__in": some}).values_list("org_id", "deal_id").first()
        if found:
            return found
    return None
