"""Text in lines that fit a terminal: a long name goes over several of them, a number never does. Pure, no I/O."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dealpurge.text import quote

#: Lines are no longer on any terminal: eyes lose their way back to the next one.
LONGEST_LINE = 100
#: Columns of a name; where a table leaves fewer, what stands beside it goes below it.
LEAST_NAME = 12
GAP = 2
#: What is indented so, a command to copy, is left as it is.
VERBATIM = "    "
#: The end of a line whose command goes on below it.
CONTINUED = " \\"
#: A character, or the escape that stands for one.
UNIT = re.compile(r"\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8}|.)|.", re.DOTALL)
#: Where a name is best taken apart: behind a blank, which stands between an organisation and its deal, or one of these.
BREAKS = (" ", ":_-./@")


@dataclass(frozen=True, slots=True)
class Layout:
    """Of a terminal with that many columns; None where there is none, and everything stays on its line."""

    width: int | None = None

    @property
    def room(self) -> float:
        """The columns of a line."""
        return float("inf") if self.width is None else min(self.width, LONGEST_LINE)

    def prose(self, text: str, hanging: int = 0) -> list[str]:
        """Sentences in lines, broken at blanks; those behind the first are indented by ``hanging``, or as it is."""
        lines: list[str] = []
        for line in text.split("\n"):
            if cells(line) <= self.room or line.startswith(VERBATIM):
                lines.append(line)
            else:
                lines += _wrapped(line, self.room, hanging)
        return lines

    def command(self, words: Iterable[str]) -> list[str]:
        """Words for a shell on lines that it takes for one; none is parted from its option."""
        lines = [""]
        for words_of_option in _by_option(words):
            if lines[-1] and cells(f"{lines[-1]} {words_of_option}") + len(CONTINUED) > self.room:
                lines[-1] += CONTINUED
                lines.append("")
            indent = VERBATIM if len(lines) == 1 else VERBATIM + VERBATIM
            lines[-1] += f" {words_of_option}" if lines[-1] else indent + words_of_option
        return lines

    def table(self, rows: Iterable[tuple[str, str]], *, right: bool = False) -> Iterator[list[str]]:
        """Each row's lines: a name, and beside it what is never broken, at the right edge of its column if so told."""
        rows = list(rows)
        first, second = (max(cells(row[column]) for row in rows) for column in (0, 1))
        room = min(first, self.room - GAP - second)
        for name, value in rows:
            value = _blanks(value, second) + value if right else value
            if room < min(first, LEAST_NAME):
                yield [*_pieces(name, self.room), " " * GAP + value]
                continue
            head, *rest = _pieces(name, room)
            yield [head + _blanks(head, room) + " " * GAP + value, *rest]


def cells(text: str) -> int:
    """The columns that ``text`` takes up on a terminal."""
    return len(text) if text.isascii() else sum(map(_cells, text))


def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _blanks(text: str, width: float) -> str:
    return " " * int(width - cells(text))


def _by_option(words: Iterable[str]) -> list[str]:
    """What stands in front of all options, and each of them with its value, quoted."""
    parts: list[str] = []
    for word in words:
        if parts and not word.startswith("-"):
            parts[-1] += f" {quote(word)}"
        else:
            parts.append(quote(word))
    return parts


def _wrapped(line: str, room: float, hanging: int) -> Iterator[str]:
    """Words longer than a line stay whole: a terminal breaks them so that they can be copied."""
    words = line.lstrip(" ")
    indent = " " * (len(line) - len(words))
    filled, further = "", max(indent, " " * hanging)
    for word in words.split(" "):
        if filled and cells(indent + filled) + 1 + cells(word) > room:
            yield indent + filled
            filled, indent = word, further
        else:
            filled = f"{filled} {word}" if filled else word
    yield indent + filled


def _pieces(name: str, room: float) -> list[str]:
    """A name in lines of so many columns, all but the first indented."""
    pieces, units, indent = list[str](), UNIT.findall(name), ""
    while units:
        fits = _fitting(units, room - len(indent))
        pieces.append(indent + "".join(units[:fits]))
        units, indent = units[fits:], " " * GAP
    return pieces or [""]


def _fitting(units: list[str], room: float) -> int:
    """How many of the units go on a line: up to the best break in its second half, if there is one."""
    fits, used = 0, 0
    for unit in units:
        used += cells(unit)
        if used > room and fits:
            break
        fits += 1
    if fits == len(units):
        return fits
    for breaks in BREAKS:
        places = [place for place in range(fits // 2, fits) if units[place] in breaks]
        if places:
            return places[-1] + 1
    return fits
