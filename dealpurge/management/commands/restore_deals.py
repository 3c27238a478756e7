"""``manage.py restore_deals``: brings back what a purge archived."""

from __future__ import annotations

import json
import sys
from argparse import BooleanOptionalAction
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser
from django.db import Error as DatabaseTrouble

from dealpurge import services
from dealpurge.conf import conf
from dealpurge.exceptions import DealPurgeError, ScopeError, ended_run
from dealpurge.management import help_text, restore_output
from dealpurge.management.actor import os_user
from dealpurge.management.base import PurgeCommand
from dealpurge.management.interrupts import Interruption
from dealpurge.management.options import usage_error
from dealpurge.management.output import printable_on
from dealpurge.management.place import place
from dealpurge.management.question import asked
from dealpurge.management.terminal.layout import Layout
from dealpurge.management.terminal.progress import ProgressLine, ProgressLog
from dealpurge.management.terminal.streams import layout_of
from dealpurge.models import PurgeRun
from dealpurge.previews.preview import Preview
from dealpurge.previews.restoring import lacks_room
from dealpurge.restore_report import RestoreReport
from dealpurge.runs.database import alias, revive_connection, unwritable
from dealpurge.runs.store import Origin
from dealpurge.scope import RestoreScope, deal_of_line

NO_TERMINAL = "There is no terminal to ask at. With --no-input it restores without asking."
#: Where nothing of what was named is in the archive.
NONE_FOUND, NONE_FOUND_CODE = "None of the named deals is in the archive.", 3


class Command(PurgeCommand):
    """A dry run unless told otherwise; nothing is written that was not shown or waved through with --no-input."""

    help = (
        "Bring back what a purge archived: all of it, or some deals. Keys that exist again are never overwritten. "
        "Writes nothing and says what it would write, unless --no-dry-run is given."
    )
    epilog = help_text.RESTORE_EXAMPLES + help_text.RESTORE_CODES + help_text.STREAMS

    def add_arguments(self, parser: CommandParser) -> None:
        """The purge, what of it, and whether for real."""
        parser.add_argument("run", type=UUID, metavar="RUN", help="the purge, by the id of its run")
        parser.add_argument(
            "--deal",
            action="append",
            dest="deals",
            metavar="ORG:ID",
            help="only this deal, organisation:deal-id, or deal-id in every organisation; may be repeated",
        )
        parser.add_argument(
            "--family", action="append", dest="families", metavar="NAME", help="only keys of it; may be repeated"
        )
        parser.add_argument(
            "--leave-mixed", action="store_true", help="leave out deals that were worked on since: keys exist again"
        )
        parser.add_argument(
            "--skip-damaged", action="store_true", help="restore the rest, where files of the archive are damaged"
        )
        parser.add_argument(
            "--dry-run", action=BooleanOptionalAction, default=True, help="count and report only (default)"
        )
        parser.add_argument(
            "--no-input",
            "--noinput",
            action="store_false",
            dest="interactive",
            help="restore without showing the numbers first, and without asking",
        )
        parser.add_argument("--format", choices=("text", "json"), default="text", help="of the outcome")
        parser.add_argument("--reason", default="", help="why, for the record")

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises ``CommandError`` with the exit code that the epilog lists."""
        self.options = options
        self.report: RestoreReport | None = None
        self.purge_id = UUID(str(options["run"]))
        with Interruption() as self.interruption:
            try:
                self.restore(scope_of(options))
            except KeyboardInterrupt as exc:
                raise CommandError(self.interrupted(exc), returncode=self.interruption.exit_code) from None
            except DealPurgeError as exc:
                run_id, report = ended_run(exc)
                if report and options["format"] == "json":
                    with suppress(CommandError):
                        self.print(report)
                told = f" {restore_output.sentence(report)} (Run {run_id}.)" if report else ""
                raise CommandError(f"{exc}{told}") from exc

    def restore(self, scope: RestoreScope) -> None:
        """What the options ask for, once somebody has said yes to it if there is somebody to ask."""
        ask = self.options["interactive"] and not scope.dry_run
        if ask and not (sys.stdin and sys.stdin.isatty()):
            raise usage_error(NO_TERMINAL)
        if self.options["verbosity"] > 0 and (ask or self.stderr.isatty()):
            self.tell_all(self.layout.prose(place()))
        if not ask:
            self.conclude(self.run(scope))
            return
        report = self.run(replace(scope, dry_run=True))
        hindered = (report.damaged and not scope.skip_damaged) or lacks_room(report.as_dict())
        if report.status != "completed" or not (report.keys.restored or hindered):
            self.conclude(report)
            return
        self.tell_all(restore_output.lines(report, self.style, self.layout))
        if hindered:
            raise CommandError("Nothing was written.")
        preview = self.confirmed(report)
        self.conclude(self.run(scope, preview.run))

    def confirmed(self, report: RestoreReport) -> Preview:
        """The preview, once somebody has said yes. Raises ``CommandError``."""
        question = restore_output.Question(report, self.layout)
        typed = asked(self, question.lines, question.prompt, "Nothing was written.")
        if not question.answered_by(typed):
            raise CommandError(question.refusal)
        revive_connection()  # the database may have hung up on somebody who thought for long
        preview = Preview.load(UUID(str(report.run_id)))
        if preview.left < timedelta(0):
            raise CommandError("These numbers are too old by now, and nothing was written. Run the command again.")
        return preview

    def run(self, scope: RestoreScope, preview: PurgeRun | None = None) -> RestoreReport:
        """One run, with a line of progress at a terminal; the first Ctrl-C or SIGTERM stops it."""
        origin = Origin(source=PurgeRun.Source.COMMAND, actor_name=os_user(), reason=self.options["reason"])
        line: ProgressLine | ProgressLog = ProgressLog(self.tell, dry_run=scope.dry_run)
        if self.stderr.isatty():
            line = ProgressLine(self.tell_raw, width=lambda: self.layout.width or 0, dry_run=scope.dry_run)

        def observer(progress: services.Progress) -> bool:
            if self.options["verbosity"] > 0:
                with suppress(OSError):  # a terminal that is gone is no reason to fail
                    line.show(progress)
            return self.interruption.signal is None

        try:
            with self.interruption.during_run():
                return services.start_restore(self.purge_id, scope, origin, preview=preview, observer=observer)
        except PurgeRun.DoesNotExist:
            raise CommandError(f"There is no run {self.purge_id}.") from None
        except ScopeError as exc:
            raise usage_error("; ".join(error.message.removeprefix("Value error, ") for error in exc.errors)) from exc
        except DatabaseTrouble as exc:
            raise CommandError(str(unwritable(exc, alias()))) from exc
        finally:
            line.clear()

    def conclude(self, report: RestoreReport) -> None:
        """Print the outcome; an exit code other than 0 unless all of it was done."""
        self.report, self.is_live = report, not report.scope.dry_run
        named = len(report.scope.deals)
        self.print(report)
        if report.status == "cancelled" and self.interruption.signal:
            raise KeyboardInterrupt
        if named and report.deals.not_found == named:
            raise CommandError(NONE_FOUND, returncode=NONE_FOUND_CODE)
        if report.status == "cancelled":
            raise CommandError(f"Run {report.run_id} was cancelled before its end.")
        if report.status == "partial":
            raise CommandError(f"Run {report.run_id} could not restore everything. Run it again for the rest.")

    def print(self, report: RestoreReport) -> None:
        """The report on the standard output."""
        if self.options["format"] == "json":
            self.write_outcome(json.dumps(report.as_dict(), indent=2))
            return
        shown = restore_output.lines(report, self.outcome_style, layout_of(self.stdout))
        self.write_outcome("\n".join(printable_on(self.stdout, line) for line in shown))

    def interrupted(self, exc: KeyboardInterrupt) -> str:
        """What was written until then."""
        run_id, report = ended_run(exc)
        report = report or self.report
        told = f" {restore_output.sentence(report)} (Run {run_id or report.run_id}.)" if report else ""
        return f"Interrupted.{told}"

    def done(self) -> str:
        """What the run did, once there is a report of it."""
        return f"{restore_output.sentence(self.report)} (Run {self.report.run_id}.)" if self.report else ""

    @property
    def layout(self) -> Layout:
        """Of the standard error as it is now: windows are made wider."""
        return layout_of(self.stderr)


def scope_of(options: Mapping[str, Any]) -> RestoreScope:
    """What is to be restored. Raises ``CommandError`` of usage."""
    if conf.reason_required and not options["dry_run"] and not options["reason"].strip():
        raise usage_error("--reason is required: here nothing is restored without one (DEALPURGE_REASON_REQUIRED)")
    deals = [deal_of_line(text, None) for text in options["deals"] or ()]
    if None in deals:
        raise usage_error("argument --deal: a deal has a name")
    try:
        return RestoreScope(
            deals=tuple(deal for deal in deals if deal),
            families=tuple(dict.fromkeys(options["families"] or ())),
            leave_mixed=options["leave_mixed"],
            skip_damaged=options["skip_damaged"],
            dry_run=options["dry_run"],
        )
    except ScopeError as exc:
        raise usage_error("; ".join(f"argument --deal: {error.message}" for error in exc.errors)) from exc
