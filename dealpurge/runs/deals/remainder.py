"""What a run left: the scope that takes those of its deals that were skipped, left half-way, or not come to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from typing import Literal

from dealpurge.models import PurgeRun, PurgeRunDeal
from dealpurge.runs.database import alias
from dealpurge.scope import Deal, PurgeScope

Outcome = PurgeRunDeal.Outcome
#: Those that were skipped as active; those that were left half-way; all that is left of the scope.
Kind = Literal["skipped", "interrupted", "rest"]
KINDS: tuple[Kind, ...] = ("skipped", "interrupted", "rest")
OUTCOMES = {"skipped": Outcome.SKIPPED_ACTIVE, "interrupted": Outcome.INTERRUPTED}
#: Deals that are named; more are gone over by the run's own scope, which purges none that has no keys.
MOST = 10_000


def scope_of(run: PurgeRun, kind: Kind) -> PurgeScope:
    """A dry run of what is left, as the run was guarded. No deal in it was purged by the run, none that was left is
    missing from it; where they are too many to be named, or the record has none of them, it is of the run's scope."""
    scope = replace(run.scope, dry_run=True)
    deals = remaining(run) if kind == "rest" else _with_outcome(run, OUTCOMES[kind])
    if not deals or len(deals) > MOST:
        return scope
    return replace(scope, mode="by_deal", org_id=None, deals=tuple(deals))


def remaining(run: PurgeRun) -> list[Deal]:
    """Of the deals that a run named, those that it has not purged and that were there; none where it named none."""
    if run.mode == PurgeRun.RunMode.ALL:
        return []
    over: defaultdict[str, list[tuple[str | None, bool]]] = defaultdict(list)
    rows = PurgeRunDeal.objects.using(alias()).filter(run=run).values_list("org_id", "deal_id", "outcome")
    for org_id, deal_id, outcome in rows.iterator(chunk_size=2000):
        over[deal_id].append((org_id, outcome in (Outcome.PURGED, Outcome.NOT_FOUND)))
    return [deal for deal in run.scope.deals if not _is_over(deal, over.get(deal[1], ()))]


def _is_over(named: Deal, met: Iterable[tuple[str | None, bool]]) -> bool:
    """Whether all deals are that may have been meant: an unknown organisation is every one."""
    ends = [over for org_id, over in met if named[0] is None or org_id in (None, named[0])]
    return bool(ends) and all(ends)


def _with_outcome(run: PurgeRun, outcome: Outcome) -> list[Deal]:
    rows = PurgeRunDeal.objects.using(alias()).filter(run=run, outcome=outcome).order_by("pk")
    found = rows.values_list("org_id", "deal_id")[: MOST + 1]
    named: defaultdict[str, list[Deal]] = defaultdict(list)
    for deal in run.scope.deals:
        named[deal[1]].append(deal)
    # Keys without an organisation go with the deals that were named; None would be the deal of every organisation.
    meant = ((deal,) if deal[0] is not None else named.get(deal[1], (deal,)) for deal in found)
    return list(dict.fromkeys(chain.from_iterable(meant)))
