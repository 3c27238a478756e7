"""What a purge did, or a dry run would do: frozen, and the body of every answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID

from dealpurge.scope import Deal, PurgeScope
from dealpurge.text import escape

Status = Literal["completed", "partial", "cancelled", "failed"]

#: Lists in a report hold this many entries at most.
LIST_LIMIT = 100
#: Keys of a family that a dry run shows.
SAMPLE_SIZE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class DealCounts:
    """Deals: found in scope, purged (in a dry run: would be), left as active, left for want of any events key, given up
    half-way, and those that were named and have no keys in Redis. ``organisations``: of those purged. ``active``: of
    those that a dry run without a guard says would be, the ones with activity in the last hour; None: nobody looked."""

    matched: int = 0
    purged: int = 0
    skipped_active: int = 0
    skipped_never_active: int = 0
    interrupted: int = 0
    not_found: int = 0
    organisations: int = 0
    active: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCounts:
    """Keys. ``deleted`` is the sum of UNLINK replies; a key that was gone by then is ``vanished``.

    ``scanned``: walked past by the server. ``matched``: claimed by the deals in scope. ``unattributed``: org-less
    keys left by an organisation filter. ``unclaimed``: carry the deal's id, of no family; None if not looked for.
    """

    scanned: int = 0
    matched: int = 0
    deleted: int = 0
    vanished: int = 0
    not_removed: int = 0
    checkpoints_kept: int = 0
    unattributed: int = 0
    unclaimed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedDeal:
    """A deal left because somebody works on it; None for an activity that could not be told."""

    org_id: str | None
    deal_id: str
    last_active_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingDeal:
    """A deal that was named and has no keys in Redis, and one there is whose name is nearly the same."""

    org_id: str | None
    deal_id: str
    did_you_mean: Deal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveReport:
    """What is kept of what was deleted: bytes and files as stored, and until when."""

    bytes: int
    chunks: int
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeReport:
    """The outcome of one run. ``families`` counts keys deleted or vanished; in a dry run those that would be."""

    run_id: UUID | None
    status: Status
    scope: PurgeScope
    #: What the settings called the place; None where they named none.
    environment: str | None = None
    deals: DealCounts = field(default_factory=DealCounts)
    keys: KeyCounts = field(default_factory=KeyCounts)
    families: Mapping[str, int] = field(default_factory=dict)
    skipped: tuple[SkippedDeal, ...] = ()
    skipped_truncated: bool = False
    deals_not_found: tuple[MissingDeal, ...] = ()
    unclaimed_sample: tuple[str, ...] = ()
    #: Of each family, keys that a dry run found and a purge would delete, picked at random and escaped.
    samples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: None where nothing is kept.
    archive: ArchiveReport | None = None
    warnings: tuple[str, ...] = ()
    started_at: datetime
    duration_ms: int = 0

    @property
    def columns(self) -> dict[str, int]:
        """What the list of runs shows."""
        return {
            "keys_scanned": self.keys.scanned,
            "keys_deleted": self.keys.deleted,
            "keys_to_go": sum(self.families.values()) if self.scope.dry_run else 0,
            "deals_purged": self.deals.purged,
        }

    @property
    def keys_told(self) -> dict[str, int]:
        """What a run tells of itself while it goes on."""
        return {"scanned": self.keys.scanned, "deleted": self.keys.deleted}

    @property
    def log_fields(self) -> dict[str, int]:
        """What the log tells."""
        return {"deleted": self.keys.deleted, "deals": self.deals.purged, "duration_ms": self.duration_ms}

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON data; ids and keys escaped for display, times in UTC."""
        return {
            "run_id": str(self.run_id) if self.run_id else None,
            "status": self.status,
            **scope_as_dict(self.scope),
            "environment": self.environment,
            "deals": _counts(self.deals),
            "keys": _counts(self.keys),
            "families": dict(self.families),
            "skipped": [_skipped(deal) for deal in self.skipped],
            "skipped_truncated": self.skipped_truncated,
            **({"deals_not_found": [*map(_missing, self.deals_not_found)]} if self.scope.deals else {}),
            "unclaimed_sample": list(self.unclaimed_sample),
            **({"samples": {name: [*keys] for name, keys in self.samples.items()}} if self.scope.dry_run else {}),
            "archive": _archive(self.archive),
            "warnings": [*map(str, self.warnings)],
            "started_at": timestamp(self.started_at),
            "duration_ms": self.duration_ms,
        }


def scope_as_dict(scope: PurgeScope) -> dict[str, Any]:
    """What was asked as JSON data, ids escaped for display."""
    body: dict[str, Any] = {
        "mode": scope.mode,
        "deal_id": escape(scope.single[1]) if scope.single else None,
        "org_id": _escape_or_none(scope.organisation),
        "include_checkpoints": scope.include_checkpoints,
        "exclude_active_within_secs": scope.exclude_active_within_secs,
        "leave_never_active": scope.leave_never_active,
        "dry_run": scope.dry_run,
        "at_most_deals": scope.at_most_deals,
        "at_most_keys": scope.at_most_keys,
    }
    if len(scope.deals) > 1:
        body["deals_named"] = [deal_as_dict(deal) for deal in scope.deals[:LIST_LIMIT]]
    return body


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC to the second, with a Z."""
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def _archive(archive: ArchiveReport | None) -> dict[str, Any] | None:
    if archive is None:
        return None
    until = archive.until and timestamp(archive.until)
    return {"bytes": archive.bytes, "chunks": archive.chunks, "until": until}


def _escape_or_none(text: str | None) -> str | None:
    return None if text is None else escape(text)


def _counts(counts: DealCounts | KeyCounts) -> dict[str, int | None]:
    return {item.name: getattr(counts, item.name) for item in fields(counts)}


def deal_as_dict(deal: Deal) -> dict[str, str | None]:
    """A deal as JSON data, its ids escaped for display."""
    org_id, deal_id = deal
    return {"org_id": _escape_or_none(org_id), "deal_id": escape(deal_id)}


def _skipped(deal: SkippedDeal) -> dict[str, str | None]:
    moment = deal.last_active_at
    return deal_as_dict((deal.org_id, deal.deal_id)) | {"last_active_at": timestamp(moment) if moment else None}


def _missing(deal: MissingDeal) -> dict[str, Any]:
    nearly = deal.did_you_mean
    return {**deal_as_dict((deal.org_id, deal.deal_id)), "did_you_mean": deal_as_dict(nearly) if nearly else None}
