"""Tables that are shown a page at a time: headings that sort, numbers of pages, and the queries that lead there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import QueryDict

from dealpurge.console import formatting

PER_PAGE = 50
#: Digits of the number of a page that is looked for.
MOST_DIGITS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """A column, the query that sorts by it if it can be sorted, and which way it is sorted now. ``numeric``: it holds
    numbers of keys."""

    name: str
    label: str
    query: str
    direction: str
    numeric: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A value of a filter, and its words."""

    value: str
    label: str
    chosen: bool


class Pages(ABC):
    """Which page of a table is shown, and the way to the others."""

    query: QueryDict

    @property
    @abstractmethod
    def row_count(self) -> int | None:
        """Rows on all pages; None where that would have to be counted."""

    @property
    @abstractmethod
    def found(self) -> Sequence[Any]:
        """The rows of this page, and perhaps one more."""

    @abstractmethod
    def query_with(self, **changes: str) -> str:
        """The query that changes this one; another order or filter begins at its first page."""

    @property
    def number(self) -> int:
        """The number of this page, from 1 on."""
        return page_number(self.query, self.row_count)

    @property
    def first(self) -> int:
        """The number of this page's first row among all of them."""
        return (self.number - 1) * PER_PAGE + 1

    @property
    def last(self) -> int:
        """And of its last one."""
        return self.first + min(len(self.found), PER_PAGE) - 1

    @property
    def pages(self) -> Iterator[tuple[str, str]]:
        """Numbers of pages with their queries; what is left out between them, and this page, has none. None of one, or
        where it is not known how many there are."""
        pages = Paginator(range(self.row_count or 0), PER_PAGE)
        if pages.num_pages > 1:
            for number in pages.get_elided_page_range(self.number, on_each_side=1, on_ends=1):
                query = self.query_with(p=str(number)) if isinstance(number, int) and number != self.number else ""
                yield formatting.number(number) if isinstance(number, int) else str(number), query

    @property
    def previous_query(self) -> str:
        """The query of the page before, where there are no numbers; empty on the first one."""
        return self.query_with(p=str(self.number - 1)) if self.row_count is None and self.number > 1 else ""

    @property
    def next_query(self) -> str:
        """The query of the page behind, likewise; empty on the last one."""
        more = self.row_count is None and len(self.found) > PER_PAGE
        return self.query_with(p=str(self.number + 1)) if more else ""

    @property
    def export_query(self) -> str:
        """The query of all rows that match."""
        return self.query_with()


def page_number(query: QueryDict, total: int | None) -> int:
    """The number of the page that is asked for, from 1 on; of one that is none, the nearest. ``total``: of the rows,
    where that is known."""
    asked = query.get("p", "")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) <= MOST_DIGITS else 1
    return max(1, number if total is None else min(number, -(-total // PER_PAGE)))


def page_and_one_more(rows: QuerySet[Any], number: int) -> list[Any]:
    """The rows of a page, and the one behind it if there is one. On later pages first which: only what it is sorted by
    has to be carried past all the rows before it."""
    start = (number - 1) * PER_PAGE
    if not start:
        return list(rows[: PER_PAGE + 1])
    keys = list(rows.values_list("pk", flat=True)[start : start + PER_PAGE + 1])
    found = {row.pk: row for row in rows.order_by().filter(pk__in=keys)}
    return [found[key] for key in keys if key in found]


def written(fields: Mapping[str, str]) -> str:
    """The query of those fields that say something."""
    query = QueryDict(mutable=True)
    query.update({name: value for name, value in fields.items() if value})
    return query.urlencode()
