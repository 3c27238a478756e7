from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.benchmarks.__main__ import Rounds, go_round, server_with
from tests.benchmarks.dataset import KEYS_PER_DEAL
from tests.support.samples import sample
from tests.support.servers import RedisServer

HUNDRED_THOUSAND = 100_300


def deals() -> int:
    """How many to measure on, with 59 keys each: of a million with --long, else half as many."""
    return sample(8_500, 17_000)


@pytest.fixture(scope="package")
def million() -> Iterator[RedisServer]:
    """A server with a million keys or half as many, which every measurement restores."""
    with server_with(deals() * KEYS_PER_DEAL) as server:
        yield server


@pytest.fixture(scope="package")
def rounds_of_all(million: RedisServer) -> Rounds:
    """Rounds of ours beside the floor."""
    return go_round(million, ["floor", "sweep", "guarded"], sample(5, 7), watched=False)


@pytest.fixture(scope="package")
def rounds_of_one(million: RedisServer) -> Rounds:
    """Rounds of one deal beside a bare SCAN."""
    return go_round(million, ["raw SCAN", "by_deal", "guarded by_deal"], sample(5, 7), watched=False)


@pytest.fixture(scope="package")
def rounds_archived(million: RedisServer) -> Rounds:
    """Rounds of purges that keep what they delete."""
    return go_round(million, ["floor", "sweep, archived", "guarded, archived"], sample(3, 5), watched=False)
