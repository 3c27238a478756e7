"""The rows of a run's deals: written as the run goes, and what became of each once more at its end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from itertools import islice
from typing import Any

from django.db.models import QuerySet

from dealpurge.keys.families import make_token, split_token
from dealpurge.models import PurgeRun, PurgeRunDeal
from dealpurge.runs.database import ROWS_AT_ONCE, alias, bounded

#: Rows that are written at once.
BATCH = ROWS_AT_ONCE
Outcome = PurgeRunDeal.Outcome
SKIPPED = (Outcome.SKIPPED_ACTIVE, Outcome.SKIPPED_NEVER_ACTIVE)

#: A row's key, where the database tells it of new ones, and its outcome.
Row = tuple[int | None, str]


class DealRows:
    """A row for each deal that a run has touched or left, by the deal's token. What is noted waits for its batch."""

    def __init__(self, run: PurgeRun) -> None:
        self.run = run
        self._rows = PurgeRunDeal.objects.using(alias())
        #: None: the row is to go.
        self._waiting: dict[bytes, str | None] = {}
        self._written: dict[bytes, Row] = {}
        #: Whether it is unknown if the last batch was committed.
        self._doubtful = False

    @property
    def waiting(self) -> int:
        """Deals of which the database does not know yet what is true of them."""
        return len(self._waiting)

    def note(self, outcomes: Iterable[tuple[bytes, str]]) -> None:
        """What is true of deals from now on. One that may have lost keys is never merely skipped."""
        for token, outcome in outcomes:
            known = self._known(token)
            if outcome in SKIPPED and known not in (None, *SKIPPED):
                outcome = Outcome.INTERRUPTED
            if outcome != known:
                self._waiting[token] = outcome

    def settle(self, outcomes: Mapping[bytes, str]) -> None:
        """What is true at the end. An org-less token without an outcome is no deal of its own, as it turned out."""
        # In the order of their rows, which are found by ranges of keys then.
        self.note((token, outcomes[token]) for token in self._written if token in outcomes)
        self.note(outcomes.items())
        others = (self._written.keys() | self._waiting.keys()) - outcomes.keys()
        self._waiting |= dict.fromkeys(token for token in others if b":" not in token)

    def write(self) -> Mapping[bytes, Row | None]:
        """Write a batch inside the caller's transaction; to be confirmed once that is committed."""
        batch = dict(islice(self._waiting.items(), BATCH))
        if self._doubtful:  # a COMMIT that reported a lost connection may have been carried out
            self._written |= self._stored(batch)
        self._doubtful = True
        new = [(token, outcome) for token, outcome in batch.items() if outcome and token not in self._written]
        changed = {token: outcome for token, outcome in batch.items() if token in self._written}
        return dict.fromkeys(batch) | self._change(changed) | self._insert(new)

    def confirm(self, written: Mapping[bytes, Row | None]) -> None:
        """That batch is committed."""
        for token, row in written.items():
            if row:
                self._written[token] = row
            else:
                self._written.pop(token, None)
            if self._waiting[token] == (row and row[1]):
                del self._waiting[token]
        self._doubtful = False  # not before: an interruption in here leaves part of the batch waiting

    def recover(self) -> None:
        """Have written again what was committed and is gone: a replica may have taken over that was behind."""
        rows = self._rows.filter(run=self.run)
        with bounded():
            if not self._written or rows.count() == len(self._written):
                return
            stored = _by_token(rows)
        self._waiting |= {
            token: outcome
            for token, (_, outcome) in self._written.items()
            if token not in stored or stored[token][1] != outcome
        }
        self._written = stored

    def _known(self, token: bytes) -> str | None:
        if token in self._waiting:
            return self._waiting[token]
        return self._written[token][1] if token in self._written else None

    def _insert(self, new: Collection[tuple[bytes, str]]) -> dict[bytes, Row | None]:
        key = self.run.pk
        # By their places, in half of the time that names take.
        rows = (PurgeRunDeal(None, key, *split_token(token), outcome) for token, outcome in new)  # type: ignore[misc]
        made = self._rows.bulk_create(rows)
        return {token: (row.pk, row.outcome) for (token, _), row in zip(new, made, strict=True)}

    def _change(self, changed: Mapping[bytes, str | None]) -> dict[bytes, Row | None]:
        keys = {token: self._written[token][0] for token in changed}
        unknown = [token for token, key in keys.items() if key is None]
        if unknown:
            keys |= {token: key for token, (key, _) in self._stored(unknown).items()}
        by_outcome: defaultdict[str | None, list[Any]] = defaultdict(list)
        for token, outcome in changed.items():
            if keys[token] is not None:
                by_outcome[outcome].append(keys[token])
        for outcome, pks in by_outcome.items():
            low, high = min(pks), max(pks)
            rows = self._rows.filter(pk__range=(low, high)) if high - low < len(pks) else self._rows.filter(pk__in=pks)
            if outcome:
                rows.update(outcome=outcome)
            else:
                rows.delete()
        return {token: (keys[token], outcome) if outcome else None for token, outcome in changed.items()}

    def _stored(self, tokens: Collection[bytes]) -> dict[bytes, Row]:
        """Those of the deals that have rows; told apart here, since some databases compare without regard to case."""
        deal_ids = {split_token(token)[1] for token in tokens}
        found = _by_token(self._rows.filter(run=self.run, deal_id__in=deal_ids))
        return {token: found[token] for token in tokens if token in found}


def _by_token(rows: QuerySet[PurgeRunDeal]) -> dict[bytes, Row]:
    values = rows.values_list("org_id", "deal_id", "pk", "outcome")
    return {make_token(org_id, deal_id): (key, outcome) for org_id, deal_id, key, outcome in values}
