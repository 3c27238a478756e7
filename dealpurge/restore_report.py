"""What a restore did, as plain data: the service returns it, every door shows it, and the record keeps it as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from dealpurge.report import LIST_LIMIT, Status, deal_as_dict, timestamp
from dealpurge.scope import Deal, RestoreScope
from dealpurge.text import escape


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredDeals:
    """``archived``: deals asked for of which keys are archived; ``restored``: of which keys were written back, or would
    be; ``mixed``: of which keys exist again; ``left_out``: those of them that were left as they are; ``not_found``:
    named, and not in the archive."""

    archived: int = 0
    restored: int = 0
    mixed: int = 0
    left_out: int = 0
    not_found: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredKeys:
    """``kept_newer``: exist again, and stay as they are; ``expired``: their time to live is over; ``refused``: Redis
    does not take them; ``left_out``: of deals that were left out, and not there; ``not_restored``: others that are not
    there, since the restore did not get to them. All of these together are ``archived``."""

    archived: int = 0
    restored: int = 0
    kept_newer: int = 0
    expired: int = 0
    refused: int = 0
    left_out: int = 0
    not_restored: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedDeal:
    """A deal of which keys exist again, how many, and some of them."""

    org_id: str | None
    deal_id: str
    keys: int
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedFile:
    """A file of the archive that cannot be restored. ``damage``: ``missing``, ``truncated`` or ``altered``."""

    name: str
    keys: int
    damage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreReport:
    """The outcome of one restore, or of its preview. ``families`` counts keys that were written back, or would be."""

    run_id: UUID | None
    #: The purge whose archive it is of.
    purge_id: UUID | None
    status: Status
    scope: RestoreScope
    environment: str | None = None
    deals: RestoredDeals = field(default_factory=RestoredDeals)
    keys: RestoredKeys = field(default_factory=RestoredKeys)
    families: Mapping[str, int] = field(default_factory=dict)
    mixed: tuple[MixedDeal, ...] = ()
    #: Of the deals that were named.
    not_found: tuple[Deal, ...] = ()
    damaged: tuple[DamagedFile, ...] = ()
    #: Bytes of Redis' memory, about, and those that are free; None is not known, or without a limit.
    memory_needed: int | None = None
    memory_free: int | None = None
    warnings: tuple[str, ...] = ()
    started_at: datetime
    duration_ms: int = 0

    @property
    def columns(self) -> dict[str, int]:
        """What the list of runs shows."""
        keys = self.keys
        return {
            "keys_scanned": keys.archived,
            "keys_deleted": 0,
            "keys_restored": 0 if self.scope.dry_run else keys.restored,
            "keys_to_go": keys.restored if self.scope.dry_run else 0,
            "deals_purged": self.deals.restored,
        }

    @property
    def keys_told(self) -> dict[str, int]:
        """What a run tells of itself while it goes on."""
        return {"scanned": self.keys.archived, "restored": self.columns["keys_restored"]}

    @property
    def log_fields(self) -> dict[str, int]:
        """What the log tells."""
        return {"restored": self.keys.restored, "deals": self.deals.restored, "duration_ms": self.duration_ms}

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON data; ids and keys escaped for display, times in UTC."""
        scope = self.scope
        return {
            "run_id": str(self.run_id) if self.run_id else None,
            "purge_id": str(self.purge_id) if self.purge_id else None,
            "status": self.status,
            "deals_named": [deal_as_dict(deal) for deal in scope.deals[:LIST_LIMIT]],
            "families_named": list(scope.families),
            "leave_mixed": scope.leave_mixed,
            "skip_damaged": scope.skip_damaged,
            "dry_run": scope.dry_run,
            "environment": self.environment,
            "deals": _counts(self.deals),
            "keys": _counts(self.keys),
            "families": dict(self.families),
            "mixed": [_mixed(deal) for deal in self.mixed],
            "mixed_truncated": self.deals.mixed > len(self.mixed),
            "not_found": [deal_as_dict(deal) for deal in self.not_found],
            "damaged": [asdict(file) for file in self.damaged],
            "memory": {"needed": self.memory_needed, "free": self.memory_free},
            "warnings": [*map(str, self.warnings)],
            "started_at": timestamp(self.started_at),
            "duration_ms": self.duration_ms,
        }


def _counts(counts: RestoredDeals | RestoredKeys) -> dict[str, int]:
    return {item.name: getattr(counts, item.name) for item in fields(counts)}


def _mixed(deal: MixedDeal) -> dict[str, Any]:
    names = [escape(name) for name in deal.names]
    return {**deal_as_dict((deal.org_id, deal.deal_id)), "keys": deal.keys, "names": names}
