"""A run that waits for Redis for longer than others wait for it."""

from __future__ import annotations

import socket
from datetime import timedelta
from itertools import pairwise

import pytest
import redis
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from dealpurge import services
from dealpurge.engine import inventory as engine_inventory
from dealpurge.models import PurgeRun
from dealpurge.runs import inventory, record, termination
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from dealpurge.servers import backoff, sockets
from tests.conftest import PointCacheAt
from tests.support.scripted import ScriptedServer
from tests.support.seeding import key_of, seed_deal
from tests.support.servers import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_page_that_takes_minutes_is_no_reason_to_take_the_run_for_lost(
    cache_at: PointCacheAt, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in ((record, "HEARTBEAT_SECONDS"), (backoff, "ASK_EVERY"), (sockets, "SLICE")):
        monkeypatch.setattr(module, name, 0.05)
    lost = list[int]()

    def deliver(peer: socket.socket, words: list[bytes], answer: bytes) -> None:
        """Two minutes pass in the middle of every page, and whoever cleans up comes by."""
        if words[0] == b"SCAN":
            peer.sendall(answer[: len(answer) // 2])
            answer = answer[len(answer) // 2 :]
            let_pass = timezone.now() - timedelta(minutes=2)
            PurgeRun.objects.update(heartbeat_at=let_pass)
            try:
                wait_until(lambda: not PurgeRun.objects.filter(heartbeat_at=let_pass).exists(), seconds=3)
            finally:
                lost.append(termination.fail_lost_runs())
                connections.close_all()
        peer.sendall(answer)

    keys = [key_of("image_crops", "acme", "deal-1", number) for number in range(250)]
    with ScriptedServer(keys, deliver=deliver) as server:
        cache_at(server.url)

        report = services.purge_deals(mode="all", dry_run=False)

    assert lost == [0, 0, 0]
    assert (report.keys.deleted, server.keys) == (250, {})
    assert PurgeRun.objects.get().status == "completed"


def test_an_inventory_gives_signs_of_life_while_its_rows_are_stored(
    valkey_settings: Settings, valkey_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "HEARTBEAT_SECONDS", 0)
    for module, name in ((engine_inventory, "JUDGED_AT_ONCE"), (inventory, "ROWS_AT_ONCE")):
        monkeypatch.setattr(module, name, 10)
    for number in range(50):
        seed_deal(valkey_client, "acme", f"d{number}")

    with CaptureQueriesContext(connection) as queries:
        services.queue(PurgeScope(mode="all", dry_run=True), Origin(source="api"), inventory=True)

    sent = [" ".join(query["sql"].split()[:3]).replace('"', "") for query in queries]
    stored = [place for place, words in enumerate(sent) if words == "INSERT INTO dealpurge_inventorydeal"]
    assert len(stored) == 5
    assert all("UPDATE dealpurge_purgerun SET" in sent[one:next_one] for one, next_one in pairwise(stored))
