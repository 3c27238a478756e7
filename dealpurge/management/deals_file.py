"""The deals of a file or of the standard input, one a line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from dealpurge.scope import Deal, deal_of_line, id_problem
from dealpurge.text import escape

STANDARD_INPUT = "-"
#: Bad lines that are told of one by one.
SHOWN = 5
BYTE_ORDER_MARK = "\ufeff"
#: Bytes of a line. No two ids are as long, and what has no lines, as a device or a dump, is not read to its end.
LINE_LIMIT = 4096


def read_deals(name: str, org_id: str | None) -> list[Deal]:
    """The deals of the file ``name``, or with ``-`` of the standard input; ``org_id`` is that of lines without one.

    Raises ``ValueError`` with words for the user: it cannot be read, names no deal, or has bad lines.
    """
    shown = "standard input" if name == STANDARD_INPUT else escape(name)
    deals: list[Deal] = []
    problems: list[str] = []
    bad = 0
    for number, line in enumerate(_lines(name, shown), 1):
        deal, problem = _deal(line, org_id, first=number == 1)
        if problem:
            bad += 1
            problems += [f"{shown}, line {number}: {problem}"][: SHOWN - len(problems)]
        elif deal:
            deals.append(deal)
    if bad:
        more = [f"... and {bad - SHOWN:,} more"] if bad > SHOWN else []
        lines = "1 bad line" if bad == 1 else f"{bad:,} bad lines"
        raise ValueError("\n".join([f"{lines}, so nothing was purged.", *problems, *more]))
    if not deals:
        raise ValueError(f"{shown} names no deal")
    return deals


def _deal(line: bytes, org_id: str | None, *, first: bool) -> tuple[Deal | None, str]:
    """The deal of a line, if it is not blank, or what is wrong with the line."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return None, "not UTF-8"
    deal = deal_of_line(text.removeprefix(BYTE_ORDER_MARK) if first else text, org_id)
    if deal is None:
        return None, ""
    own, deal_id = deal
    problem = id_problem(deal_id)
    if problem:
        return None, f"deal id: {problem[1]}"
    problem = None if own is org_id else id_problem(own)
    return (None, f"organisation: {problem[1]}") if problem else (deal, "")


def _lines(name: str, shown: str) -> Iterator[bytes]:
    try:
        with _opened(name) as stream:
            while line := stream.readline(LINE_LIMIT):
                if len(line) == LINE_LIMIT and not line.endswith(b"\n"):
                    raise ValueError(f"it has a line of more than {LINE_LIMIT:,} bytes")
                yield line
    except (OSError, ValueError) as exc:  # a ValueError where the name has a NUL, or the standard input is closed
        raise ValueError(f"{shown} cannot be read: {getattr(exc, 'strerror', None) or exc}") from exc


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    """To read bytes: those that are no text are a matter of their line."""
    if name != STANDARD_INPUT:
        with open(name, "rb") as file:
            yield file
        return
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None:  # the process began without one, or Python's own stands in place of it
        raise OSError("there is none")
    yield stream
