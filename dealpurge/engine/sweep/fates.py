"""What became of each deal, or would: told by what was counted of it."""

from __future__ import annotations

from collections.abc import Collection

from dealpurge.engine.sweep.deal_log import (
    INTERRUPTED,
    NOT_REMOVED,
    PURGED,
    SKIPPED_ACTIVE,
    SKIPPED_NEVER_ACTIVE,
    WOULD_BE_PURGED,
    WOULD_BE_SKIPPED,
    DealNote,
)
from dealpurge.engine.sweep.tally import Tally, without_namesakes


def notes_of(tally: Tally, *, dry_run: bool = False) -> dict[bytes, DealNote]:
    """Of every deal that was found and had its turn, for the record, by its token. Where an id's deals have not had
    theirs, its keys without an organisation are told of by themselves."""
    turned = tally.matched_deals - tally.untouched
    told = sorted(without_namesakes(turned))
    _attribute(tally, turned.difference(told), told)
    return {token: note_of(tally, token, dry_run=dry_run) for token in told}


def note_of(tally: Tally, token: bytes, *, dry_run: bool = False) -> DealNote:
    """Of a deal that had its turn, or would."""
    outcome = _outcome(tally, token)
    gone, left = tally.gone[token], tally.left.get(token)
    active = tally.skipped.get(token) or tally.last_active.get(token)
    if dry_run and outcome == PURGED:
        checkpoints = None if tally.checkpoints is None else tally.checkpoints[token]
        return DealNote(WOULD_BE_PURGED, 0, left, active, checkpoints)
    if dry_run:
        return DealNote(WOULD_BE_SKIPPED, 0, left, active)
    return DealNote(outcome, gone, 0 if outcome == PURGED else left, active)


def _attribute(tally: Tally, orgless: Collection[bytes], deals: Collection[bytes]) -> None:
    """Keys without an organisation are those of the only deal that has their id, if they went or stay with it."""
    holders: dict[bytes, list[bytes]] = {token: [] for token in orgless}
    for token in deals if orgless else ():
        holders.get(token.rpartition(b":")[2], []).append(token)
    for token, held_by in holders.items():
        for counts in (tally.gone, tally.left, *([] if tally.checkpoints is None else [tally.checkpoints])):
            count = counts.pop(token, 0)
            if count and len(held_by) == 1 and _outcome(tally, token) == _outcome(tally, held_by[0]):
                counts[held_by[0]] += count


def _outcome(tally: Tally, token: bytes) -> str:
    if token in tally.interrupted:
        return INTERRUPTED
    if token in tally.skipped:
        return SKIPPED_ACTIVE
    if token in tally.never_active:
        return SKIPPED_NEVER_ACTIVE
    return NOT_REMOVED if token in tally.unremoved_deals else PURGED
