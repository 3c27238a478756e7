"""``manage.py prune_purge_runs``: lets the record go of what is past its time."""

from __future__ import annotations

import json
from argparse import BooleanOptionalAction
from collections.abc import Mapping
from datetime import timedelta
from itertools import chain
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import Error as DatabaseTrouble

from dealpurge.management import help_text
from dealpurge.management.base import PurgeCommand
from dealpurge.management.durations import duration
from dealpurge.management.interrupts import Interruption
from dealpurge.management.terminal.streams import layout_of
from dealpurge.runs.database import alias, unwritable
from dealpurge.runs.log import log_pruning
from dealpurge.runs.pruning import LEAST, LIVE_RUNS, PREVIEW_DEALS_KEPT, Pruning

#: A longer age is no moment to a database.
MOST_SECONDS = 100 * 365 * 86400


class Command(PurgeCommand):
    """A dry run unless told otherwise. Run it daily, as Django's ``clearsessions``."""

    help = (
        "Drop from the record of purges what is past its time: rows of deals, and the runs that were dry runs. "
        f"Rows of deals of dry runs go after {PREVIEW_DEALS_KEPT.days} days at the latest. Runs that purged stay, "
        "unless --include-live-runs is given. Drops nothing and says what it would drop, unless --no-dry-run is given."
    )

    epilog = help_text.PRUNE_EXAMPLES + help_text.PRUNE_CODES

    def add_arguments(self, parser: CommandParser) -> None:
        """All but --older-than may be left out."""
        parser.add_argument(
            "--older-than", type=duration, required=True, metavar="TIME", help="age of a run, such as 400d or 52w"
        )
        parser.add_argument(
            "--include-live-runs", action="store_true", help="runs that purged go too: who purged what is forgotten"
        )
        parser.add_argument(
            "--dry-run", action=BooleanOptionalAction, default=True, help="count and report only (default)"
        )
        parser.add_argument("--quiet", action="store_true", help="print nothing when all went well")
        parser.add_argument("--format", choices=("text", "json"), default="text", help="of the outcome")

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises ``CommandError`` with the exit code that the epilog lists."""
        given = options["older_than"]  # as it was written where code calls the command
        older_than = timedelta(seconds=min(duration(given) if isinstance(given, str) else given, MOST_SECONDS))
        if older_than < LEAST:
            raise CommandError("--older-than is a day at least: rate limits look back that far.", returncode=2)
        pruning = Pruning(older_than, live_runs=options["include_live_runs"])
        try:
            with Interruption() as interruption, interruption.during_run():
                for _ in pruning.steps(dry_run=options["dry_run"]):
                    if interruption.signal:
                        raise KeyboardInterrupt
        except KeyboardInterrupt:
            words = f"Interrupted. {_sentence(pruning, options, ended=False)}"
            raise CommandError(words, returncode=interruption.exit_code) from None
        except DatabaseTrouble as exc:
            error = unwritable(exc, alias())
            raise CommandError(f"{error} {_sentence(pruning, options, ended=False)} Run it again.") from exc
        finally:
            if not options["dry_run"] and any(pruning.rows.values()):
                log_pruning(pruning.rows)
        self.is_live, self.sentence = not options["dry_run"], _sentence(pruning, options)
        if not options["quiet"]:
            self.print(pruning, options)

    def done(self) -> str:
        """What was dropped, or would be."""
        return self.sentence

    def print(self, pruning: Pruning, options: Mapping[str, Any]) -> None:
        """The outcome on the standard output."""
        if options["format"] == "json":
            seconds = round(pruning.older_than.total_seconds())
            told = {"dry_run": options["dry_run"], "older_than_secs": seconds, "rows": dict(pruning.rows)}
            self.write_outcome(json.dumps(told | {"kept": pruning.kept}, indent=2))
            return
        heading = "Would be dropped" if options["dry_run"] else "Dropped"
        layout, counts = layout_of(self.stdout), ((name, f"{count:,}") for name, count in pruning.rows.items())
        table = chain.from_iterable(layout.table([("Rows", heading), *counts], right=True))
        self.write_outcome("\n".join([*table, "", *map(self.outcome_style.SUCCESS, layout.prose(self.sentence))]))


def _sentence(pruning: Pruning, options: Mapping[str, Any], *, ended: bool = True) -> str:
    rows = _counted(sum(pruning.rows.values()), "row")
    said = f"Dry run: {rows} would be dropped." if options["dry_run"] else f"Dropped {rows}."
    if options["dry_run"] and not ended:
        said = f"Dry run: {rows} counted so far."
    if LIVE_RUNS not in pruning.rows:
        said += " Runs that purged stay."
    if pruning.kept:
        said += f" Of what was to go, {_counted(pruning.kept, 'run')} stayed, to which rows of other tables refer."
    return said


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
