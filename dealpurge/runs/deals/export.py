"""What became of deals as CSV, for a page and for a terminal: a line at a time, with nothing that a spreadsheet would
execute."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from django.db.models import QuerySet

from dealpurge.models import PurgeRunDeal, RestoredDeal
from dealpurge.report import timestamp
from dealpurge.runs.database import ROWS_AT_ONCE, bounded
from dealpurge.text import plain

Row = TypeVar("Row", PurgeRunDeal, RestoredDeal)

#: A cell that begins so, blanks aside, is a formula or may become one; East Asian spreadsheets take the wide ones too.
FORMULA_STARTS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
BLANKS = " \t\r\n\v\f\xa0\u3000\ufeff"

RESTORED_COLUMNS = (
    "run_id",
    "org_id",
    "deal_id",
    "keys_archived",
    "keys_restored",
    "keys_kept",
    "keys_expired",
    "keys_missed",
    "left_out",
)
DEAL_COLUMNS = ("run_id", "org_id", "deal_id", "outcome", "keys_deleted", "keys_left", "last_active_at")


def lines(columns: Iterable[str], rows: Iterable[Iterable[Any]], *, ending: str = "\r\n") -> Iterator[str]:
    """The file, a line at a time."""
    writer = csv.writer(_Echo(), lineterminator=ending)
    yield writer.writerow(columns)
    for row in rows:
        yield writer.writerow(map(cell, row))


def cell(value: Any) -> str:
    """A value as text that stays text: no formula, and nothing that a terminal or a reader would not show."""
    text = "" if value is None else str(value)
    risky = text.lstrip(BLANKS).startswith(FORMULA_STARTS) or text.startswith(("\t", "\r", "\n"))
    return f"'{plain(text)}" if risky else plain(text)


def deal_values(deal: PurgeRunDeal) -> list[Any]:
    """The cells of ``DEAL_COLUMNS``."""
    active = deal.last_active_at
    counts = [deal.keys_deleted, deal.keys_left, timestamp(active) if active else None]
    return [deal.run_id, deal.org_id, deal.deal_id, deal.outcome, *counts]


def restored_values(deal: RestoredDeal) -> list[Any]:
    """The cells of ``RESTORED_COLUMNS``."""
    return [getattr(deal, column) for column in RESTORED_COLUMNS]


def in_batches(deals: QuerySet[Row]) -> Iterator[Row]:
    """Row by row, in their order. Between two batches the database is free: whoever reads them may stop and look, and
    SQLite lets nobody write while a query is open."""
    rows: QuerySet[Row] = deals.model._base_manager.using(deals.db)
    with bounded():
        keys = iter(list(deals.values_list("pk", flat=True)))
    while batch := list(islice(keys, ROWS_AT_ONCE)):
        with bounded():
            found = rows.in_bulk(batch)
        yield from (found[key] for key in batch if key in found)


class _Echo:
    """What ``csv`` writes to: hands the line back."""

    def write(self, line: str) -> str:
        return line
