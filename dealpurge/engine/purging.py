"""The engine: a scope carried out to its end, or counted before where a limit asks for it."""

from __future__ import annotations

from dataclasses import replace

from dealpurge.engine.archive.archiver import Archive
from dealpurge.engine.guard.active_deals import KeepActive
from dealpurge.engine.limits import Budget, excess
from dealpurge.engine.live_work import LookingPasses
from dealpurge.engine.pass_warnings import BROKEN_OFF_WARNING, PLAIN_WARNING, SCATTERED_WARNING
from dealpurge.engine.passes import Passes
from dealpurge.engine.sweep.tally import Tally
from dealpurge.i18n import Deals
from dealpurge.keys.families import Keyspace
from dealpurge.scope import PurgeScope
from dealpurge.servers.backoff import KeepGoing
from dealpurge.servers.errors import Stopped


def purge(
    scope: PurgeScope,
    keyspace: Keyspace,
    tally: Tally,
    keep_going: KeepGoing,
    keep_active: KeepActive | None = None,
    archive: Archive | None = None,
    look: bool = False,
) -> None:
    """Carry out ``scope`` and count into ``tally``, whatever ends it; what is deleted goes into ``archive`` first. Only
    this thread calls ``keep_going`` and ``keep_active``. ``look``: tell who works on deals in a dry run that spares
    none. Raises ``RedisUnavailable``, ``ArchiveUnavailable``, ``LimitExceeded``, ``PurgeConfigurationError``."""
    finished, budget = False, Budget.of(scope)
    try:
        if budget and not scope.guarded:  # whose plan tells
            count_first(scope, keyspace, tally, keep_going, budget)
        if not tally.cancelled:
            passes = LookingPasses if look else Passes
            run_to_end(passes(scope, keyspace, tally, keep_going, keep_active, budget, archive))
        finished = tally.complete = not tally.cancelled
        words = excess(scope, *tally.would_go()) if scope.dry_run else None
        if words:
            tally.warn(words)
    finally:
        if archive:
            archive.close()
        # A sweep may have more keys of any deal before it; a guarded purge has done deals whole.
        left = tally.begun if scope.guarded else tally.matched_deals - tally.untouched
        if archive and not finished and not scope.guarded:  # which keeps a page before it deletes it
            untouched = {token for token in left if not tally.gone[token]} - tally.begun
            left, tally.untouched = left - untouched, tally.untouched | untouched
        if left and not finished and not scope.dry_run:
            tally.warn(BROKEN_OFF_WARNING)
            tally.interrupted |= left
            tally.untouched -= left
            for token in left:
                tally.left.pop(token, None)  # there may be more than were found so far


def count_first(scope: PurgeScope, keyspace: Keyspace, tally: Tally, keep_going: KeepGoing, budget: Budget) -> None:
    """A sweep deletes as it goes, so what would go is counted before: by a dry run. Raises ``LimitExceeded``."""
    counted = tally.count_before = Tally(meeting=tally.meeting, tracker=tally.tracker)
    may_go_on, tally.tracker.counting = False, True
    try:
        run_to_end(Passes(replace(scope, dry_run=True), keyspace, counted, keep_going))
        if not counted.cancelled:
            deals, keys = counted.would_go()
            budget.check(deals, keys)
            tally.to_delete = keys
            may_go_on = True
    finally:
        tally.tracker.counting = False
        tally.count_before = Tally(scanned=counted.scanned, total=counted.total) if may_go_on else None
        if not may_go_on:
            tally.keep_count(counted)
            tally.add_up_children()


def run_to_end(run: Passes) -> None:
    """The run to its end, its counts added up, also when it raises."""
    try:
        run.until_complete()
    except Stopped as exc:
        run.tally.cancelled = True
        for trouble in exc.args:
            run.tally.warn(trouble)
    finally:
        run.tally.add_up_children()
        run.keep_active()
        for text, deals in ((PLAIN_WARNING, run.tally.plain), (SCATTERED_WARNING, run.tally.scattered)):
            if deals:
                run.tally.warn(text.format(Deals(len(deals))))
