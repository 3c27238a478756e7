"""What an engine counts while it works; the report is made of it, whatever ended the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from heapq import nsmallest
from uuid import UUID

from dealpurge.engine.sweep.deal_log import INTERRUPTED, NOT_REMOVED, PURGED, SKIPPED_ACTIVE, DealLog
from dealpurge.i18n import Names, gettext_noop
from dealpurge.keys.families import split_token
from dealpurge.report import LIST_LIMIT, DealCounts, KeyCounts, PurgeReport, SkippedDeal, Status
from dealpurge.scope import PurgeScope
from dealpurge.text import escape

#: Names that a warning spells out.
NAMES_SHOWN = 5
#: In words that are true of a dry run, and of deals that stay because somebody works on them.
SEVERAL_WARNING = gettext_noop(
    "A deal id that is named without an organisation means that id in every one, and several organisations have it: "
    "{}.",
    code="several_organisations",
)


@dataclass(slots=True, eq=False)
class Tally:
    """Running counts. Deals are tokens (``keyspace``), families are indices, activity is in milliseconds since 1970."""

    scanned: int = 0
    total: int = 0
    matched: int = 0
    deleted: int = 0
    vanished: int = 0
    not_removed: int = 0
    checkpoints_kept: int = 0
    unattributed: int = 0
    families: Counter[int] = field(default_factory=Counter)
    matched_deals: set[bytes] = field(default_factory=set)
    unremoved_deals: set[bytes] = field(default_factory=set)
    interrupted: set[bytes] = field(default_factory=set)
    skipped: dict[bytes, int | None] = field(default_factory=dict)
    #: Deals of which keys went without a transaction.
    plain: set[bytes] = field(default_factory=set)
    #: Deals whose keys lie so in a cluster that no one transaction takes them all.
    scattered: set[bytes] = field(default_factory=set)
    #: Deals of which keys have gone, or may have: a reply is missing, or what is left is to be gone over again.
    begun: set[bytes] = field(default_factory=set)
    #: Planned deals whose turn has not come.
    untouched: set[bytes] = field(default_factory=set)
    unclaimed: int | None = None
    unclaimed_sample: list[bytes] = field(default_factory=list)
    #: Sentences, each with the names that stand in place of its ``{}``, if it has one.
    warnings: dict[str, set[bytes]] = field(default_factory=dict)
    cancelled: bool = False
    #: Told of deals as it goes; the children tell it too. None where nobody writes it down.
    log: DealLog | None = None
    #: Counts of a server or a pass that are not added yet.
    children: list[Tally] = field(default_factory=list)

    def child(self) -> Tally:
        """A tally of its own for one server and pass, which may come to nothing."""
        self.children.append(Tally(log=self.log))
        return self.children[-1]

    def forget(self, since: int) -> None:
        """Drop the children from number ``since`` on."""
        del self.children[since:]

    def forget_scan(self) -> None:
        """Drop what another scan of the same keys has counted already."""
        self.scanned = self.total = self.matched = self.checkpoints_kept = self.unattributed = 0
        self.unclaimed, self.unclaimed_sample = None, []

    def keep_deletes(self) -> None:
        """Keep what was done and forget what was left: the servers are gone over again, and it will be found again."""
        self.not_removed = self.checkpoints_kept = self.unattributed = 0
        self.unclaimed = None if self.unclaimed is None else 0
        self.matched_deals -= self.skipped.keys() | self.untouched - self.begun
        self.begun |= self.matched_deals
        for left in (self.unclaimed_sample, self.unremoved_deals, self.skipped, self.untouched, self.interrupted):
            left.clear()

    def add_up_children(self) -> None:
        """Add the children. A deal that was begun and then found active is interrupted, not skipped."""
        while self.children:
            self.children[0].add_up_children()
            self.add(self.children.pop(0))
        self.interrupted |= self.begun & self.skipped.keys()

    def keep_active(self, deals: Mapping[bytes, int | None]) -> None:
        """Deals that any pass found active are those that were left, though a later one may not have met them."""
        self.skipped |= deals
        self.matched_deals |= deals.keys()
        self.untouched -= deals.keys()
        self.interrupted |= self.begun & self.skipped.keys()

    def progress(self) -> tuple[int, int, int]:
        """Keys scanned, of about how many, and keys deleted, while it goes on."""
        parts = [child.progress() for child in tuple(self.children)]
        scanned, total, deleted = map(sum, zip((self.scanned, self.total, self.deleted), *parts, strict=True))
        return scanned, total, deleted

    def warn(self, text: str, *names: bytes) -> None:
        """Add a sentence to the report's warnings, once, however many ``names`` it is said of."""
        self.warnings.setdefault(text, set()).update(names)

    def note_unclaimed(self, keys: Collection[bytes]) -> None:
        """Count keys that carry the deal's id and belong to no family."""
        self.unclaimed = (self.unclaimed or 0) + len(keys)
        self.unclaimed_sample.extend(sorted(keys)[: LIST_LIMIT - len(self.unclaimed_sample)])

    def add(self, other: Tally) -> None:
        """Take in the counts of another server, or of another pass."""
        for name in _SUMS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.families.update(other.families)
        self.matched_deals |= other.matched_deals
        self.unremoved_deals |= other.unremoved_deals
        self.interrupted |= other.interrupted
        self.skipped |= other.skipped
        self.plain |= other.plain
        self.scattered |= other.scattered
        self.begun |= other.begun
        self.untouched |= other.untouched
        for text, names in other.warnings.items():
            self.warn(text, *names)
        self.cancelled |= other.cancelled
        if other.unclaimed is not None:
            self.unclaimed = (self.unclaimed or 0) + other.unclaimed
            self.unclaimed_sample.extend(other.unclaimed_sample[: LIST_LIMIT - len(self.unclaimed_sample)])

    def report(
        self,
        *,
        run_id: UUID | None,
        scope: PurgeScope,
        families: Sequence[str],
        started_at: datetime,
        duration_ms: int,
        failed: bool = False,
    ) -> PurgeReport:
        """The report of what was counted so far."""
        counted = _counted(self.matched_deals)
        skipped = self.skipped.keys() & counted - self.interrupted
        return PurgeReport(
            run_id=run_id,
            status="failed" if failed else self._status(),
            scope=scope,
            deals=self._deal_counts(counted),
            keys=KeyCounts(**{name: getattr(self, name) for name in _KEY_COUNTS}),
            families={name: self.families[index] for index, name in enumerate(families)},
            skipped=tuple(map(self._skipped_deal, nsmallest(LIST_LIMIT, skipped, key=self._newest_first))),
            skipped_truncated=len(skipped) > LIST_LIMIT,
            unclaimed_sample=tuple(map(escape, sorted(self.unclaimed_sample))),
            warnings=tuple(self._sentences(scope)),
            started_at=started_at,
            duration_ms=duration_ms,
        )

    def outcomes(self) -> dict[bytes, str]:
        """The outcome of every deal that was found and had its turn, for the record, by its token. Where an id's deals
        have not had theirs, its keys without an organisation are told of by themselves."""
        return {token: self.outcome(token) for token in sorted(_counted(self.matched_deals - self.untouched))}

    def outcome(self, token: bytes) -> str:
        """What became of a deal that had its turn."""
        if token in self.interrupted:
            return INTERRUPTED
        if token in self.skipped:
            return SKIPPED_ACTIVE
        return NOT_REMOVED if token in self.unremoved_deals else PURGED

    def _status(self) -> Status:
        if self.cancelled:
            return "cancelled"
        return "partial" if self.not_removed or self.interrupted else "completed"

    def _deal_counts(self, matched: set[bytes]) -> DealCounts:
        interrupted = matched & self.interrupted
        skipped = matched & self.skipped.keys() - interrupted
        return DealCounts(
            matched=len(matched),
            purged=len(matched - skipped - interrupted - self.unremoved_deals - self.untouched),
            skipped_active=len(skipped),
            interrupted=len(interrupted),
        )

    def _newest_first(self, token: bytes) -> tuple[int, bytes]:
        return -(self.skipped[token] or 0), token

    def _skipped_deal(self, token: bytes) -> SkippedDeal:
        org_id, deal_id = split_token(token)
        active_at = self.skipped[token]
        moment = None if active_at is None else datetime.fromtimestamp(active_at / 1000, UTC)
        return SkippedDeal(org_id=org_id, deal_id=deal_id, last_active_at=moment)

    def _sentences(self, scope: PurgeScope) -> Iterator[str]:
        # Only here are all servers and passes together, and each may have met another organisation.
        several = held_by_several(scope, self.matched_deals)
        for text, names in (self.warnings | ({SEVERAL_WARNING: several} if several else {})).items():
            yield text.format(_listing(names)) if names else text


def held_by_several(scope: PurgeScope, tokens: Iterable[bytes]) -> set[bytes]:
    """Organisation and id of the deals that an id named without an organisation stands for, where those are several."""
    bare = {deal_id.encode() for org_id, deal_id in scope.deals if org_id is None}
    holders: dict[bytes, list[bytes]] = {}
    for token in tokens if bare else ():
        org_id, colon, deal_id = token.rpartition(b":")
        if colon and deal_id in bare:
            holders.setdefault(deal_id, []).append(org_id + b" " + deal_id)
    return {name for names in holders.values() if len(names) > 1 for name in names}


def _counted(tokens: set[bytes]) -> set[bytes]:
    """Without org-less tokens whose deal id is also among them with an organisation: those are no deals of their
    own."""
    with_org = {token.rpartition(b":")[2] for token in tokens if b":" in token}
    return {token for token in tokens if b":" in token or token not in with_org}


def _listing(names: Collection[bytes]) -> Names:
    """The first few of ``names`` in their order, and how many there are besides."""
    return Names(tuple(map(escape, sorted(names)[:NAMES_SHOWN])), max(0, len(names) - NAMES_SHOWN))


_SUMS = (
    "scanned",
    "total",
    "matched",
    "deleted",
    "vanished",
    "not_removed",
    "checkpoints_kept",
    "unattributed",
)
_KEY_COUNTS = (*(name for name in _SUMS if name != "total"), "unclaimed")
