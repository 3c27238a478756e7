"""What both commands have in common: options in full, and an outcome that nobody may want to read to its end."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from dealpurge.management.help_text import HelpFormatter
from dealpurge.management.output import printable_on
from dealpurge.management.terminal.streams import ErrorOutput, is_abandoned, style_of

#: As a shell has it where SIGPIPE ends a program: 128 + 13.
READER_GONE = 141


class ReaderGone(CommandError):
    """Who was to read the output has left, as ``head`` does once it has what it wants. At a shell that is silent."""

    def __init__(self, words: str) -> None:
        super().__init__(words, returncode=READER_GONE)


class PurgeCommand(BaseCommand):
    """Options cannot be abbreviated: nobody is to say --no-dry-run by half."""

    #: Stands below the options in ``--help``.
    epilog = ""
    #: Whether anything may have been deleted, here or in the record.
    is_live = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stderr = ErrorOutput.of(self.stderr)
        #: The words it was called with; none where code calls it.
        self.argv: Sequence[str] = ()
        #: Lines that are said behind an error.
        self.next_steps: Sequence[str] = ()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """With what stands below the options."""
        kwargs = {"formatter_class": HelpFormatter, "epilog": self.epilog, "allow_abbrev": False} | kwargs
        return super().create_parser(prog_name, subcommand, **kwargs)

    def run_from_argv(self, argv: list[str]) -> None:
        """As Django does. What is still to be written, ``--help`` too, must not fail when the process ends, where
        Python would print a traceback."""
        self.argv = argv
        try:
            super().run_from_argv(argv)
        except SystemExit as exc:
            self.tell_all(self.next_steps)
            if not exc.code and is_abandoned(sys.stdout):
                raise SystemExit(READER_GONE) from None
            raise
        finally:
            unread = is_abandoned(sys.stdout)
            is_abandoned(sys.stderr)
        if unread:
            raise SystemExit(READER_GONE)

    def execute(self, *args: Any, **options: Any) -> str | None:
        """At a shell a reader that has left is no error; what was deleted, though, is said on the standard error."""
        # All that Django writes, failed checks for one, goes to the standard error.
        self.style = style_of(options.get("stderr") or self.stderr, options)
        self.stderr.style_func = self.style.ERROR
        #: For what goes to the standard output.
        self.outcome_style = style_of(options.get("stdout") or self.stdout, options)
        try:
            return self.carry_out(*args, **options)
        except ReaderGone:
            if not getattr(self, "_called_from_command_line", False):
                raise
            if self.is_live:
                self.stderr.write(self.done(), str)
            raise SystemExit(READER_GONE) from None

    def carry_out(self, *args: Any, **options: Any) -> str | None:
        """Django's own part: system checks, then ``handle``."""
        return super().execute(*args, **options)

    def write_outcome(self, text: str) -> None:
        """Raises ``ReaderGone``, or another ``CommandError`` where the standard output takes nothing."""
        try:
            self.stdout.write(text)
            self.stdout.flush()
        except (OSError, ValueError, AttributeError) as exc:  # full or gone; closed; the process began without one
            reason = getattr(exc, "strerror", None) or "it is closed"
            words = f"The outcome cannot be printed: {reason}. {self.done()}".rstrip()
            raise (ReaderGone if isinstance(exc, BrokenPipeError) else CommandError)(words) from exc

    def done(self) -> str:
        """What was done, in one sentence, for who could not be shown the outcome."""
        return ""

    def tell(self, text: str, ending: str = "\n") -> None:
        """Say something that is not the outcome."""
        self.stderr.write(printable_on(self.stderr, text), lambda text: text, ending)
        self.stderr.flush()

    def tell_all(self, lines: Iterable[str]) -> None:
        """``tell``, line by line."""
        for line in lines:
            self.tell(line)

    def tell_raw(self, text: str) -> None:
        """``tell`` without a line's end."""
        self.tell(text, ending="")
