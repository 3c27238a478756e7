"""How much is enough: a test that draws, repeats or measures names a small sample, and a large one for ``--long``."""

from __future__ import annotations

_long = False


def choose(*, long: bool) -> None:
    """Before the modules of the tests are imported, whose decorators ask for sizes."""
    global _long
    _long = long


def sample(small: int, large: int) -> int:
    """How many it is this time."""
    return large if _long else small
