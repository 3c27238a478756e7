"""``manage.py purge_deals`` in this process, seen as a shell sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Outcome:
    """What a shell would have seen."""

    code: int
    out: str
    err: str


class Purge(Protocol):
    def __call__(self, *options: str) -> Outcome: ...
