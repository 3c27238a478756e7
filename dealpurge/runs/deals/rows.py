"""The rows of a run's deals: written as the run goes, and what became of each once more at its end."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from django.db.models import QuerySet

from dealpurge.engine.sweep.deal_log import DealNote
from dealpurge.keys.families import make_token, split_token
from dealpurge.models import PurgeRun, PurgeRunDeal
from dealpurge.runs.database import ROWS_AT_ONCE, alias, bounded

#: Rows that are written at once.
BATCH = ROWS_AT_ONCE
Outcome = PurgeRunDeal.Outcome
SKIPPED = (Outcome.SKIPPED_ACTIVE, Outcome.SKIPPED_NEVER_ACTIVE)

#: A row's key, where the database tells it of new ones, and what it says.
Row = tuple[int | None, DealNote]


class DealRows:
    """A row for each deal that a run has touched or left, by the deal's token. What is noted waits for its batch."""

    def __init__(self, run: PurgeRun) -> None:
        self.run = run
        self._rows = PurgeRunDeal.objects.using(alias())
        #: None: the row is to go.
        self._waiting: dict[bytes, DealNote | None] = {}
        self._written: dict[bytes, Row] = {}
        #: Rows that are written, by what they say.
        self.outcomes = Counter[str]()
        #: Whether it is unknown if the last batch was committed.
        self._doubtful = False

    @property
    def waiting(self) -> int:
        """Deals of which the database does not know yet what is true of them."""
        return len(self._waiting)

    @property
    def written(self) -> int:
        """Rows that are written."""
        return len(self._written)

    @property
    def new(self) -> int:
        """Deals that have no row yet."""
        return len(self._waiting.keys() - self._written.keys())

    def note(self, notes: Iterable[tuple[bytes, DealNote]]) -> None:
        """What is true of deals from now on. One that may have lost keys is never merely skipped."""
        for token, note in notes:
            known = self._known(token)
            if note.outcome in SKIPPED and known and known.outcome not in SKIPPED:
                note = note._replace(outcome=Outcome.INTERRUPTED)
            if note != known:
                self._waiting[token] = note

    def settle(self, notes: Mapping[bytes, DealNote]) -> None:
        """What is true at the end. An org-less token without a note is no deal of its own, as it turned out."""
        # What is true of many is written of all of them at once.
        self.note(sorted(notes.items(), key=lambda item: [-1 if part is None else part for part in item[1][1:]]))
        others = (self._written.keys() | self._waiting.keys()) - notes.keys()
        self._waiting |= dict.fromkeys(token for token in others if b":" not in token)

    def write(self) -> Mapping[bytes, Row | None]:
        """Write a batch inside the caller's transaction; to be confirmed once that is committed."""
        batch = dict(islice(self._waiting.items(), BATCH))
        if self._doubtful:  # a COMMIT that reported a lost connection may have been carried out
            for token, row in self._stored(batch).items():
                self._know(token, row)
        self._doubtful = True
        new = [(token, note) for token, note in batch.items() if note and token not in self._written]
        changed = {token: note for token, note in batch.items() if token in self._written}
        return dict.fromkeys(batch) | self._change(changed) | self._insert(new)

    def confirm(self, written: Mapping[bytes, Row | None]) -> None:
        """That batch is committed."""
        for token, row in written.items():
            self._know(token, row)
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
            token: note for token, (_, note) in self._written.items() if token not in stored or stored[token][1] != note
        }
        self._written = stored
        self.outcomes = Counter(note.outcome for _, note in stored.values())

    def _known(self, token: bytes) -> DealNote | None:
        if token in self._waiting:
            return self._waiting[token]
        return self._written[token][1] if token in self._written else None

    def _know(self, token: bytes, row: Row | None) -> None:
        before = self._written.pop(token, None)
        if before:
            self.outcomes[before[1].outcome] -= 1
        if row:
            self._written[token] = row
            self.outcomes[row[1].outcome] += 1

    def _insert(self, new: Collection[tuple[bytes, DealNote]]) -> dict[bytes, Row | None]:
        key = self.run.pk
        # By their places, in half of the time that names take.
        values = ((*split_token(token), *note[:3], _moment(note), note.checkpoints) for token, note in new)
        rows = (PurgeRunDeal(None, key, *row) for row in values)  # type: ignore[misc]
        made = self._rows.bulk_create(rows)
        return {token: (row.pk, note) for (token, note), row in zip(new, made, strict=True)}

    def _change(self, changed: Mapping[bytes, DealNote | None]) -> dict[bytes, Row | None]:
        rows = {token: self._written[token] for token in changed}
        if any(key is None for key, _ in rows.values()):
            rows = self._stored(changed)
        by_note: defaultdict[DealNote | None, list[Any]] = defaultdict(list)
        for token, (key, _) in rows.items():
            by_note[changed[token]].append(key)
        for note, keys in by_note.items():
            low, high = min(keys), max(keys)
            in_a_row = high - low < len(keys)
            some = self._rows.filter(**{"pk__range": (low, high)} if in_a_row else {"pk__in": keys})
            if note:
                some.update(**_columns(note))
            else:
                some.delete()
        return {token: (key, note) if (note := changed[token]) else None for token, (key, _) in rows.items()}

    def _stored(self, tokens: Collection[bytes]) -> dict[bytes, Row]:
        """Those of the deals that have rows; told apart here, since some databases compare without regard to case."""
        deal_ids = {split_token(token)[1] for token in tokens}
        found = _by_token(self._rows.filter(run=self.run, deal_id__in=deal_ids))
        return {token: found[token] for token in tokens if token in found}


def _by_token(rows: QuerySet[PurgeRunDeal]) -> dict[bytes, Row]:
    values = rows.values_list(
        "org_id", "deal_id", "pk", "outcome", "keys_deleted", "keys_left", "last_active_at", "checkpoints"
    )
    return {
        make_token(org_id, deal_id): (key, DealNote(outcome, deleted, left, _milliseconds(moment), checkpoints))
        for org_id, deal_id, key, outcome, deleted, left, moment, checkpoints in values
    }


def _columns(note: DealNote) -> dict[str, Any]:
    return {
        "outcome": note.outcome,
        "keys_deleted": note.keys_deleted,
        "keys_left": note.keys_left,
        "last_active_at": _moment(note),
        "checkpoints": note.checkpoints,
    }


def _moment(note: DealNote) -> datetime | None:
    return None if note.last_active is None else datetime.fromtimestamp(note.last_active / 1000, UTC)


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)
