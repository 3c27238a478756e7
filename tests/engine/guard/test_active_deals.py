"""What is remembered of deals that were seen active, and handed on to be written down."""

from __future__ import annotations

from dealpurge.engine.guard.active_deals import ActiveDeals


def test_a_deal_that_was_begun_stays_so_in_the_record_when_a_later_pass_meets_it() -> None:
    written: list[dict[bytes, bool]] = []
    deals = ActiveDeals(lambda active: written.append(dict(active)))
    for _ in range(2):
        deals.begin_pass()
        deals.note(b"acme:1", 5, {b"acme:1": 5}, [b"acme:1"])
        if not written:
            deals.note_interrupted(b"acme:1")
        deals.write_down()

    assert written == [{b"acme:1": True}, {b"acme:1": True}]
