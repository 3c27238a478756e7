"""Restores in the record: which archive may be restored at all, their rows, and what they did with each deal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from uuid import UUID

from dealpurge.engine.restore.tally import DealCount
from dealpurge.engine.restore.words import DAMAGED, NO_ROOM
from dealpurge.exceptions import FieldError, PurgeConfigurationError, RestoreRefused, ScopeError
from dealpurge.i18n import Said, gettext_noop
from dealpurge.keys.families import split_token
from dealpurge.models import PurgeRun, RestoredDeal
from dealpurge.runs import store as runs
from dealpurge.runs.archive.source import NO_TEMPLATES
from dealpurge.runs.database import ROWS_AT_ONCE, alias, bounded, stored, utc_now
from dealpurge.runs.label import Label
from dealpurge.runs.store import Origin
from dealpurge.scope import RestoreScope
from dealpurge.text import escape

Status = PurgeRun.Status

#: Stands where a purge has the digest of its families: no version that knows no restores takes such a run for its own.
DIGEST = "restore"
NO_PURGE = gettext_noop("This run is no purge, so there is nothing to restore.", code="restore_no_purge")
UNDER_WAY = gettext_noop("The purge is still under way.", code="restore_under_way")
NO_ARCHIVE = gettext_noop("No archive was kept. This cannot be undone.", code="restore_no_archive")
REMOVED = gettext_noop("The archive was removed.", code="restore_removed")
EXPIRED = gettext_noop("The archive has expired.", code="restore_expired")
OTHER_ENVIRONMENT = gettext_noop("This archive is of {}.", code="restore_other_environment")

#: Codes of the words that a restore is refused with, before it begins or by itself.
REFUSALS = frozenset(
    words.code
    for words in (NO_PURGE, UNDER_WAY, NO_ARCHIVE, REMOVED, EXPIRED, OTHER_ENVIRONMENT, NO_TEMPLATES, DAMAGED, NO_ROOM)
)
#: Characters of what is no family that are told.
NAME_SHOWN = 100


def create(
    purge: PurgeRun, scope: RestoreScope, origin: Origin, *, queued: bool = False, preview: PurgeRun | None = None
) -> PurgeRun:
    """Commit the row of a restore that is to begin. Raises as ``store.create``."""
    return runs.create(
        scope.of_deals,
        origin,
        queued=queued,
        preview=preview,
        families_digest=DIGEST,
        restored_run_id=purge.pk,
        families=list(scope.families),
        leave_mixed=scope.leave_mixed,
        skip_damaged=scope.skip_damaged,
        exclusive=None if scope.dry_run else "all",
        archive_alias="",
        archived_until=None,
    )


def restorable(run_id: UUID) -> PurgeRun:
    """The purge, whose archive can be restored here and now. Raises ``PurgeRun.DoesNotExist``, ``RestoreRefused``,
    ``PurgeConfigurationError``."""
    with bounded():
        purge = stored().defer("report", "sentences").annotate(now=utc_now()).get(pk=run_id)
    problem = refusal_of(purge, Label.of_settings())
    if problem:
        raise RestoreRefused(problem)
    return purge


def refusal_of(purge: PurgeRun, here: Label) -> Said | None:
    """Why its archive cannot be restored to the Redis of ``here``; None if it can. ``purge.now``: by the database."""
    if purge.dry_run or purge.inventory or purge.is_restore:
        return NO_PURGE
    if not purge.is_over:
        return UNDER_WAY
    if not purge.archive_alias:
        return NO_ARCHIVE
    if purge.archive_removed_at:
        return REMOVED
    if purge.archived_until and purge.archived_until <= purge.now:  # type: ignore[attr-defined]
        return EXPIRED
    with bounded():
        if not purge.archive_chunks.using(alias()).exists():
            return NO_ARCHIVE
    return _elsewhere(Label.of_run(purge), here)


def elsewhere(purge: PurgeRun) -> Said | None:
    """That its archive is of another place than the settings lead to; None where it is not, or they do not tell."""
    try:
        return _elsewhere(Label.of_run(purge), Label.of_settings())
    except PurgeConfigurationError:
        return None


def check(purge: PurgeRun, scope: RestoreScope) -> None:
    """Raises ``ScopeError`` for a family that the archive does not know."""
    known = purge.archive_families or {}
    unknown = [name for name in scope.families if name not in known]
    if unknown:
        name, names = escape(unknown[0][:NAME_SHOWN]), ", ".join(map(escape, known))
        message = f"Value error, the archive has no family {name}; it has {names}"
        raise ScopeError(FieldError(field="families", code="value_error", message=message))


def ids_of_live(purge: PurgeRun) -> list[UUID]:
    """Its restores, oldest first, without their previews."""
    with bounded():
        found = purge.restores.using(alias()).filter(dry_run=False).order_by("created_at", "pk")
        return [*found.values_list("pk", flat=True)]


def was_refused(run: PurgeRun) -> bool:
    """Whether a restore failed because its archive is not restored, and wrote nothing."""
    error = (run.sentences or {}).get("error") or {}
    return run.is_restore and error.get("code") in REFUSALS


def purge_of(run: PurgeRun) -> PurgeRun:
    """Whose archive it restores. Raises as ``restorable``."""
    return restorable(UUID(str(run.restored_run_id)))


def was_restored(purge: PurgeRun) -> bool:
    """Whether a restore of it has written some keys."""
    with bounded():
        return purge.restores.using(alias()).filter(dry_run=False, keys_restored__gt=0).exists()


def rows_of(run: PurgeRun, deals: Mapping[bytes, DealCount]) -> Iterator[list[RestoredDeal]]:
    """What became of each, in batches to be written."""
    items = iter(deals.items())
    while batch := list(islice(items, ROWS_AT_ONCE)):
        yield [_row(run, *item) for item in batch]


def insert(rows: Sequence[RestoredDeal]) -> None:
    """Write a batch inside the caller's transaction, unless a COMMIT that seemed to fail was carried out before."""
    stored_rows = RestoredDeal.objects.using(alias())
    first = rows[0].org_id, rows[0].deal_id
    found = stored_rows.filter(run=rows[0].run, deal_id=first[1]).values_list("org_id", "deal_id")
    if first not in list(found):  # compared here, since some databases do without regard to case
        for row in rows:
            row.pk = None  # those of a try that was undone may be others' by now
        stored_rows.bulk_create(rows)


def _elsewhere(then: Label, here: Label) -> Said | None:
    """Of which other place it is; where the environments have no names, the addresses tell."""
    if then.environment and then.environment != here.environment:
        return OTHER_ENVIRONMENT.format(then.environment)
    unnamed = not (then.environment or here.environment)
    if unnamed and then.redis_address and here.redis_address and then.redis_address != here.redis_address:
        return OTHER_ENVIRONMENT.format(then.server)
    return None


def _row(run: PurgeRun, token: bytes, count: DealCount) -> RestoredDeal:
    org_id, deal_id = split_token(token)
    return RestoredDeal(
        run=run,
        org_id=org_id,
        deal_id=deal_id,
        keys_archived=count.archived,
        keys_restored=count.restored,
        keys_kept=count.kept,
        keys_expired=count.expired,
        keys_missed=count.missed,
        left_out=count.left_out,
        names=[escape(name) for name in count.names],
    )
