"""What became of the deals of a run, and of one deal in all runs: found and sorted in the database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Case, Count, F, IntegerField, OrderBy, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce

from dealpurge.models import PurgeRun, PurgeRunDeal
from dealpurge.runs.database import alias, storable
from dealpurge.scope import ID_MAX_BYTES, Deal

Outcome = PurgeRunDeal.Outcome
#: In the order in which a page offers them; the first two are what needs a look.
OUTCOMES = (
    Outcome.INTERRUPTED,
    Outcome.NOT_REMOVED,
    Outcome.PURGED,
    Outcome.WOULD_BE_PURGED,
    Outcome.SKIPPED_ACTIVE,
    Outcome.SKIPPED_NEVER_ACTIVE,
    Outcome.WOULD_BE_SKIPPED,
    Outcome.NOT_FOUND,
)
#: Characters of two ids and the colon between them.
LONGEST = 2 * ID_MAX_BYTES + 1
NEEDS_A_LOOK = (Outcome.INTERRUPTED, Outcome.NOT_REMOVED)
#: Columns of runs that may be large, or that nobody shows beside a deal.
LARGE = (
    *("run__deals", "run__report", "run__sentences", "run__progress", "run__redis_processes", "run__error"),
    *("run__outcomes", "run__organisations"),
)

#: What needs a look, then the largest.
FIRST = Case(When(outcome__in=NEEDS_A_LOOK, then=Value(0)), default=Value(1), output_field=IntegerField())
_SIZE = Coalesce("keys_deleted", 0) + Coalesce("keys_left", 0)
#: By the heading that a page sorts by; in front of it a minus for descending.
SORTS: Mapping[str, tuple[OrderBy, ...]] = {
    "deal": (F("deal_id").asc(),),
    "org": (F("org_id").asc(nulls_first=True), F("deal_id").asc()),
    "outcome": (F("outcome").asc(),),
    "deleted": (F("keys_deleted").asc(nulls_first=True),),
    "left": (F("keys_left").asc(nulls_first=True),),
    "checkpoints": (F("checkpoints").asc(nulls_first=True),),
    "active": (F("last_active_at").asc(nulls_first=True),),
    "-deal": (F("deal_id").desc(),),
    "-org": (F("org_id").desc(nulls_last=True), F("deal_id").desc()),
    "-outcome": (F("outcome").desc(),),
    "-deleted": (F("keys_deleted").desc(nulls_last=True),),
    "-left": (F("keys_left").desc(nulls_last=True),),
    "-checkpoints": (F("checkpoints").desc(nulls_last=True),),
    "-active": (F("last_active_at").desc(nulls_last=True),),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DealFilter:
    """Which of a run's deals: of an outcome, of an organisation, with this text in their ids; empty is any.

    ``organisation:text`` looks for the text in one organisation. An unknown outcome is none, an unknown sort is what
    needs a look first, then the largest.
    """

    outcome: str = ""
    org_id: str = ""
    text: str = ""
    sort: str = ""
    #: Those with activity since then.
    active_since: datetime | None = None

    @property
    def searches(self) -> bool:
        """Whether rows must be looked at to know how many there are."""
        return bool(self.org_id or self.text)

    def rows(self, run: PurgeRun) -> QuerySet[PurgeRunDeal]:
        """In their order."""
        rows = PurgeRunDeal.objects.using(alias()).filter(run=run).filter(self._condition())
        if self.sort in SORTS:
            return rows.order_by(*SORTS[self.sort], "pk")
        return rows.order_by(FIRST, _SIZE.desc(), "pk")

    def _condition(self) -> Q:
        condition = Q(outcome=self.outcome) if self.outcome in Outcome.values else Q()
        if self.active_since:
            condition &= Q(last_active_at__gte=self.active_since)
        org_id, colon, deal_id = self.text.rpartition(":")
        for text in (self.org_id, self.text):
            # PostgreSQL refuses to look for a NUL, SQLite for very many characters.
            if storable(text) != text or len(text) > LONGEST:
                return Q(pk__in=())
        if self.org_id:
            condition &= Q(org_id=self.org_id)
        if colon and org_id:
            condition &= Q(org_id=org_id)
        return condition & Q(deal_id__contains=deal_id) if deal_id else condition


def counts(run: PurgeRun) -> dict[str, int]:
    """How many deals have each outcome. Counted where the run has not written that down: it is older than that, under
    way, or was lost."""
    if run.outcomes is not None:
        return {str(name): int(count) for name, count in run.outcomes.items()}
    rows = PurgeRunDeal.objects.using(alias()).filter(run=run).order_by()
    return dict(rows.values_list("outcome").annotate(number=Count("pk")))


def of_deal(deal: Deal) -> QuerySet[PurgeRunDeal]:
    """What became of one deal, newest first, with the runs. Keys without an organisation may be its own; without an
    organisation it is the deal of that id in every one."""
    org_id, deal_id = deal
    if storable(f"{org_id}{deal_id}") != f"{org_id}{deal_id}":
        return PurgeRunDeal.objects.none()
    rows = PurgeRunDeal.objects.using(alias()).filter(deal_id=deal_id)
    if org_id is not None:
        rows = rows.filter(Q(org_id=org_id) | Q(org_id=None))
    return rows.select_related("run").defer(*LARGE).order_by("-run__created_at", "-pk")
