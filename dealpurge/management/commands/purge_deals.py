"""``manage.py purge_deals``: options to scope, the question, the outcome and the exit code."""

from __future__ import annotations

import getpass
import json
import os
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any, NoReturn
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser, OutputWrapper

from dealpurge import services
from dealpurge.exceptions import DealPurgeError, PurgeConfigurationError, ended_run
from dealpurge.keys.explain import explain
from dealpurge.management import output
from dealpurge.management.interrupts import Interruption
from dealpurge.management.options import add_options, keys_of, scope_of, usage_error
from dealpurge.models import PurgeRun
from dealpurge.previews import Preview
from dealpurge.report import PurgeReport
from dealpurge.runs import store
from dealpurge.runs.database import revive_connection
from dealpurge.scope import PurgeScope
from dealpurge.text import in_ascii

EPILOG = """
Exit codes: 0 done, 1 not done or not all of it, 2 usage, 129 stopped by a terminal that went away, 130 by Ctrl-C,
143 by SIGTERM.
What is asked and how far it is goes to the standard error, the outcome to the standard output.
"""


class Command(BaseCommand):
    """A dry run unless told otherwise; nothing is deleted that was not shown or waved through with --no-input."""

    help = (
        "Purge the state that deals keep in Redis: of the deals named, or of all. "
        "Deletes nothing and says what it would delete, unless --no-dry-run is given."
    )

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Without abbreviations: nobody is to say --no-dry-run by half."""
        return super().create_parser(prog_name, subcommand, allow_abbrev=False, epilog=EPILOG, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        """Of a purge, and of ``--explain``."""
        add_options(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises ``CommandError`` with the exit code that the README lists."""
        self.options = options
        if options["explain"]:
            self.explain()
            return
        scope = scope_of(options)
        must_ask = options["interactive"] and not scope.dry_run
        if must_ask and not (sys.stdin and sys.stdin.isatty()):
            raise usage_error("There is no terminal to ask at. With --no-input it purges without asking.")
        with Interruption(self.say_stopping) as self.interruption:
            try:
                if must_ask:
                    self.purge_as_previewed(scope)
                else:
                    self.conclude(self.run(scope))
            except KeyboardInterrupt as exc:
                raise CommandError(_interrupted(exc), returncode=self.interruption.exit_code) from None
            except DealPurgeError as exc:
                self.fail(exc)
            except CommandError:
                raise
            except Exception as exc:
                run_id, report = ended_run(exc)
                if report:
                    self.tell(f"{output.sentence(report)} (Run {run_id}.)")
                raise

    def explain(self) -> None:
        """Whose keys they are, by the settings alone. Raises ``CommandError`` if nothing claims one of them."""
        try:
            explained = [explain(key) for key in keys_of(self.options)]
        except PurgeConfigurationError as exc:
            raise CommandError(str(exc)) from exc
        if self.options["format"] == "json":
            self.stdout.write(json.dumps([item.as_dict() for item in explained], indent=2))
        else:
            for line in output.explanations(explained, self.style):
                self.stdout.write(_printable_on(self.stdout, line))
        strangers = [item for item in explained if item.family is None]
        if strangers:
            raise CommandError(f"No family claims {len(strangers)} of {len(explained)} keys.")

    def purge_as_previewed(self, scope: PurgeScope) -> None:
        """Show what would go and ask for it. Raises ``CommandError`` unless the answer is yes."""
        report = self.run(replace(scope, dry_run=True))
        if report.status == "cancelled" or not output.would_delete(report):
            self.conclude(report)
            return
        for line in output.lines(report, self.style, verbosity=self.options["verbosity"]):
            self.tell(line)
        refused = services.excess(report)
        if refused:
            raise CommandError(f"{refused} Nothing was purged.")
        word = "all" if scope.mode == "all" else "yes"
        self.tell(f"This cannot be undone. Type '{word}' to purge, anything else to leave all as it is: ", ending="")
        if _answer() != word:
            raise CommandError("Not confirmed: nothing was purged.")
        revive_connection()  # the database may have hung up on somebody who thought for long
        preview = Preview.load(UUID(str(report.run_id)))
        if preview.left < timedelta(0):
            raise CommandError("These numbers are too old by now, and nothing was purged. Run the command again.")
        self.conclude(self.run(scope, preview.run))

    def run(self, scope: PurgeScope, preview: PurgeRun | None = None) -> PurgeReport:
        """One run, with a line of progress at a terminal; the first Ctrl-C or SIGTERM stops it at its next page."""
        origin = store.Origin(source=PurgeRun.Source.COMMAND, actor_name=_os_user(), reason=self.options["reason"])
        line = output.ProgressLine(self.tell_raw, dry_run=scope.dry_run)
        visible = self.stderr.isatty() and self.options["verbosity"] > 0

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
        self.print(report)
        if report.status == "cancelled" and self.interruption.signal:
            raise KeyboardInterrupt
        if report.status == "cancelled":
            raise CommandError(f"Run {report.run_id} was cancelled before its end.")
        if report.status == "partial":
            raise CommandError(f"Run {report.run_id} could not purge everything.")

    def fail(self, exc: DealPurgeError) -> NoReturn:
        """The words of ``exc``, and what was done until then."""
        run_id, report = ended_run(exc)
        if report is None:
            raise CommandError(str(exc)) from exc
        if self.options["format"] == "json":
            self.print(report)
        words = f"{exc} {output.sentence(report)}"
        raise CommandError(words if str(run_id) in words else f"{words} (Run {run_id}.)") from exc

    def print(self, report: PurgeReport) -> None:
        """The report on the standard output."""
        if self.options["format"] == "json":
            self.stdout.write(json.dumps(report.as_dict(), indent=2))
            return
        for line in output.lines(report, self.style, verbosity=self.options["verbosity"]):
            self.stdout.write(_printable_on(self.stdout, line))

    def say_stopping(self) -> None:
        """Past Python's buffers: the signal may have come in the middle of a write to them."""
        if self.stderr.isatty():
            os.write(self.stderr.fileno(), b"\nStopping. Press Ctrl-C again to wait for nothing.\n")

    def tell(self, text: str, ending: str = "\n") -> None:
        """Say something that is not the outcome."""
        self.stderr.write(_printable_on(self.stderr, text), lambda text: text, ending)
        self.stderr.flush()

    def tell_raw(self, text: str) -> None:
        """``tell`` without a line's end."""
        self.tell(text, ending="")


def _interrupted(exc: KeyboardInterrupt) -> str:
    """With what was deleted, where a run was broken off and not stopped at its next page."""
    run_id, report = ended_run(exc)
    return f"Interrupted. {output.sentence(report)} (Run {run_id}.)" if report else "Interrupted."


def _answer() -> str:
    try:
        return input().strip()
    except EOFError:
        return ""


def _os_user() -> str:
    """The name of who runs this process; the environment, which anybody may set, is asked last."""
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        pass
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _printable_on(stream: OutputWrapper, text: str) -> str:
    """``text`` with escapes where the stream's encoding lacks a character: no purge ends in a UnicodeEncodeError."""
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return in_ascii(text)
    return text
