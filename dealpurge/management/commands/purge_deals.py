"""``manage.py purge_deals``: options to scope, the question, the outcome and the exit code."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, NoReturn
from uuid import UUID

from django.core.management.base import CommandError, CommandParser

from dealpurge import services
from dealpurge.conf import conf
from dealpurge.exceptions import DealPurgeError, ended_run
from dealpurge.management import failures, help_text, next_steps, output
from dealpurge.management.actor import os_user
from dealpurge.management.base import PurgeCommand, ReaderGone
from dealpurge.management.deals_csv import STANDARD_OUTPUT, check_csv, write_csv
from dealpurge.management.explaining import explain_keys
from dealpurge.management.interrupts import Interruption
from dealpurge.management.options import NO_TERMINAL, USAGE, add_options, must_ask, scope_of, usage_error
from dealpurge.management.place import place
from dealpurge.management.question import Question, asked
from dealpurge.management.terminal.layout import Layout
from dealpurge.management.terminal.progress import ProgressLine, ProgressLog
from dealpurge.management.terminal.streams import layout_of
from dealpurge.models import PurgeRun
from dealpurge.previews.preview import Preview
from dealpurge.report import PurgeReport
from dealpurge.runs import messages, store
from dealpurge.runs.database import revive_connection
from dealpurge.scope import PurgeScope


class Command(PurgeCommand):
    """A dry run unless told otherwise; nothing is deleted that was not shown or waved through with --no-input."""

    help = (
        "Purge the state that deals keep in Redis: of the deals named, or of all. "
        "Deletes nothing and says what it would delete, unless --no-dry-run is given."
    )

    epilog = help_text.PURGE_EXAMPLES + help_text.PURGE_CODES + help_text.STREAMS

    def add_arguments(self, parser: CommandParser) -> None:
        """Of a purge, and of ``--explain``."""
        add_options(parser)

    def carry_out(self, *args: Any, **options: Any) -> str | None:
        """With ``--format jsonl`` one line at the end, whatever that is, unless the options made no sense."""
        self.scope: PurgeScope | None = None
        self.report: PurgeReport | None = None
        self.run_id: UUID | None = None
        error: str | None = ""
        try:
            return super().carry_out(*args, **options)
        except CommandError as exc:
            error = str(exc) if exc.returncode != USAGE else None
            raise
        except BaseException as exc:
            error = messages.UNEXPECTED.format(type(exc).__name__)  # its own text may hold secrets
            raise
        finally:
            if error is not None and options["format"] == "jsonl" and not options["explain"]:
                with suppress(CommandError) if error else nullcontext():  # the error is on its way, with the same words
                    self.write_outcome(output.json_line(self.report, self.scope, error))

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises ``CommandError`` with the exit code that the README lists."""
        self.options = options
        if options["explain"]:
            explain_keys(self, options)
            return
        with Interruption(self.say_stopping) as self.interruption:
            try:
                self.purge(options)
            except KeyboardInterrupt as exc:
                self.note_end(exc)
                words = failures.of_signal(exc, self.interruption.signal if self.unattended else None)
                raise self.error(words, exc, self.interruption.exit_code) from None
            except DealPurgeError as exc:
                self.fail(exc)
            except CommandError:
                raise
            except Exception as exc:
                self.note_end(exc)
                if self.report:
                    self.tell_all(self.layout.prose(self.done()))
                raise

    def purge(self, options: Mapping[str, Any]) -> None:
        """What the options ask for, once somebody has said yes to it if there is somebody to ask."""
        ask = must_ask(options)
        check_csv(options)
        self.scope = scope = scope_of(options)
        if ask and not (sys.stdin and sys.stdin.isatty()):
            raise usage_error(NO_TERMINAL)
        if options["verbosity"] > 0 and not self.unattended and (ask or self.stderr.isatty()):
            self.tell_all(self.layout.prose(place()))
        if ask:
            self.purge_as_previewed(scope)
        else:
            self.conclude(self.run(scope))

    def purge_as_previewed(self, scope: PurgeScope) -> None:
        """Show what would go and ask for it. Raises ``CommandError`` unless the answer is yes."""
        report = self.run(replace(scope, dry_run=True))
        if report.status == "cancelled" or not output.would_delete(report):
            self.conclude(report)
            return
        self.tell_all(output.lines(report, self.style, verbosity=self.options["verbosity"], layout=self.layout))
        self.tell_all(output.not_found(report, self.layout))
        refused = services.excess(report)
        if refused:
            raise CommandError(f"{refused} Nothing was purged.")
        question = Question(report, self.style, self.layout)
        typed = asked(self, question.lines, question.prompt, "Nothing was purged.")
        if not question.answered_by(typed):
            raise CommandError(question.refusal)
        revive_connection()  # the database may have hung up on somebody who thought for long
        preview = Preview.load(UUID(str(report.run_id)))
        if preview.left < timedelta(0):
            raise CommandError("These numbers are too old by now, and nothing was purged. Run the command again.")
        self.conclude(self.run(scope, preview.run))

    def run(self, scope: PurgeScope, preview: PurgeRun | None = None) -> PurgeReport:
        """One run, with a line of progress at a terminal; the first Ctrl-C or SIGTERM stops it at its next page."""
        origin = store.Origin(source=PurgeRun.Source.COMMAND, actor_name=os_user(), reason=self.options["reason"])
        manner = {"dry_run": scope.dry_run, "archived": scope.keep_archive and conf.archive is not None}
        line: ProgressLine | ProgressLog = ProgressLog(self.tell, **manner)
        if self.stderr.isatty():
            line = ProgressLine(self.tell_raw, width=lambda: self.layout.width or 0, **manner)
        visible = self.options["verbosity"] > 0 and not self.options["quiet"]
        if isinstance(line, ProgressLog) and self.unattended:
            visible = False

        def observer(progress: services.Progress) -> bool:
            if visible:
                with suppress(OSError):  # a terminal that is gone is no reason to fail
                    line.show(progress)
            return self.interruption.signal is None

        try:
            with self.interruption.during_run():
                return services.start(scope, origin, preview=preview, observer=observer)
        finally:
            line.clear()

    def conclude(self, report: PurgeReport) -> None:
        """Print the outcome; an exit code other than 0 unless all of it was done."""
        self.report, self.run_id, self.is_live = report, report.run_id, not report.scope.dry_run
        if self.options["quiet"]:
            self.tell_all(output.to_be_read(report, self.called, self.layout))
        self.tell_all(output.not_found(report, self.layout))
        words, none_found = failures.of_report(report), failures.found_none(report)
        with suppress(CommandError) if words else suppress(ReaderGone) if none_found else nullcontext():
            try:
                self.print(report)
            finally:
                self.write_deals(report.run_id)
        if report.status == "cancelled" and self.interruption.signal:
            raise KeyboardInterrupt
        if words:
            raise self.error(words)
        if none_found:
            raise self.error(failures.NONE_FOUND, returncode=failures.NONE_FOUND_CODE)

    def fail(self, exc: DealPurgeError) -> NoReturn:
        """The words of ``exc``, and what was done until then."""
        self.note_end(exc)
        if self.report and self.options["quiet"]:
            self.tell_all(output.warnings(self.report, self.layout))
        if self.report and self.options["format"] == "json":
            with suppress(CommandError):
                self.print(self.report)
        raise self.error(failures.of_error(exc), exc) from exc

    def note_end(self, exc: BaseException) -> None:
        """Of a run that ``exc`` ended, if it did: its report, and its deals where they are wanted as CSV."""
        run_id, report = ended_run(exc)
        self.run_id, self.report = self.run_id or run_id, self.report or report
        with suppress(CommandError):
            self.write_deals(run_id)

    def write_deals(self, run_id: UUID | None) -> None:
        """With ``--csv``. Raises ``CommandError``."""
        if run_id and self.options["csv"] is not None:
            write_csv(self, str(self.options["csv"]), run_id)

    def error(self, words: str, exc: BaseException | None = None, returncode: int = 1) -> CommandError:
        """To be raised: where nobody sits at a terminal with which command it was, and always with what to do next."""
        if self.unattended and self.scope:
            words = f"{self.called}: {words} {failures.next_step(self.scope, exc)}".rstrip()
        elif self.scope and self.argv and self.layout.width and self.options["verbosity"] > 0:
            ended = None if returncode == failures.NONE_FOUND_CODE else failures.end_of_run(self.run_id)
            words = failures.at_terminal(ended, self.run_id) if ended else words
            self.next_steps = next_steps.after_error(self.argv, self.scope, ended, exc, self.layout)
        return CommandError(words, returncode=returncode)

    @property
    def layout(self) -> Layout:
        """Of the standard error as it is now: windows are made wider."""
        return layout_of(self.stderr)

    @property
    def unattended(self) -> bool:
        """Whether what is said will be read in a mail or a log."""
        return bool(self.options["quiet"] or self.options["format"] == "jsonl")

    @property
    def called(self) -> str:
        """Which command this is, for who did not type it."""
        return failures.called(self.scope, self.options["reason"]) if self.scope else "purge_deals"

    def print(self, report: PurgeReport) -> None:
        """The report on the standard output."""
        if self.options["format"] == "json":
            self.write_outcome(json.dumps(report.as_dict(), indent=2))
        if self.options["format"] != "text" or self.options["quiet"] or self.options["csv"] == STANDARD_OUTPUT:
            return
        verbosity, layout = self.options["verbosity"], layout_of(self.stdout)
        told = layout.width and verbosity > 0 and report.status == "completed"
        ended = failures.end_of_run(report.run_id) if told else None
        shown = [*output.lines(report, self.outcome_style, verbosity=verbosity, layout=layout, end=ended)]
        if told:
            shown += next_steps.after_outcome(self.argv, report, ended, layout)
        self.write_outcome("\n".join(output.printable_on(self.stdout, line) for line in shown))

    def done(self) -> str:
        """What the run did, once there is a report of it."""
        return f"{output.sentence(self.report)} (Run {self.report.run_id}.)" if self.report else ""

    def say_stopping(self) -> None:
        """Past Python's buffers: the signal may have come in the middle of a write to them."""
        if self.stderr.isatty():
            os.write(self.stderr.fileno(), b"\nStopping. Press Ctrl-C again to wait for nothing.\n")
