"""Pages of rows that nobody counts: one row more than a page has tells whether there is another page."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import QueryDict

PER_PAGE = 50
#: Digits of the number of a page that is looked for.
MOST_DIGITS = 7


def page_number(query: QueryDict, total: int | None) -> int:
    """The number of the page that is asked for, from 1 on; of one that is none, the nearest. ``total``: of the rows,
    where that is known."""
    asked = query.get("p", "")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) <= MOST_DIGITS else 1
    return max(1, number if total is None else min(number, -(-total // PER_PAGE)))


def page_and_one_more(rows: QuerySet[Any], number: int) -> list[Any]:
    """The rows of a page, and the one behind it if there is one."""
    start = (number - 1) * PER_PAGE
    return list(rows[start : start + PER_PAGE + 1])
