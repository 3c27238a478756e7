"""What a restore counts while it works; its report is made of it, whatever ended it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from dealpurge.engine.restore.commands import Commands
from dealpurge.engine.restore.source import ArchivedFile, Damage
from dealpurge.engine.sweep.meeting import Meeting
from dealpurge.i18n import Said

#: Keys of a deal that are named where they exist again.
NAMED = 10


class DamagedFile(NamedTuple):
    """A file that cannot be restored, and what is wrong with it."""

    file: ArchivedFile
    damage: Damage


class DealCount(NamedTuple):
    """Keys of one deal: written back (or that would be), left because they exist again, not written since they have
    expired, and others that are not there although they could be; ``names``: some of those that exist again."""

    restored: int
    kept: int
    expired: int
    missed: int
    names: tuple[bytes, ...]
    #: Whether it is one of those that stay as they are, since some of its keys exist again.
    left_out: bool = False

    @property
    def archived(self) -> int:
        """All of them."""
        return self.restored + self.kept + self.expired + self.missed


@dataclass(slots=True, eq=False)
class RestoreTally:
    """Running counts. Deals are tokens, families are indices of the archived keyspace."""

    meeting: Meeting = field(default_factory=Meeting)
    #: Keys of all files that are read, and how many are read by now.
    total: int = 0
    read: int = 0
    #: Keys that are dealt with by now, and how many are asked for, as far as is known.
    written: int = 0
    to_write: int = 0
    #: Keys that were written, or would be.
    keys_restored: int = 0
    restored: Counter[bytes] = field(default_factory=Counter)
    kept: Counter[bytes] = field(default_factory=Counter)
    expired: Counter[bytes] = field(default_factory=Counter)
    #: Of keys that the server did not take, and those that there was no more room for.
    refused: Counter[bytes] = field(default_factory=Counter)
    crowded_out: Counter[bytes] = field(default_factory=Counter)
    #: Of those that were read, and not dealt with when the restore ended.
    pending: Counter[bytes] = field(default_factory=Counter)
    #: Deals that were to be left out, and are not in the counts of keys.
    left_out: dict[bytes, DealCount] = field(default_factory=dict)
    names: dict[bytes, list[bytes]] = field(default_factory=dict)
    families: Counter[int] = field(default_factory=Counter)
    damaged: list[DamagedFile] = field(default_factory=list)
    #: Bytes of memory that are needed, about, and free; None is not known, or without a limit.
    needed: int | None = None
    free: int | None = None
    warnings: dict[str, None] = field(default_factory=dict)
    cancelled: bool = False
    #: Whether it came to its end.
    complete: bool = False
    #: Whether another process may lack what was written before.
    replaced: bool = False
    #: Which part goes on: "read" or "write"; empty before.
    phase: str = ""

    def warn(self, text: Said) -> None:
        """Once, however often it is said."""
        self.warnings[text] = None

    @property
    def columns(self) -> tuple[Counter[bytes], ...]:
        """Every key that was read is in one of them."""
        return self.restored, self.kept, self.expired, self.refused, self.crowded_out, self.pending

    @property
    def tokens(self) -> set[bytes]:
        """Of all deals that were met."""
        return set[bytes]().union(*self.columns)

    def settle(self, commands: Commands, outcome: Counter[bytes]) -> None:
        """What became of all of these."""
        outcome.update(commands.tokens)
        if outcome is self.restored:
            self.keys_restored += len(commands)
            for family in set(commands.families):
                self.families[family] += commands.families.count(family)
        elif outcome is self.kept:
            for token, key in zip(commands.tokens, commands.keys, strict=True):
                names = self.names.setdefault(token, [])
                if len(names) < NAMED:
                    names.append(key)
        self.written += len(commands)

    def leave_out_mixed(self) -> set[bytes]:
        """All tokens of the deals of which some keys exist again."""
        owners = owners_of(self.tokens)
        found = {token: count for token, count in self.deals().items() if count.kept}
        self.left_out = {
            token: count._replace(restored=0, missed=count.missed + count.restored, left_out=True)
            for token, count in found.items()
        }
        return {token for token, owner in owners.items() if owner in found}

    def forget(self) -> None:
        """Nothing of the keys was counted yet."""
        for column in self.columns:
            column.clear()
        self.families.clear()
        self.names.clear()
        self.written = self.keys_restored = 0

    def forget_what_would_be(self) -> None:
        """It was looked at, and is not written."""
        self.pending.update(self.restored)
        self.restored.clear()
        self.families.clear()
        self.written -= self.keys_restored
        self.keys_restored = 0

    def note_replaced(self) -> None:
        """Another process answers, which may lack what the one before it was told."""
        self.replaced = self.replaced or (self.phase == "write" and self.keys_restored > 0)

    @property
    def unfinished(self) -> bool:
        """Whether anything that was asked for is not there although it could be."""
        return bool(self.refused or self.crowded_out or self.pending or self.damaged or self.replaced)

    def deals(self) -> dict[bytes, DealCount]:
        """By token. Keys without an organisation are told with the only deal of that id, where it is the only one."""
        owners = owners_of(self.tokens)
        counts = {token: [0, 0, 0, 0] for token in owners.values()}
        names: dict[bytes, list[bytes]] = {}
        for place, column in enumerate((self.restored, self.kept, self.expired, *self.columns[3:])):
            for token, count in column.items():
                counts[owners[token]][min(place, 3)] += count
        for token, found in self.names.items():
            names.setdefault(owners[token], []).extend(found)
        return {
            token: DealCount(*count, tuple(names.get(token, ())[:NAMED]))  # type: ignore[call-arg, arg-type]
            for token, count in counts.items()
        } | self.left_out


def owners_of(tokens: Iterable[bytes]) -> Mapping[bytes, bytes]:
    """Whose each token's keys are told as."""
    known = list(tokens)
    holders: dict[bytes, list[bytes]] = {}
    for token in known:
        if b":" in token:
            holders.setdefault(token.rpartition(b":")[2], []).append(token)
    return {
        token: holders[token][0] if b":" not in token and len(holders.get(token, ())) == 1 else token for token in known
    }
