"""The report of what was counted, whatever ended the run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from heapq import nsmallest
from uuid import UUID

from dealpurge.engine.sweep.deal_log import NOT_FOUND, DealNote
from dealpurge.engine.sweep.fates import notes_of
from dealpurge.engine.sweep.samples import LONGEST
from dealpurge.engine.sweep.tally import Tally, without_namesakes
from dealpurge.i18n import Names, gettext_noop
from dealpurge.keys.families import make_token, split_token
from dealpurge.report import (
    LIST_LIMIT,
    ArchiveReport,
    DealCounts,
    KeyCounts,
    MissingDeal,
    PurgeReport,
    SkippedDeal,
    Status,
)
from dealpurge.scope import Deal, PurgeScope
from dealpurge.text import escape

#: Names that a warning spells out.
NAMES_SHOWN = 5
#: In words that are true of a dry run, and of deals that stay because somebody works on them.
SEVERAL_WARNING = gettext_noop(
    "A deal id that is named without an organisation means that id in every one, and several organisations have it: "
    "{}.",
    code="several_organisations",
)


def report_of(
    tally: Tally,
    *,
    run_id: UUID | None,
    scope: PurgeScope,
    families: Sequence[str],
    started_at: datetime,
    duration_ms: int,
    failed: bool = False,
    environment: str | None = None,
    archive: ArchiveReport | None = None,
) -> PurgeReport:
    """The report of what was counted so far."""
    counted = without_namesakes(tally.matched_deals)
    skipped = tally.skipped.keys() & counted - tally.interrupted
    first = nsmallest(LIST_LIMIT, skipped, key=lambda token: (-(tally.skipped[token] or 0), token))
    missing = not_found(scope, tally)
    return PurgeReport(
        run_id=run_id,
        status="failed" if failed else _status(tally),
        scope=scope,
        environment=environment,
        deals=_deal_counts(tally, counted, len(missing)),
        keys=KeyCounts(**{item.name: getattr(tally, item.name) for item in fields(KeyCounts)}),
        families={name: tally.families[index] for index, name in enumerate(families)},
        skipped=tuple(_skipped_deal(token, tally.skipped[token]) for token in first),
        skipped_truncated=len(skipped) > LIST_LIMIT,
        deals_not_found=tuple(MissingDeal(org_id=org, deal_id=deal) for org, deal in missing[:LIST_LIMIT]),
        unclaimed_sample=tuple(map(escape, sorted(tally.unclaimed_sample))),
        samples=dict(_samples(tally, families)) if scope.dry_run else {},
        archive=archive,
        warnings=tuple(_sentences(tally, scope)),
        started_at=started_at,
        duration_ms=duration_ms,
    )


def not_found(scope: PurgeScope, tally: Tally) -> tuple[Deal, ...]:
    """The deals that were named and have no keys in Redis, be it checkpoints that stay; none where not all servers
    were gone through."""
    if not tally.complete:
        return ()
    tokens = tally.matched_deals | tally.kept
    ids = {token.rpartition(b":")[2] for token in tokens}
    return tuple(
        (org_id, deal_id)
        for org_id, deal_id in scope.deals
        # Keys without an organisation go with the deal that was named.
        if not (deal_id.encode() in (ids if org_id is None else tokens) or make_token(org_id, deal_id) in tokens)
    )


def notes_of_all(scope: PurgeScope, tally: Tally) -> dict[bytes, DealNote]:
    """What became of the deals that were found or named, by their tokens."""
    missing = {make_token(*deal): DealNote(NOT_FOUND) for deal in not_found(scope, tally)}
    return notes_of(tally, dry_run=scope.dry_run) | missing


def held_by_several(scope: PurgeScope, tokens: Iterable[bytes]) -> set[bytes]:
    """Organisation and id of the deals that an id named without an organisation stands for, where those are several."""
    bare = {deal_id.encode() for org_id, deal_id in scope.deals if org_id is None}
    holders: dict[bytes, list[bytes]] = {}
    for token in tokens if bare else ():
        org_id, colon, deal_id = token.rpartition(b":")
        if colon and deal_id in bare:
            holders.setdefault(deal_id, []).append(org_id + b" " + deal_id)
    return {name for names in holders.values() if len(names) > 1 for name in names}


def _status(tally: Tally) -> Status:
    if tally.cancelled:
        return "cancelled"
    return "partial" if tally.not_removed or tally.interrupted else "completed"


def _deal_counts(tally: Tally, matched: set[bytes], missing: int) -> DealCounts:
    interrupted = matched & tally.interrupted
    skipped = matched & tally.skipped.keys() - interrupted
    purged = matched & tally.going()
    return DealCounts(
        matched=len(matched),
        purged=len(purged),
        skipped_active=len(skipped),
        skipped_never_active=len(matched & tally.never_active - interrupted - skipped),
        interrupted=len(interrupted),
        not_found=missing,
        organisations=len({token.rpartition(b":")[0] for token in purged} - {b""}),
        active=None if tally.active is None else len(matched & tally.active),
    )


def _samples(tally: Tally, families: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    picked = tally.samples.keys
    for index, name in enumerate(families):
        if keys := picked.get(index):
            yield name, tuple(escape(key[:LONGEST]) + ("…" if len(key) > LONGEST else "") for key in keys)


def _skipped_deal(token: bytes, active_at: int | None) -> SkippedDeal:
    org_id, deal_id = split_token(token)
    moment = None if active_at is None else datetime.fromtimestamp(active_at / 1000, UTC)
    return SkippedDeal(org_id=org_id, deal_id=deal_id, last_active_at=moment)


def _sentences(tally: Tally, scope: PurgeScope) -> Iterator[str]:
    # Only here are all servers and passes together, and each may have met another organisation.
    several = held_by_several(scope, tally.matched_deals)
    for text, names in (tally.warnings | ({SEVERAL_WARNING: several} if several else {})).items():
        yield text.format(_listing(names)) if names else text


def _listing(names: Collection[bytes]) -> Names:
    """The first few of ``names`` in their order, and how many there are besides."""
    return Names(tuple(map(escape, sorted(names)[:NAMES_SHOWN])), max(0, len(names) - NAMES_SHOWN))
