"""Runs and their deals as files to save, row by row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from dealpurge.console import formatting
from dealpurge.models import InventoryDeal, PurgeRun, PurgeRunDeal, RestoredDeal
from dealpurge.report import timestamp
from dealpurge.runs.deals.export import (
    DEAL_COLUMNS,
    RESTORED_COLUMNS,
    deal_values,
    in_batches,
    lines,
    restored_values,
)

COLUMNS = (
    "run_id",
    "created_at",
    "status",
    "dry_run",
    "mode",
    "scope",
    "org_id",
    "include_checkpoints",
    "exclude_active_within_secs",
    "actor",
    "source",
    "reason",
    "deals_purged",
    "keys_deleted",
    "keys_to_go",
    "restored_run_id",
    "keys_restored",
    "started_at",
    "finished_at",
    "error",
)

#: Of a deal in all runs.
TIMELINE_COLUMNS = (*DEAL_COLUMNS, "created_at", "actor", "source", "reason")


def runs_file(runs: QuerySet[PurgeRun]) -> StreamingHttpResponse:
    """All rows of a list, however many, as a file to save."""
    return _file("purge-runs.csv", COLUMNS, map(_values, runs.iterator(chunk_size=1000)))


def deals_file(run: PurgeRun, deals: QuerySet[PurgeRunDeal]) -> StreamingHttpResponse:
    """Deals of one run."""
    return _file(f"purge-run-{run.pk}-deals.csv", DEAL_COLUMNS, map(deal_values, in_batches(deals)))


def restored_file(run: PurgeRun, deals: QuerySet[RestoredDeal]) -> StreamingHttpResponse:
    """Deals of one restore."""
    return _file(f"restore-{run.pk}-deals.csv", RESTORED_COLUMNS, map(restored_values, in_batches(deals)))


def timeline_file(deals: QuerySet[PurgeRunDeal]) -> StreamingHttpResponse:
    """One deal in all runs, which were loaded with it."""
    rows = ([*deal_values(deal), *_run_values(deal.run)] for deal in deals.iterator(chunk_size=1000))
    return _file("deal-timeline.csv", TIMELINE_COLUMNS, rows)


def _file(name: str, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> StreamingHttpResponse:
    answer = StreamingHttpResponse(lines(columns, rows), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _run_values(run: PurgeRun) -> list[Any]:
    return [timestamp(run.created_at), run.actor_name, run.source, run.reason]


def _values(run: PurgeRun) -> Iterator[Any]:
    scope = formatting.scope(run, getattr(run, "first_deal", None))
    own: dict[str, Any] = {"run_id": run.pk, "scope": scope, "actor": run.actor_name}
    for column in COLUMNS:
        value: Any = own[column] if column in own else getattr(run, column)
        yield timestamp(value) if column.endswith("_at") and value else value


#: Of a scan; behind them one for each family, with its keys.
INVENTORY_COLUMNS = ("run_id", "org_id", "deal_id", "keys", "last_active_at")


def inventory_file(run: PurgeRun, deals: QuerySet[InventoryDeal], families: list[str]) -> StreamingHttpResponse:
    """Deals of one scan."""
    rows = (
        [*_scanned_values(deal), *(deal.families.get(name, 0) for name in families)]
        for deal in deals.iterator(chunk_size=1000)
    )
    return _file(f"deals-in-redis-{run.pk}.csv", (*INVENTORY_COLUMNS, *families), rows)


def _scanned_values(deal: InventoryDeal) -> list[Any]:
    active = deal.last_active_at
    return [deal.run_id, deal.org_id, deal.deal_id, deal.keys, timestamp(active) if active else None]
