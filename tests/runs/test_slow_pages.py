"""A run that waits for Redis for longer than others wait for it."""

from __future__ import annotations

import socket
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from dealpurge import services
from dealpurge.models import PurgeRun
from dealpurge.runs import record, termination
from dealpurge.servers import backoff, sockets
from tests.conftest import PointCacheAt
from tests.support.scripted import ScriptedServer
from tests.support.seeding import key_of
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
