"""The standard streams of a command: of a terminal, which may have colours, or a pipe, whose other end may be gone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Self, TextIO

from django.core.management.base import OutputWrapper
from django.core.management.color import Style, color_style, no_style

from dealpurge.management.terminal.layout import Layout

#: Columns of a terminal that does not tell.
USUAL_WIDTH = 80


class ErrorOutput(OutputWrapper):
    """The standard error. That nobody reads it is no error, but ``gone`` tells."""

    def __init__(self, out: Any, ending: str = "\n") -> None:
        super().__init__(out, ending)
        self.gone = False

    @classmethod
    def of(cls, stream: OutputWrapper) -> Self:
        """In place of Django's own."""
        wrapped = cls(stream._out, stream.ending)
        wrapped.style_func = stream.style_func
        return wrapped

    def write(self, msg: str = "", style_func: Any = None, ending: str | None = None) -> None:  # type: ignore[override]
        """As Django's writes; an error, which is what comes without a style of its own, in lines that fit."""
        if style_func is None and ending is None:
            msg = "\n".join(layout_of(self).prose(msg))
        try:
            super().write(msg, style_func, ending)
        except BrokenPipeError:
            self.gone = True

    def flush(self) -> None:
        """Likewise."""
        try:
            super().flush()
        except BrokenPipeError:
            self.gone = True


def is_abandoned(stream: TextIO | None) -> bool:
    """Whether nobody reads ``stream`` any more; what is still to be written to it goes nowhere then."""
    try:
        if stream is not None:
            stream.flush()
    except BrokenPipeError:
        with suppress(OSError, ValueError), open(os.devnull, "w") as nowhere:  # a stream of Python's own has no number
            os.dup2(nowhere.fileno(), stream.fileno())  # type: ignore[union-attr]
        return True
    except (OSError, ValueError):  # full, or closed: whoever wrote to it has said so
        pass
    return False


def layout_of(stream: Any) -> Layout:
    """Lines as long as the terminal is wide by ``COLUMNS`` or, without it, by itself. Of what is no terminal, any."""
    if not OutputWrapper(stream).isatty():
        return Layout()
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return Layout(int(columns))
    try:
        return Layout(os.get_terminal_size(stream.fileno()).columns or USUAL_WIDTH)
    except (OSError, ValueError, AttributeError):
        return Layout(USUAL_WIDTH)


def style_of(stream: Any, options: Mapping[str, Any]) -> Style:
    """Colours, in the palette of ``DJANGO_COLORS``, if ``stream`` is a terminal and ``NO_COLOR`` is empty; an option of
    Django's goes before both. Django itself looks at the standard output alone, and not at ``NO_COLOR``."""
    wanted = OutputWrapper(stream).isatty() and not os.environ.get("NO_COLOR")
    coloured = options["force_color"] or (wanted and not options["no_color"])
    return color_style(force_color=True) if coloured else no_style()
