"""``manage.py purge_archives``: removes archives of purges whose time is over, or one that is to be forgotten."""

from __future__ import annotations

import json
from argparse import BooleanOptionalAction
from collections.abc import Iterator, Mapping
from contextlib import nullcontext, suppress
from itertools import chain, islice
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.db import Error as DatabaseTrouble

from dealpurge.exceptions import ArchiveRefused, AuditUnavailable
from dealpurge.management import help_text
from dealpurge.management.actor import os_user
from dealpurge.management.base import PurgeCommand
from dealpurge.management.interrupts import Interruption
from dealpurge.management.terminal.streams import layout_of
from dealpurge.runs.archive.removal import Removal
from dealpurge.runs.database import alias, unwritable

#: Archives that could not be removed and are named.
FAILED_SHOWN = 10


class Command(PurgeCommand):
    """A dry run unless told otherwise. Run it daily, as ``prune_purge_runs``."""

    help = (
        "Remove archives of what purges deleted: those that were kept for their time, or with --run that of one run, "
        "whatever its time. Nothing can be undone without them. Removes nothing and says what it would remove, unless "
        "--no-dry-run is given."
    )

    epilog = help_text.ARCHIVE_EXAMPLES + help_text.PRUNE_CODES

    def add_arguments(self, parser: CommandParser) -> None:
        """All may be left out."""
        parser.add_argument("--run", type=UUID, metavar="RUN_ID", help="only the archive of this run, before its time")
        parser.add_argument(
            "--dry-run", action=BooleanOptionalAction, default=True, help="count and report only (default)"
        )
        parser.add_argument("--quiet", action="store_true", help="print nothing when all went well")
        parser.add_argument("--format", choices=("text", "json"), default="text", help="of the outcome")

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises ``CommandError`` with the exit code that the epilog lists."""
        given = options["run"]  # as it was written where code calls the command
        removal = Removal(os_user(), UUID(given) if isinstance(given, str) else given)
        self.remove(removal, options)
        self.is_live, self.sentence = not options["dry_run"], _sentence(removal, options)
        if not options["quiet"]:
            with suppress(CommandError) if removal.failed else nullcontext():
                self.print(removal, options)
        if removal.failed:
            raise CommandError("\n".join(_failures(removal, options)))

    def remove(self, removal: Removal, options: Mapping[str, Any]) -> None:
        """Raises ``CommandError`` with what was removed until then."""
        try:
            with Interruption() as interruption, interruption.during_run():
                for _ in removal.steps(dry_run=options["dry_run"]):
                    if interruption.signal:
                        raise KeyboardInterrupt
        except KeyboardInterrupt:
            words = ["Interrupted. " + _sentence(removal, options, ended=False), *_failures(removal, options)]
            raise CommandError("\n".join(words), returncode=interruption.exit_code) from None
        except ArchiveRefused as exc:
            raise CommandError(str(exc)) from exc
        except (DatabaseTrouble, AuditUnavailable) as exc:
            error = exc if isinstance(exc, AuditUnavailable) else unwritable(exc, alias())
            words = [f"{error} {_sentence(removal, options, ended=False)} Run it again.", *_failures(removal, options)]
            raise CommandError("\n".join(words)) from exc

    def done(self) -> str:
        """What was removed, or would be."""
        return self.sentence

    def print(self, removal: Removal, options: Mapping[str, Any]) -> None:
        """The outcome on the standard output."""
        counts = {"runs": removal.runs, "files": removal.files, "bytes": removal.bytes}
        if options["format"] == "json":
            asked = {"dry_run": options["dry_run"], "run_id": removal.run_id and str(removal.run_id)}
            failed = [{"run_id": str(key), "error": words} for key, words in removal.failed.items()]
            self.write_outcome(json.dumps({**asked, **counts, "failed": failed}, indent=2))
            return
        heading = "Would be removed" if options["dry_run"] else "Removed"
        layout, rows = layout_of(self.stdout), ((name, f"{count:,}") for name, count in counts.items())
        table = chain.from_iterable(layout.table([("Archives", heading), *rows], right=True))
        style = self.outcome_style.WARNING if removal.failed else self.outcome_style.SUCCESS
        self.write_outcome("\n".join([*table, "", *map(style, layout.prose(self.sentence))]))


def _sentence(removal: Removal, options: Mapping[str, Any], *, ended: bool = True) -> str:
    files = f"{_counted(removal.files, 'file')} of {_counted(removal.bytes, 'byte')}"
    if not options["dry_run"]:
        verb = "is" if removal.runs == 1 else "are"
        return f"Removed {files}; {_counted(removal.runs, 'archive')} {verb} gone."
    if not ended:
        return f"Dry run: {files} counted so far."
    return f"Dry run: {_counted(removal.runs, 'archive')} would be removed, {files}."


def _failures(removal: Removal, options: Mapping[str, Any]) -> Iterator[str]:
    """Which archives are still there, and why."""
    count = len(removal.failed)
    if not count:
        return
    verb = "looked at" if options["dry_run"] else "removed"
    yield f"{_counted(count, 'archive')} could not be {verb}:"
    for key, words in islice(removal.failed.items(), FAILED_SHOWN):
        yield f"  Run {key}: {words}"
    if count > FAILED_SHOWN:
        yield f"  ... and {count - FAILED_SHOWN:,} more"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
