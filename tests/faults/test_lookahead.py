"""A guarded purge whose connection leads to another process, with a look at the next deals under way."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import redis

from dealpurge.engine.guard import lookahead
from dealpurge.engine.guard.lookahead import LookAhead
from tests.conftest import PointCacheAt, start_server
from tests.support.proxy import CuttingProxy
from tests.support.purging import purge
from tests.support.seeding import HOUR, existing, key_of, names, seed_deal
from tests.support.servers import RedisServer

pytestmark = pytest.mark.faults

DEALS = [f"d{number:03}" for number in range(60)]


@pytest.mark.parametrize("stage", [2, 5, 8])
def test_what_one_server_said_is_nothing_to_go_by_at_another(
    server: RedisServer,
    client: redis.Redis,
    cache_at: PointCacheAt,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    stage: int,
) -> None:
    """Deals that are idle at the first one are worked on at the second, and the other way round."""
    monkeypatch.setattr(lookahead, "JUDGED_AT_ONCE", 4)
    for place, deal in enumerate(DEALS):
        seed_deal(client, "acme", deal, age=2 * HOUR if place % 2 else 1)
    other = start_server(server.kind, tmp_path / "other")
    ask, looks = LookAhead.questions, list[int]()
    try:
        with other.client(client_name="test") as there, CuttingProxy(server.address) as proxy:
            kept = {key for deal in DEALS[1::2] for key in seed_deal(there, "acme", deal, age=1)}
            gone = [key for deal in DEALS[::2] for key in seed_deal(there, "acme", deal, age=2 * HOUR)]
            cache_at(proxy.url)

            def lead_astray(self: LookAhead) -> Any:
                questions = ask(self)
                looks.extend([len(questions)] if questions else [])
                if questions and len(looks) == stage:
                    proxy.target = other.address
                    self._activity.connection._connection._sock.shutdown(socket.SHUT_RDWR)
                return questions

            monkeypatch.setattr(LookAhead, "questions", lead_astray)
            report = purge(exclude_active_within_secs=HOUR)

            assert len(looks) > stage
            # Who was seen active at the first one stays as well, as far as the looks had come there.
            left = {deal for deal in DEALS if existing(there, [key_of("locks", "acme", deal)])}
            assert kept <= names(there)
            assert left - {*DEALS[1::2]} <= {*DEALS[: 4 * stage : 2]}
            # Deals that had gone at the first one were interrupted.
            assert len(left) == report.deals.skipped_active + report.deals.interrupted
            assert {deal.deal_id for deal in report.skipped} <= left
            assert existing(there, gone[-5:]) == 0
            assert any(warning.startswith("A Redis server was replaced") for warning in report.warnings)
    finally:
        other.stop()
