"""From what a restore counted to its report, and to the rows of its deals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from heapq import nsmallest
from uuid import UUID

from dealpurge.engine.restore.tally import DealCount, RestoreTally
from dealpurge.keys.families import split_token
from dealpurge.report import LIST_LIMIT, Status
from dealpurge.restore_report import DamagedFile, MixedDeal, RestoredDeals, RestoredKeys, RestoreReport
from dealpurge.scope import Deal, RestoreScope


def report_of(
    tally: RestoreTally,
    *,
    run_id: UUID,
    purge_id: UUID | None,
    scope: RestoreScope,
    families: Sequence[str],
    environment: str | None,
    started_at: datetime,
    duration_ms: int,
    failed: bool = False,
) -> RestoreReport:
    """The report of what was counted so far."""
    deals = tally.deals()
    mixed = {token: count for token, count in deals.items() if count.kept}
    missing = _not_found(scope, tally)
    return RestoreReport(
        run_id=run_id,
        purge_id=purge_id,
        status="failed" if failed else _status(tally, dry_run=scope.dry_run),
        scope=scope,
        environment=environment,
        deals=RestoredDeals(
            archived=len(deals),
            restored=sum(1 for count in deals.values() if count.restored),
            mixed=len(mixed),
            left_out=sum(1 for count in deals.values() if count.left_out),
            not_found=len(missing),
        ),
        keys=_keys(tally, deals),
        families={name: tally.families[index] for index, name in enumerate(families) if tally.families[index]},
        mixed=tuple(map(_mixed, *zip(*_first(mixed), strict=True))) if mixed else (),
        not_found=missing[:LIST_LIMIT],
        damaged=tuple(
            DamagedFile(name=found.file.name, keys=found.file.keys, damage=found.damage)
            for found in tally.damaged[:LIST_LIMIT]
        ),
        memory_needed=tally.needed,
        memory_free=tally.free,
        warnings=tuple(tally.warnings),
        started_at=started_at,
        duration_ms=duration_ms,
    )


def _keys(tally: RestoreTally, deals: Mapping[bytes, DealCount]) -> RestoredKeys:
    left_out = [count for count in deals.values() if count.left_out]
    return RestoredKeys(
        archived=tally.to_write + sum(count.archived for count in left_out),
        restored=tally.keys_restored,
        kept_newer=sum(count.kept for count in deals.values()),
        expired=sum(count.expired for count in deals.values()),
        refused=tally.refused.total(),
        left_out=sum(count.missed for count in left_out),
        not_restored=max(tally.to_write - tally.written, 0) + tally.crowded_out.total(),
    )


def _status(tally: RestoreTally, *, dry_run: bool) -> Status:
    """A look has all done once it has looked, whatever it has found."""
    if tally.cancelled:
        return "cancelled"
    return "partial" if tally.unfinished and not dry_run else "completed"


def _first(mixed: Mapping[bytes, DealCount]) -> Iterator[tuple[bytes, DealCount]]:
    """Those with most keys in the way."""
    yield from nsmallest(LIST_LIMIT, mixed.items(), key=lambda item: (-item[1].kept, item[0]))


def _mixed(token: bytes, count: DealCount) -> MixedDeal:
    org_id, deal_id = split_token(token)
    names = tuple(name.decode("utf-8", "surrogateescape") for name in count.names)
    return MixedDeal(org_id=org_id, deal_id=deal_id, keys=count.kept, names=names)


def _not_found(scope: RestoreScope, tally: RestoreTally) -> tuple[Deal, ...]:
    """The deals that were named and are not in the archive; none where it was not gone through."""
    if not tally.complete or tally.damaged:
        return ()
    tokens = {split_token(token) for token in tally.tokens} | {split_token(token) for token in tally.left_out}
    ids = {deal_id for _, deal_id in tokens}
    return tuple(
        deal
        for deal in scope.deals
        if not (deal[1] in ids if deal[0] is None else deal in tokens or (None, deal[1]) in tokens)
    )
