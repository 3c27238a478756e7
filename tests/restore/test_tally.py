from __future__ import annotations

from dealpurge.engine.restore.tally import RestoreTally, owners_of


def test_another_process_lacks_nothing_before_something_was_written() -> None:
    tally = RestoreTally(phase="read", keys_restored=3)
    tally.note_replaced()
    assert not tally.unfinished

    tally.phase = "write"
    tally.note_replaced()

    assert tally.unfinished


def test_keys_without_an_organisation_are_told_with_the_only_deal_of_that_id() -> None:
    assert owners_of([b"1", b"acme:1", b"2", b"acme:2", b"birch:2", b"3"]) == {
        b"1": b"acme:1",
        b"acme:1": b"acme:1",
        b"2": b"2",
        b"acme:2": b"acme:2",
        b"birch:2": b"birch:2",
        b"3": b"3",
    }
