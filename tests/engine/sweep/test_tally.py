from __future__ import annotations

import pytest

from dealpurge.engine.sweep.tally import Tally


def outcomes(tally: Tally) -> dict[bytes, str]:
    return {token: note.outcome for token, note in tally.notes().items()}


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

    assert tally.progress() == (0, 0, 3)


def test_a_deal_that_was_found_active_has_had_its_turn() -> None:
    tally = Tally(matched_deals={b"acme:1", b"acme:2"}, untouched={b"acme:1", b"acme:2"})

    tally.keep_active({b"acme:1": None})

    assert outcomes(tally) == {b"acme:1": "skipped_active"}


def test_keys_without_an_organisation_are_told_of_where_the_deals_of_their_id_had_no_turn() -> None:
    tally = Tally(matched_deals={b"1", b"acme:1"}, untouched={b"acme:1"})
    assert outcomes(tally) == {b"1": "purged"}

    tally.untouched.clear()
    assert outcomes(tally) == {b"acme:1": "purged"}
