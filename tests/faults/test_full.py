"""A Redis whose memory is full: writes are refused, up to 7.0 transactions too, and a purge is what helps."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import redis
from pytest_django.fixtures import Settings
from redis.exceptions import OutOfMemoryError

from dealpurge.engine import transaction
from dealpurge.engine.guard import piecemeal, pipeline
from dealpurge.engine.sweep.unlink import remove as really_remove
from dealpurge.engine.transaction import committed as really_committed
from dealpurge.engine.transaction import send_commit as really_send_commit
from dealpurge.exceptions import RedisUnavailable
from dealpurge.keys.families import Keyspace
from dealpurge.servers import discovery
from dealpurge.servers.connection import ServerConnection
from tests.conftest import start_server
from tests.support.purging import purge, run
from tests.support.seeding import HOUR, existing, names, seed_deal, seed_scene, touch
from tests.support.servers import RedisServer

pytestmark = pytest.mark.faults

#: The one that refuses MULTI when it is full; the others accept it.
REFUSING = "redis"
PLAIN = "went without a transaction"


@pytest.fixture(params=["redis", "valkey", "redis8"])
def server(request: pytest.FixtureRequest, tmp_path: Path, settings: Settings) -> Iterator[RedisServer]:
    """7.0, Valkey 9 and 8.2."""
    settings.DEALPURGE_SCAN_COUNT = 100
    server = start_server(request.param, tmp_path / "server")
    yield server
    server.stop()


def fill(client: redis.Redis) -> None:
    """Leave it no byte: writes are refused, whatever is deleted."""
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", "1")
    with pytest.raises(OutOfMemoryError):
        client.set("one more", "x")


def relieve(client: redis.Redis) -> None:
    client.config_set("maxmemory", "0")


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize("dry_run", [True, False])
def test_a_purge_of_a_full_server(server: RedisServer, client: redis.Redis, guarded: bool, dry_run: bool) -> None:
    scene = seed_scene(client, deals=300, active_every=5 if guarded else 0)
    fill(client)

    outcome = run(guarded=guarded, dry_run=dry_run)

    relieve(client)
    if dry_run:
        assert names(client) == scene.all
    else:
        scene.assert_purged(client)
    assert sum(outcome.report.families.values()) == len(scene.mine)
    assert outcome.report.keys.deleted == (0 if dry_run else len(scene.mine))
    plain = guarded and not dry_run and server.kind == REFUSING
    assert outcome.warned("240 deals " + PLAIN) == plain
    assert len(outcome.report.warnings) == plain


def test_transactions_come_back_with_the_memory(
    server: RedisServer, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, tried = seed_scene(client, deals=100), list[int]()
    fill(client)

    def send_commit(connection: ServerConnection, keys: list[bytes], packed: Sequence[bytes]) -> None:
        tried.append(len(keys))
        if len(tried) == 4:
            relieve(client)
        really_send_commit(connection, keys, packed)

    for module in (transaction, pipeline):
        monkeypatch.setattr(module, "send_commit", send_commit)
    outcome = run(guarded=True)

    scene.assert_purged(client)
    assert outcome.report.keys.deleted == len(scene.mine)
    if server.kind == REFUSING:
        assert tried[0] > 100
        assert tried[:4] == [tried[0] - 6 * refused for refused in range(4)]
        assert sum(tried[3:]) == 600 - 18
        assert outcome.warned("3 deals " + PLAIN)
    else:
        assert sum(tried) == 600
        assert tried[0] > 100
        assert outcome.report.warnings == ()


@pytest.mark.parametrize("server", [REFUSING], indirect=True)
@pytest.mark.parametrize("crops", [3, 2500])
@pytest.mark.parametrize("woken", ["before", "between", "never"])
def test_a_deal_that_wakes_while_it_goes_plainly(
    client: redis.Redis, monkeypatch: pytest.MonkeyPatch, crops: int, woken: str
) -> None:
    """Events go last and are looked at before: who comes back finds the deal whole, or it counts as interrupted."""
    keys, removed = seed_deal(client, "acme", "d1", age=2 * HOUR, image_crops=crops), list[list[bytes]]()
    fill(client)

    def wake() -> None:
        relieve(client)
        touch(client, "acme", "d1")
        fill(client)

    def committed(connection: ServerConnection, batch: list[bytes], replies: list[Any]) -> object:
        try:
            return really_committed(connection, batch, replies)
        finally:
            if woken == "before":
                wake()

    def remove(connection: ServerConnection, batch: list[bytes]) -> object:
        removed.append(batch)
        removal = really_remove(connection, batch)
        if woken == "between" and len(removed) == 1:
            wake()
        return removal

    for module in (transaction, pipeline):
        monkeypatch.setattr(module, "committed", committed)
    monkeypatch.setattr(piecemeal, "remove", remove)
    report = run(guarded=True).report

    relieve(client)
    deals = report.deals
    if woken == "before":
        assert (existing(client, keys), deals.skipped_active, removed) == (len(keys), 1, [])
    elif woken == "between":
        assert (deals.purged, deals.interrupted, report.status) == (0, 1, "partial")
        assert client.xlen("canvas:events:acme:d1") == 2
        assert existing(client, keys) == len(keys) - len(removed[0])
    else:
        assert (existing(client, keys), deals.purged) == (0, 1)
        assert [b"canvas:events:acme:d1" in batch for batch in removed] == [False] * (len(removed) - 1) + [True]
        assert len(removed[-1]) == 1
        assert report.warnings[0].startswith("1 deal " + PLAIN)


@pytest.mark.parametrize("server", [REFUSING], indirect=True)
def test_a_plain_delete_that_is_refused_for_good_is_given_up(
    client: redis.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read that succeeds before every try does not prolong the wait for a server that takes no deletes."""
    settings.DEALPURGE_RETRY_SECONDS = 1
    keys = [key for n in range(3) for key in seed_deal(client, "acme", f"d{n}", age=2 * HOUR)]
    began, probe = time.monotonic(), discovery.probe

    def probing(connection: ServerConnection, keyspace: Keyspace, *, first: bool) -> None:
        probe(connection, keyspace, first=first)
        fill(client)
        client.config_set("min-replicas-to-write", 1)

    monkeypatch.setattr(discovery, "probe", probing)
    try:
        with pytest.raises(RedisUnavailable, match="NOREPLICAS"):
            purge(exclude_active_within_secs=HOUR, keep_going=lambda: time.monotonic() - began < 30)
    finally:
        client.config_set("min-replicas-to-write", 0)

    assert existing(client, keys) == len(keys)
