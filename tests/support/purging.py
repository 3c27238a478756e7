"""Driving the engine without a database, with a fault in the middle where one is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from dealpurge.engine import purging, transaction
from dealpurge.engine.archive.archiver import Archive
from dealpurge.engine.guard import cluster_guard, piecemeal, pipeline
from dealpurge.engine.guard.active_deals import KeepActive
from dealpurge.engine.guard.activity_reader import ActivityReader
from dealpurge.engine.limits import in_force
from dealpurge.engine.sweep import reporting, unlink
from dealpurge.engine.sweep.deal_log import PURGED, WOULD_BE_PURGED
from dealpurge.engine.sweep.fates import notes_of
from dealpurge.engine.sweep.tally import Tally
from dealpurge.exceptions import RedisUnavailable
from dealpurge.keys.families import Keyspace, split_token
from dealpurge.report import PurgeReport
from dealpurge.scope import Deal, PurgeScope
from dealpurge.servers.connection import ServerConnection
from tests.support.seeding import HOUR

#: Keys scanned, keys in all, keys deleted: tells whether it is time for the fault.
When = Callable[[int, int, int], bool]


def scope_of(**options: Any) -> PurgeScope:
    """Everything and for real, unless told otherwise."""
    return PurgeScope(**{"mode": "all", "dry_run": False, **options})


def carry_out(
    tally: Tally,
    *,
    keep_going: Callable[[], bool] = lambda: True,
    keep_active: KeepActive | None = None,
    archive: Archive | None = None,
    look: bool = False,
    **options: Any,
) -> None:
    """Purge on the Redis of the settings, counting in the tally whatever ends it."""
    scope = in_force(scope_of(**options))
    purging.purge(scope, Keyspace.from_settings(), tally, keep_going, keep_active, archive, look)


def report_of(tally: Tally, *, failed: bool = False, **options: Any) -> PurgeReport:
    return reporting.report_of(
        tally,
        run_id=None,
        scope=scope_of(**options),
        families=Keyspace.from_settings().names,
        started_at=datetime.now(UTC),
        duration_ms=0,
        failed=failed,
    )


def purge(*, keep_going: Callable[[], bool] = lambda: True, **options: Any) -> PurgeReport:
    """Purge, and report."""
    tally = Tally()
    carry_out(tally, keep_going=keep_going, **options)
    return report_of(tally, **options)


def fates_of(tally: Tally, *, dry_run: bool) -> dict[Deal, tuple[bool, int]]:
    """Of each deal in the record whether it goes, or went, and how many keys it has, or had: none are left, or all."""
    fates = {}
    for token, note in notes_of(tally, dry_run=dry_run).items():
        assert None not in (note.keys_deleted, note.keys_left), (token, note)
        assert 0 in (note.keys_deleted, note.keys_left), (token, note)
        goes = note.outcome in (PURGED, WOULD_BE_PURGED)
        fates[split_token(token)] = (goes, (note.keys_deleted or 0) + (note.keys_left or 0))
    return fates


def checkpoints_of(tally: Tally) -> dict[Deal, int | None]:
    """Of each deal that a dry run says would go, its checkpoint keys."""
    notes = notes_of(tally, dry_run=True)
    return {split_token(token): note.checkpoints for token, note in notes.items() if note.outcome == WOULD_BE_PURGED}


def while_deleting(scanned: int, total: int, deleted: int) -> bool:
    """In the middle of a sweep or of the deletes of a guarded purge."""
    return deleted > 1500


def while_scanning(scanned: int, total: int, deleted: int) -> bool:
    """In the middle of a scan, be it a guarded purge's planning."""
    return total // 4 < scanned < total * 3 // 4


@dataclass
class Outcome:
    """How a run went: its report, the error that ended it if any, and the counts at the moment of the fault."""

    report: PurgeReport
    error: RedisUnavailable | None
    struck_at: tuple[int, int, int] | None

    def warned(self, start: str) -> bool:
        return any(warning.startswith(start) for warning in self.report.warnings)


def run(
    fault: Callable[[], object] | None = None, *, when: When = while_deleting, guarded: bool = False, **options: Any
) -> Outcome:
    """Purge, and strike once when it is time. Fails where the fault found the run before or after its middle."""
    options = {"exclude_active_within_secs": HOUR if guarded else None, **options}
    tally, error = Tally(), None
    struck_at: tuple[int, int, int] | None = None

    def keep_going() -> bool:
        nonlocal struck_at
        if fault and struck_at is None and when(*tally.progress()[:3]):
            struck_at = tally.progress()[:3]
            fault()
        return True

    try:
        carry_out(tally, keep_going=keep_going, **options)
    except RedisUnavailable as exc:
        error = exc
    assert fault is None or struck_at is not None, "the run was over before the fault"
    if not options.get("dry_run"):  # whatever happened, each key is counted for its deal as it is for its family
        assert sum(tally.gone.values()) == sum(tally.families.values())
    return Outcome(report_of(tally, failed=error is not None, **options), error, struck_at)


@contextmanager
def before_removal(monkeypatch: pytest.MonkeyPatch, happens: Callable[[list[bytes]], object]) -> Iterator[None]:
    """Let something happen between the last judgement and every EXEC, or every UNLINK without a transaction."""

    def late(act: Callable[..., Any]) -> Callable[..., Any]:
        def acting(connection: ServerConnection, keys: list[bytes], *packed: Sequence[bytes]) -> Any:
            happens(keys)
            return act(connection, keys, *packed)

        return acting

    commit, remove = late(transaction.send_commit), late(unlink.remove)
    with monkeypatch.context() as patch:
        for module in (transaction, pipeline):
            patch.setattr(module, "send_commit", commit)
        for module in (piecemeal, cluster_guard):
            patch.setattr(module, "remove", remove)
        yield


@contextmanager
def looks_noted(monkeypatch: pytest.MonkeyPatch, note: Callable[[], object]) -> Iterator[None]:
    """Have something happen before every look at events keys, be it the first or the second."""
    steps, questions = ActivityReader.read_steps, ActivityReader.questions

    def late(act: Callable[..., Any]) -> Callable[..., Any]:
        def acting(self: ActivityReader, *arguments: Any) -> Any:
            note()
            return act(self, *arguments)

        return acting

    with monkeypatch.context() as patch:
        patch.setattr(ActivityReader, "read_steps", late(steps))
        patch.setattr(ActivityReader, "questions", late(questions))
        yield
