from __future__ import annotations

import pytest

from dealpurge.engine import purging
from dealpurge.engine.passes import Passes
from dealpurge.engine.sweep.deal_log import DealNote
from dealpurge.engine.sweep.fates import notes_of
from dealpurge.engine.sweep.tally import Tally
from tests.support.purging import carry_out


def outcomes(tally: Tally) -> dict[bytes, str]:
    return {token: note.outcome for token, note in notes_of(tally).items()}


@pytest.mark.parametrize(("active", "outcome"), [(True, "interrupted"), (False, "purged")])
def test_a_deal_that_a_fault_left_half_way_is_judged_by_the_next_pass(active: bool, outcome: str) -> None:
    tally = Tally()
    first = tally.child()
    first.matched_deals.add(b"acme:d1")
    first.interrupted.add(b"acme:d1")

    first.keep_deletes()
    second = tally.child()
    second.matched_deals.add(b"acme:d1")
    if active:
        second.skipped[b"acme:d1"] = None
    tally.add_up_children()

    assert outcomes(tally) == {b"acme:d1": outcome}


def test_progress_counts_the_children_of_children() -> None:
    tally = Tally(deleted=1)
    tally.child().child().deleted = 2

    assert tally.progress()[:3] == (0, 0, 3)


def test_a_deal_that_was_found_active_has_had_its_turn() -> None:
    tally = Tally(matched_deals={b"acme:1", b"acme:2"}, untouched={b"acme:1", b"acme:2"})

    tally.keep_active({b"acme:1": None})

    assert outcomes(tally) == {b"acme:1": "skipped_active"}


def test_keys_without_an_organisation_are_told_of_where_the_deals_of_their_id_had_no_turn() -> None:
    tally = Tally(matched_deals={b"1", b"acme:1"}, untouched={b"acme:1"})
    assert outcomes(tally) == {b"1": "purged"}

    tally.untouched.clear()
    assert outcomes(tally) == {b"acme:1": "purged"}


def test_what_a_pass_left_is_counted_by_the_one_that_goes_over_it_again() -> None:
    tally = Tally()
    first = tally.child()
    first.matched_deals.add(b"acme:1")
    first.gone[b"acme:1"], first.left[b"acme:1"] = 5, 2
    first.unremoved_deals.add(b"acme:1")

    first.keep_deletes()
    second = tally.child()
    second.matched_deals.add(b"acme:1")
    second.gone[b"acme:1"], second.left[b"acme:1"] = 1, 1
    second.unremoved_deals.add(b"acme:1")
    tally.add_up_children()

    assert notes_of(tally) == {b"acme:1": DealNote("not_removed", 6, 1)}


def test_nobody_knows_what_is_left_of_a_deal_that_a_stopped_sweep_met(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(run: Passes) -> None:
        run.tally.matched_deals.add(b"acme:1")
        run.tally.gone[b"acme:1"], run.tally.left[b"acme:1"] = 5, 2  # of those that it came by
        run.tally.cancelled = True

    monkeypatch.setattr(purging, "run_to_end", stop)
    tally = Tally()

    carry_out(tally)

    assert notes_of(tally) == {b"acme:1": DealNote("interrupted", 5, None)}
