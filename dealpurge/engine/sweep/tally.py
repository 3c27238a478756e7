"""What an engine counts while it works; the report is made of it, whatever ended the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields

from dealpurge.engine.sweep.deal_log import DealLog
from dealpurge.engine.sweep.meeting import Meeting
from dealpurge.engine.sweep.samples import Samples
from dealpurge.engine.tracking.details import Counts
from dealpurge.engine.tracking.tracker import Tracker
from dealpurge.report import LIST_LIMIT


@dataclass(slots=True, eq=False)
class Tally:
    """Running counts. Deals are tokens (``keyspace``), families are indices, activity is in milliseconds since 1970."""

    scanned: int = 0
    total: int = 0
    #: Keys walked past, of about how many, that count no more, because they are walked past again.
    walked: int = 0
    walked_total: int = 0
    #: Deals whose activity was looked at, of how many, and keys that are to go, where that is known beforehand.
    judged: int = 0
    to_judge: int = 0
    to_delete: int = 0
    matched: int = 0
    deleted: int = 0
    vanished: int = 0
    not_removed: int = 0
    checkpoints_kept: int = 0
    unattributed: int = 0
    families: Counter[int] = field(default_factory=Counter)
    #: Keys by deal: sent and not found still there, and those that are left, as far as is known.
    gone: Counter[bytes] = field(default_factory=Counter)
    left: Counter[bytes] = field(default_factory=Counter)
    #: Of a dry run: keys that would go, and checkpoints by deal, None where they stay.
    samples: Samples = field(default_factory=Samples)
    checkpoints: Counter[bytes] | None = None
    #: The last activity of deals that were not left for it, where it was looked at.
    last_active: dict[bytes, int] = field(default_factory=dict)
    matched_deals: set[bytes] = field(default_factory=set)
    unremoved_deals: set[bytes] = field(default_factory=set)
    interrupted: set[bytes] = field(default_factory=set)
    skipped: dict[bytes, int | None] = field(default_factory=dict)
    #: Of the deals that would go although nobody asked, those that somebody works on; None where nobody looked.
    active: set[bytes] | None = None
    #: Deals that were left because they have no events key.
    never_active: set[bytes] = field(default_factory=set)
    #: Of named deals, those of which checkpoints were kept.
    kept: set[bytes] = field(default_factory=set)
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
    #: Whether all servers were gone through to the end.
    complete: bool = False
    #: Told of deals as it goes; the children tell it too. None where nobody writes it down.
    log: DealLog | None = None
    meeting: Meeting = field(default_factory=Meeting)
    tracker: Tracker = field(default_factory=Tracker)
    #: Counts of a server or a pass that are not added yet.
    children: list[Tally] = field(default_factory=list)
    #: The count that goes before a purge with a limit.
    count_before: Tally | None = None

    def child(self) -> Tally:
        """A tally of its own for one server and pass, which may come to nothing."""
        self.children.append(Tally(log=self.log))
        return self.children[-1]

    def forget(self, since: int) -> None:
        """Drop the children from number ``since`` on, but for how far they went."""
        for child in self.children[since:]:
            counts = child.progress()
            self.walked += counts.scanned
            self.walked_total += counts.total
        del self.children[since:]

    def forget_scan(self) -> None:
        """Drop what another scan of the same keys has counted already, but for how far it went."""
        self.walked += self.scanned
        self.walked_total += self.total
        self.scanned = self.total = self.matched = self.checkpoints_kept = self.unattributed = 0
        self.unclaimed, self.unclaimed_sample = None, []

    def keep_deletes(self) -> None:
        """Keep what was done and forget what was left: the servers are gone over again, and it will be found again."""
        self.not_removed = self.checkpoints_kept = self.unattributed = 0
        self.unclaimed = None if self.unclaimed is None else 0
        self.matched_deals -= self.skipped.keys() | self.never_active | self.untouched - self.begun
        self.begun |= self.matched_deals
        for left in (self.unclaimed_sample, self.unremoved_deals, self.skipped, self.untouched, self.interrupted):
            left.clear()
        self.left.clear()
        self.never_active.clear()

    def keep_count(self, counted: Tally) -> None:
        """Take in what was counted and then not touched."""
        counted.add_up_children()
        counted.untouched |= counted.going()
        counted.families.clear()
        self.children.append(counted)

    def would_go(self) -> tuple[int, int]:
        """Deals and keys that the purge would delete whose dry run this is."""
        return len(without_namesakes(self.matched_deals) & self.going()), sum(self.families.values())

    def going(self) -> set[bytes]:
        """The deals that are to be purged, or were."""
        left = self.skipped.keys() | self.never_active | self.interrupted | self.unremoved_deals | self.untouched
        return self.matched_deals - left

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

    def progress(self) -> Counts:
        """How far it is while it goes on. Keys that are to go are fewer where some went by themselves, or stay."""
        own = Counts(
            self.scanned + self.walked,
            self.total + self.walked_total,
            self.deleted,
            self.judged,
            self.to_judge,
            self.to_delete - self.vanished - self.not_removed,
        )
        counts = Counts(*map(sum, zip(own, *[child.progress() for child in tuple(self.children)], strict=True)))
        if self.count_before:  # keys are gone over twice; one server after the other tells how many there are
            before = self.count_before.progress()
            return counts._replace(
                scanned=before.scanned + counts.scanned,
                total=before.total + max(counts.total, before.total),
                judged=max(counts.judged, before.judged),
                to_judge=max(counts.to_judge, before.to_judge),
            )
        return counts

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
        self.gone.update(other.gone)
        self.left.update(other.left)
        self.samples.add(other.samples)
        if other.checkpoints is not None:
            self.checkpoints = self.checkpoints or Counter()
            self.checkpoints.update(other.checkpoints)
        self.last_active |= other.last_active
        self.kept |= other.kept
        self.matched_deals |= other.matched_deals
        self.unremoved_deals |= other.unremoved_deals
        self.interrupted |= other.interrupted
        self.skipped |= other.skipped
        self.never_active |= other.never_active
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


def without_namesakes(tokens: set[bytes]) -> set[bytes]:
    """Without org-less tokens whose deal id is also among them with an organisation: those are no deals of their
    own."""
    with_org = {token.rpartition(b":")[2] for token in tokens if b":" in token}
    return {token for token in tokens if b":" in token or token not in with_org}


#: Counts that are added up; annotations are strings here.
_SUMS = tuple(item.name for item in fields(Tally) if item.type == "int")
