"""What could be lost by a purge, and what has to be typed before it: of numbers and settings alone, no I/O."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from dealpurge.conf import conf
from dealpurge.scope import PurgeScope

Kind = Literal["deals", "guard_off", "checkpoints", "no_archive"]

#: Seconds within which a deal counts as active where no time was given, and those of a guard that is turned on.
HOUR = 3600
#: To be typed in place of the name of an environment that has none.
UNNAMED = "purge"
#: What separates digits in one language or another, and does not matter.
SEPARATORS = re.compile(r"[\s,.'\u2019]")


class Level(IntEnum):
    """How loudly a page warns."""

    CALM = 0
    NOTE = 1
    HIGH = 2
    LIVE_WORK = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why somebody is asked. ``count``: of the deals or the checkpoint keys that would go; of the active deals, None
    where nobody knows."""

    kind: Kind
    count: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """What could be lost. ``active`` of the ``deals`` are worked on; None where nobody knows. They are those of so many
    ``organisations``; None where that is not known.

    ``everything``: the scope is all deals in Redis. ``environment`` is empty where the settings name none.
    """

    deals: int
    active: int | None
    organisations: int | None
    everything: bool
    environment: str
    reasons: tuple[Reason, ...]

    @property
    def guarded(self) -> bool:
        """Whether active deals stay."""
        return not self._has("guard_off")

    @property
    def level(self) -> Level:
        """Two reasons are a high risk, and so is one active deal that would go."""
        if not self.guarded and self.active:
            return Level.LIVE_WORK
        return Level(min(len(self.reasons), Level.HIGH))

    @property
    def words(self) -> str | None:
        """What has to be typed: "production 8993", one of the two, or nothing."""
        words = [self._place] if any(reason.kind != "deals" for reason in self.reasons) else []
        if self._has("deals"):
            words.append(str(self.deals))
        return " ".join(words) or None

    def confirmed_by(self, typed: str) -> bool:
        """Whether that was typed, or nothing has to be."""
        return self.words is None or same(typed, self.words)

    @property
    def _place(self) -> str:
        # Of a name that is all separators nothing would be left to type.
        return self.environment if _squeezed(self.environment) else UNNAMED

    def _has(self, kind: Kind) -> bool:
        return any(reason.kind == kind for reason in self.reasons)


def risk(
    scope: PurgeScope,
    *,
    deals: int,
    checkpoints: int = 0,
    active: int | None = None,
    organisations: int | None = None,
) -> Risk:
    """What could be lost by a purge of so many ``deals`` of so many ``organisations``, by the settings of this moment.

    ``checkpoints``: of their keys, those that would go. ``active``: of the deals, those that somebody works on.
    """
    environment = conf.environment
    return Risk(
        deals=deals,
        active=active,
        organisations=organisations,
        everything=_is_everything(scope),
        environment=environment.name if environment else "",
        reasons=tuple(_reasons(scope, deals, checkpoints, active)),
    )


def same(typed: str, wanted: str) -> bool:
    """Whether both are the same but for case, blanks and what separates digits."""
    return _squeezed(typed) == _squeezed(wanted)


def _reasons(scope: PurgeScope, deals: int, checkpoints: int, active: int | None) -> Iterator[Reason]:
    if deals >= conf.confirm_deals or _is_everything(scope):
        yield Reason(kind="deals", count=deals)
    if not scope.guarded:
        yield Reason(kind="guard_off", count=active)
    if scope.include_checkpoints:
        yield Reason(kind="checkpoints", count=checkpoints)
    if not scope.keep_archive and conf.archive is not None:
        yield Reason(kind="no_archive", count=deals)


def _is_everything(scope: PurgeScope) -> bool:
    return scope.mode == "all" and scope.org_id is None


def _squeezed(text: str) -> str:
    return SEPARATORS.sub("", unicodedata.normalize("NFC", text).casefold())
