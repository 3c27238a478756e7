"""What can be told of a run under way. Plain data, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

PhaseName = Literal["scan", "activity", "delete", "read", "write", "record"]
State = Literal["later", "now", "done", "stopped"]


class Counts(NamedTuple):
    """Keys scanned, of about ``total``, and deleted; deals whose activity was looked at, and of how many; keys that
    are to go, as far as is known: 0 if not at all."""

    scanned: int = 0
    total: int = 0
    deleted: int = 0
    judged: int = 0
    to_judge: int = 0
    to_delete: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseProgress:
    """``done`` of ``total`` keys, or deals where it is ``activity`` or ``record``; None is what is not known (yet).

    ``rate``: a second, of the last five while it goes on, else of all. ``seconds``: taken; ``seconds_left``: about.
    """

    name: PhaseName
    state: State
    done: int
    total: int | None = None
    rate: int | None = None
    seconds: float | None = None
    seconds_left: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerProgress:
    """One primary of a cluster. ``state`` is ``scanning``, ``checking``, ``deleting`` or ``done``; ``waiting`` are the
    seconds for which it has not answered, ``gives_up_in`` those for which it is tried again, None where not."""

    name: str
    state: str
    scanned: int
    deleted: int
    rate: int | None
    waiting: int | None
    gives_up_in: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressDetails:
    """``pass_number`` is above 1 where servers changed and are gone over again. ``waiting`` and ``gives_up_in`` as
    those of a server: of the only one, or of the one that is waited for longest. ``deals``: by outcome, as far as the
    record has them."""

    pass_number: int
    phases: tuple[PhaseProgress, ...]
    servers: tuple[ServerProgress, ...] = ()
    waiting: int | None = None
    gives_up_in: int | None = None
    deals: Mapping[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return asdict(self) | {"phases": [*map(asdict, self.phases)], "servers": [*map(asdict, self.servers)]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is: keys scanned of about ``total``, keys deleted. ``details`` tells of phases and servers; to be
    asked about once a second."""

    scanned: int
    total: int
    deleted: int
    details: Callable[[], ProgressDetails | None] = field(default=lambda: None, repr=False, compare=False)
