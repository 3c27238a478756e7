"""The list of runs as CSV, for a spreadsheet: row by row, and with nothing in it that a spreadsheet would execute."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse

from dealpurge.console import formatting
from dealpurge.models import PurgeRun
from dealpurge.report import timestamp
from dealpurge.text import plain

#: A cell that begins so, blanks aside, is a formula or may become one; East Asian spreadsheets take the wide ones too.
FORMULA_STARTS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
BLANKS = " \t\r\n\v\f\xa0\u3000\ufeff"

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
    "started_at",
    "finished_at",
    "error",
)


def response(runs: QuerySet[PurgeRun]) -> StreamingHttpResponse:
    """All rows of a list, however many, as a file to save."""
    answer = StreamingHttpResponse(lines(runs), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = 'attachment; filename="purge-runs.csv"'
    return answer


def lines(runs: QuerySet[PurgeRun]) -> Iterator[str]:
    """The file, a line at a time."""
    writer = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    for run in runs.iterator(chunk_size=1000):
        yield writer.writerow(map(cell, _values(run)))


def cell(value: Any) -> str:
    """A value as text that stays text: no formula, and nothing that a terminal or a reader would not show."""
    text = "" if value is None else str(value)
    risky = text.lstrip(BLANKS).startswith(FORMULA_STARTS) or text.startswith(("\t", "\r", "\n"))
    return f"'{plain(text)}" if risky else plain(text)


class _Echo:
    """What ``csv`` writes to: hands the line back."""

    def write(self, line: str) -> str:
        return line


def _values(run: PurgeRun) -> Iterator[Any]:
    scope = formatting.scope(run, getattr(run, "first_deal", None))
    own: dict[str, Any] = {"run_id": run.pk, "scope": scope, "actor": run.actor_name}
    for column in COLUMNS:
        value: Any = own[column] if column in own else getattr(run, column)
        yield timestamp(value) if column.endswith("_at") and value else value
