"""Which keys of a page go: claimed again in Python, whatever MATCH the server was given, and counted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import compress

from dealpurge.engine.limits import Budget
from dealpurge.engine.sweep.deal_log import INTERRUPTED, DealNote
from dealpurge.engine.sweep.tally import Tally
from dealpurge.engine.sweep.unlink import Removal
from dealpurge.i18n import gettext_noop
from dealpurge.keys.families import CHECKPOINTS, Keyspace, make_token
from dealpurge.keys.matching import Batch, Claimer
from dealpurge.scope import PurgeScope

#: SCAN repeats a key only after the server's table shrank, and then one of those it returned last.
REMEMBERED = 400
NAMESAKE_WARNING = gettext_noop(
    "Keys of the same deal id in another organisation were left alone: {}.", code="namesakes_left"
)
THREAD_WARNING = gettext_noop(
    "Checkpoint keys that carry the id of these deals read as those of others, and were left: {}. "
    "If they are theirs, DEALPURGE_CHECKPOINT_THREAD is not how the host names its threads.",
    code="checkpoints_of_others",
)
ORGANISATION_WARNING = gettext_noop(
    "What was named as a deal is also an organisation: {}. If checkpoint threads are named org:deal, all checkpoints "
    "of the organisation read as this deal's: set DEALPURGE_CHECKPOINT_THREAD to '{{org_id}}:{{deal_id}}'.",
    code="deal_is_organisation",
)


class Selection:
    """Takes page after page of one server and returns what goes, within the ``budget`` if there is one. Counts into
    ``tally``."""

    def __init__(self, scope: PurgeScope, keyspace: Keyspace, tally: Tally, budget: Budget | None = None) -> None:
        self.scope = scope
        self.keyspace = keyspace
        self.tally = tally
        self.budget = budget
        self.selects = selector(scope)
        self._claimer = Claimer(keyspace, strangers=bool(scope.single))
        self._checkpoints = keyspace.index(CHECKPOINTS)
        threads = keyspace.families[CHECKPOINTS].templates if self._checkpoints >= 0 else ()
        self._orgless_threads = not all(item.has_org for item in threads)
        self._recent: set[bytes] = set()
        self._older: set[bytes] = set()
        self._named = {deal.encode() for _, deal in scope.deals}
        if scope.dry_run and scope.include_checkpoints and self._checkpoints >= 0:
            tally.checkpoints = Counter()
        if scope.single:
            tally.unclaimed = tally.unclaimed or 0

    def fresh(self, page: Sequence[bytes]) -> Sequence[bytes]:
        """The keys of a page that were not in one of the last pages."""
        keys = set(page)
        if not keys.isdisjoint(self._recent) or not keys.isdisjoint(self._older):
            keys -= self._recent
            keys -= self._older
        if len(keys) >= REMEMBERED:
            self._recent, self._older = keys, set()
        elif len(self._recent) >= REMEMBERED:
            self._recent, self._older = keys, self._recent
        else:
            self._recent |= keys
        return page if len(keys) == len(page) else [key for key in dict.fromkeys(page) if key in keys]

    def claim(self, keys: Sequence[bytes]) -> list[Batch]:
        """Every key that a family claims, whoever's it is."""
        fast, slow, unclaimed = self._claimer.claim(keys)
        if self.tally.unclaimed is not None:
            self.tally.note_unclaimed([key for key in unclaimed if not self._named.isdisjoint(_segments(key))])
        return [fast, slow]

    def take(self, keys: Sequence[bytes]) -> Batch:
        """The keys that the scope asks for, counted. Raises ``LimitExceeded``."""
        fast, slow = map(self.narrow, self.claim(keys))
        if self.budget:
            self.budget.take({*fast.tokens, *slow.tokens}, len(fast.keys) + len(slow.keys))
        met = {*fast.tokens, *slow.tokens} - self.tally.matched_deals
        self.tally.matched_deals |= met
        if self.tally.log and met:
            self.tally.log.add(met, DealNote(INTERRUPTED))
        return Batch(fast.keys + slow.keys, fast.families + slow.families, fast.tokens + slow.tokens)

    def narrow(self, batch: Batch) -> Batch:
        """Those of the claimed keys that the scope asks for, counted."""
        if self.scope.mode == "by_deal" or self.scope.org_id is not None:
            self._look_around(batch)
            batch = Batch.of([row for row in batch.rows() if self.selects(row[2])])
        if not self.scope.include_checkpoints and self._checkpoints in batch.families:
            rows = [row for row in batch.rows() if row[1] != self._checkpoints]
            if self._named:
                self.tally.kept.update(token for _, family, token in batch.rows() if family == self._checkpoints)
            self.tally.checkpoints_kept += len(batch.keys) - len(rows)
            batch = Batch.of(rows)
        self.tally.matched += len(batch.keys)
        return batch

    def count_families(self, families: Iterable[int] | Mapping[int, int]) -> None:
        """Add keys, or numbers of keys, to the counts of their families."""
        self.tally.families.update(families)

    def count_matched(self, batch: Batch) -> None:
        """Count what a purge would delete."""
        counts = Counter(batch.families)
        self.count_families(counts)
        self.tally.left.update(batch.tokens)
        self.tally.samples.take(batch, counts)
        if self.tally.checkpoints is not None and counts[self._checkpoints]:
            chosen = map(self._checkpoints.__eq__, batch.families)
            self.tally.checkpoints.update(compress(batch.tokens, chosen))

    def count_removal(self, batch: Batch, removal: Removal) -> None:
        """Count what became of a batch."""
        tally = self.tally
        gone = len(batch.keys) - len(removal.left)
        tally.deleted += removal.deleted
        tally.vanished += max(gone - removal.deleted, 0)
        tally.not_removed += len(removal.left)
        if not removal.left:
            self.count_families(batch.families)
            tally.gone.update(batch.tokens)
            return
        keys = set(removal.left)
        self.count_families(family for key, family, _ in batch.rows() if key not in keys)
        left = Counter(token for key, _, token in batch.rows() if key in keys)
        tally.gone.update(Counter(batch.tokens) - left)
        tally.left.update(left)
        tally.unremoved_deals |= left.keys()

    def _look_around(self, batch: Batch) -> None:
        """Count what an organisation filter leaves; warn of what may be mistaken for a named deal, or the reverse."""
        if self.scope.mode == "all":
            self.tally.unattributed += sum(1 for token in batch.tokens if b":" not in token)
            return
        for token in set(batch.tokens):
            org_id, colon, deal_id = token.rpartition(b":")
            if colon and deal_id in self._named and not self.selects(token):
                self.tally.warn(NAMESAKE_WARNING, org_id + b" " + deal_id)
            if org_id in self._named and self.scope.include_checkpoints and self._orgless_threads:
                self.tally.warn(ORGANISATION_WARNING, org_id)
        if self._checkpoints in batch.families:
            misread = set(self._misread(batch))
            if misread:
                self.tally.warn(THREAD_WARNING, *misread)

    def _misread(self, batch: Batch) -> Iterator[bytes]:
        """Named deals whose checkpoints stand where another template of threads would have put them."""
        for key, family, token in batch.rows():
            if family != self._checkpoints or self.selects(token):
                continue
            org_id, colon, _ = token.rpartition(b":")
            if colon and org_id in self._named:
                yield org_id
            elif not colon:
                below = key.partition(b":" + token + b":")[2].partition(b":")[0]
                if below in self._named and self.selects(token + b":" + below):
                    yield below


def selector(scope: PurgeScope) -> Callable[[bytes], bool]:
    """Tells from a deal's token whether it is in scope."""
    if scope.mode == "all":
        if scope.org_id is None:
            return lambda token: True
        head = make_token(scope.org_id, "")
        return lambda token: token.startswith(head)
    anywhere = {deal.encode() for org, deal in scope.deals if org is None}
    exactly = {make_token(org, deal) for org, deal in scope.deals}
    # Keys without an organisation go with the deal that was named.
    exactly |= {deal.encode() for _, deal in scope.deals}
    return lambda token: token in exactly or token.rpartition(b":")[2] in anywhere


def _segments(key: bytes) -> list[bytes]:
    """The key's parts between colons and braces, without the ``:1:`` that Django's cache puts in front."""
    segments = key.split(b":")
    versioned = len(segments) > 2 and not segments[0] and segments[1].isdigit()
    return re.split(rb"[:{}]", b":".join(segments[2:] if versioned else segments))
