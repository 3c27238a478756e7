"""What the record of a purge costs besides the purge, on the database of the settings."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from dealpurge.engine.sweep.deal_log import DealNote
from dealpurge.runs import store
from dealpurge.runs.record import RunRecord
from tests.support.runs import ONE, ORIGIN, report_of

pytestmark = [pytest.mark.bench, pytest.mark.django_db(transaction=True)]

DEALS, PAGE = 20_000, 250
#: Seconds for all of them, as they are met and once more at the end.
MOST = 1.5


def seconds() -> Iterator[float]:
    """The record of a sweep that meets so many deals at once, five times over."""
    tokens = [f"org{number % 40:03}:{number * 2654435761 % 2**32:08x}".encode() for number in range(DEALS)]
    for _ in range(5):
        run = store.create(ONE, ORIGIN)
        record, start = RunRecord(run), time.perf_counter()
        for place in range(0, DEALS, PAGE):
            page = tokens[place : place + PAGE]
            record.keep_up(
                [(token, DealNote("interrupted")) for token in page], scanned=place, total=DEALS, deleted=place
            )
        record.finish(report_of(run), total=DEALS, error="", notes=dict.fromkeys(tokens, DealNote("purged", 47, 0)))
        yield time.perf_counter() - start
        assert run.run_deals.filter(outcome="purged").count() == DEALS


def test_the_record_of_a_deal_costs_microseconds() -> None:
    took = [*seconds()]

    assert min(took) < MOST, took
