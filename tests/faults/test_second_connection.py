"""A guarded purge with a connection that looks ahead: lost for good, or led to another process."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from pytest_django.fixtures import Settings

from dealpurge.engine.guard import guarded_pass, lookahead
from dealpurge.engine.guard.lookahead import Scout
from dealpurge.servers.connection import Link
from tests.conftest import PointCacheAt, start_server
from tests.support.proxy import CuttingProxy
from tests.support.purging import HOUR, existing, names, purge, seed_deal
from tests.support.servers import RedisServer

pytestmark = pytest.mark.faults


@pytest.fixture(autouse=True)
def _always(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second connection, few keys or many, and many looks."""
    monkeypatch.setattr(guarded_pass, "KEYS_FOR_TWO", 1)
    monkeypatch.setattr(lookahead, "LOOKED_AT_ONCE", 4)


def at_step(monkeypatch: pytest.MonkeyPatch, number: int, happens: Callable[[Link], object]) -> list[int]:
    """Let something happen to the second connection before a step of its looks; how many steps there were."""
    step, steps = Scout._step, list[int]()

    def stepping(self: Scout) -> None:
        steps.append(len(steps))
        if len(steps) == number:
            happens(self.link)
        step(self)

    monkeypatch.setattr(Scout, "_step", stepping)
    return steps


def test_it_is_lost_and_cannot_be_had_again(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.DEALPURGE_RETRY_SECONDS = 2
    for number in range(100):
        seed_deal(client, "acme", f"d{number:03}", age=2 * HOUR)

    def lose(link: Link) -> None:
        client.config_set("maxclients", str(int(client.info("clients")["connected_clients"]) - 1))
        link._connection._sock.shutdown(socket.SHUT_RDWR)

    steps = at_step(monkeypatch, 8, lose)
    try:
        report = purge(exclude_active_within_secs=HOUR)
    finally:
        client.config_set("maxclients", "10000")

    assert len(steps) >= 8
    assert (report.status, report.deals.purged, client.dbsize()) == ("completed", 100, 0)


def test_it_would_lead_to_another_process(
    server: RedisServer, client: redis.Redis, cache_at: PointCacheAt, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What another server says of a deal's activity is nothing to go by, so the first connection goes on alone."""
    deals = [f"d{number:03}" for number in range(60)]
    kept = {key for deal in deals[30:] for key in seed_deal(client, "acme", deal, age=1)}
    gone = [key for deal in deals[:30] for key in seed_deal(client, "acme", deal, age=2 * HOUR)]
    other = start_server(server.kind, tmp_path / "other")
    try:
        with CuttingProxy(server.address) as proxy:
            cache_at(proxy.url)

            def lead_astray(link: Link) -> None:
                proxy.target = other.address
                link._connection._sock.shutdown(socket.SHUT_RDWR)

            steps = at_step(monkeypatch, 8, lead_astray)
            report = purge(exclude_active_within_secs=HOUR)
    finally:
        other.stop()
    assert len(steps) in (8, 9)
    assert kept == names(client)
    assert existing(client, gone) == 0
    assert any(warning.startswith("A Redis server was replaced") for warning in report.warnings)
