from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.benchmarks.__main__ import Rounds, go_round, server_with
from tests.support.servers import RedisServer

MILLION = 1_003_000  # 17,000 deals
HUNDRED_THOUSAND = 100_300


@pytest.fixture(scope="package")
def million() -> Iterator[RedisServer]:
    """A server with a million keys, which every measurement restores."""
    with server_with(MILLION) as server:
        yield server


@pytest.fixture(scope="package")
def rounds_of_all(million: RedisServer) -> Rounds:
    """Seven rounds of ours beside the floor."""
    return go_round(million, ["floor", "sweep", "guarded"], 7, watched=False)


@pytest.fixture(scope="package")
def rounds_of_one(million: RedisServer) -> Rounds:
    """Seven rounds of one deal beside a bare SCAN."""
    return go_round(million, ["raw SCAN", "by_deal", "guarded by_deal"], 7, watched=False)
