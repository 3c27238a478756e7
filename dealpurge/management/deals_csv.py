"""``--csv``: what became of each deal, into a file or to the standard output."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError
from django.db import Error as DatabaseTrouble

from dealpurge.management.base import PurgeCommand
from dealpurge.management.options import usage_error
from dealpurge.management.output import printable_on
from dealpurge.runs.database import stored
from dealpurge.runs.deals.export import DEAL_COLUMNS, deal_values, in_batches, lines
from dealpurge.runs.deals.queries import DealFilter
from dealpurge.text import escape

STANDARD_OUTPUT = "-"
#: Lines that are written at once.
LINES_AT_ONCE = 1000


def check_csv(options: Mapping[str, Any]) -> None:
    """Before anything is purged: raises ``CommandError`` of usage for what else goes to the standard output, or
    nowhere, and for a file that cannot be written."""
    name = options["csv"]
    if name is None:
        return
    if name != STANDARD_OUTPUT:
        problem = _problem(Path(name))
        if problem:
            raise usage_error(f"argument --csv: {escape(str(name))} cannot be written: {os.strerror(problem)}")
        return
    if options["format"] != "text":
        raise usage_error(f"--csv - does not go with --format {options['format']}: both go to the standard output")
    if options["quiet"]:
        raise usage_error("--csv - does not go with --quiet: name a file")


def write_csv(command: PurgeCommand, name: str, run_id: UUID) -> None:
    """The deals of a run as its record has them. Raises ``CommandError``."""
    try:
        text = _batches(run_id)
        if name == STANDARD_OUTPUT:
            for batch in text:
                command.write_outcome(printable_on(command.stdout, batch))
            return
        with open(name, "w", encoding="utf-8", newline="") as file:
            file.writelines(text)
    except OSError as exc:
        words = f"{escape(name)} cannot be written: {exc.strerror}. {command.done()}"
        raise CommandError(words.rstrip()) from exc
    except DatabaseTrouble as exc:
        raise CommandError(f"The deals cannot be read from the record. {command.done()}".rstrip()) from exc


def _batches(run_id: UUID) -> Iterator[str]:
    """With the line ends of a terminal: what reads a pipe takes a carriage return for a part of the last column."""
    run = stored().only("pk").get(pk=run_id)
    text = lines(DEAL_COLUMNS, map(deal_values, in_batches(DealFilter().rows(run))), ending="\n")
    while batch := "".join(islice(text, LINES_AT_ONCE)):
        yield batch


def _problem(path: Path) -> int:
    """The error that writing it would end in, as far as can be told without touching it; 0 for none."""
    if path.is_dir():
        return errno.EISDIR
    if not path.exists() and not path.parent.is_dir():
        return errno.ENOENT
    return 0 if os.access(path if path.exists() else path.parent, os.W_OK) else errno.EACCES
