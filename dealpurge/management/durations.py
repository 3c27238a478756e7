"""Durations as people write them: ``90d``, ``12h``, ``1d12h``. Pure, no I/O."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError

#: Seconds of each unit.
UNITS = {"w": 7 * 86400, "d": 86400, "h": 3600, "m": 60, "s": 1}
#: ASCII digits alone: int() would take others, and underscores, too.
PART = re.compile(r"([0-9]+)([a-z])")
#: More digits than any moment needs, and fewer than int() refuses.
MAX_LENGTH = 100

EXAMPLES = "write it as 90d, 12h, 45m, 2w, 90s or 1d12h"


def seconds_of(text: str) -> int:
    """The seconds of ``90d`` or ``1d12h``, units falling. Raises ``ValueError`` with words that quote the text."""
    parts = PART.findall(text)
    units = [unit for _, unit in parts]
    if re.fullmatch(r"[0-9]+", text):
        raise ValueError(f"{text!r} has no unit: {EXAMPLES}")
    if "".join(map("".join, parts)) != text or not parts or len(text) > MAX_LENGTH or not set(units) <= UNITS.keys():
        raise ValueError(f"{text!r} is no duration: {EXAMPLES}")
    if units != [unit for unit in UNITS if unit in units]:
        raise ValueError(f"{text!r} has a unit twice, or a smaller one before a larger: {EXAMPLES}")
    return sum(int(number) * UNITS[unit] for number, unit in parts)


def duration(text: str) -> int:
    """``seconds_of`` as a ``type`` of argparse, which names the option in front of the words."""
    try:
        return seconds_of(text)
    except ValueError as exc:
        raise ArgumentTypeError(str(exc)) from exc
