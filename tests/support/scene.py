"""A keyspace with deals and strangers, a purge of it with a fault in its middle, and what must hold afterwards."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import redis

from dealpurge.engine import passes
from dealpurge.engine.sweep.tally import Tally
from dealpurge.exceptions import RedisUnavailable
from dealpurge.keys.families import Keyspace
from dealpurge.report import PurgeReport
from dealpurge.scope import PurgeScope
from dealpurge.servers import connection

from .servers import RedisServer

HOUR = 3600
FAMILIES = ("canvas:lock", "canvas:image_crop", "digitization:cache", "intake:summary", "doc:readiness")


@dataclass
class Scene:
    """What was seeded: keys that a purge takes, keys of deals that somebody works on, and keys of others."""

    mine: set[bytes] = field(default_factory=set)
    active: set[bytes] = field(default_factory=set)
    foreign: set[bytes] = field(default_factory=set)

    def assert_purged(self, *clients: redis.Redis) -> None:
        """Nothing of the scope is left on the true primaries, and nothing else is gone."""
        left = {key for client in clients for key in client.scan_iter(count=5000)}
        assert not left & self.mine, "keys of the scope are left"
        assert self.foreign | self.active <= left, "keys are gone that nobody asked to remove"


def seed(client: Any, *, deals: int = 1500, active_every: int = 0, tagged: bool = False) -> Scene:
    """Deals of 6 keys, every so many of them active, and two keys of others a deal."""
    scene = Scene()
    pipeline = client.pipeline(transaction=False)
    moment = int(datetime.now(UTC).timestamp() * 1000)
    for number in range(deals):
        token = f"org{number % 7}:deal-{number:05}"
        middle = f"{{{token}}}" if tagged else token
        events = f"canvas:events:{middle}".encode()
        keys = [f"{head}:{middle}:x".encode() for head in FAMILIES]
        strangers = [f"session:{number}".encode(), f"canvas:lockets:{token}".encode()]
        active = bool(active_every) and number % active_every == 0
        pipeline.xadd(events, {"kind": "edit"}, id=f"{moment - (0 if active else 2 * HOUR * 1000)}-1")
        for key in keys + strangers:
            pipeline.set(key, b"x")
        (scene.active if active else scene.mine).update([events, *keys])
        scene.foreign.update(strangers)
        if number % 500 == 499:
            pipeline.execute()
    pipeline.execute()
    return scene


#: Keys scanned, keys in all, keys deleted: tells whether it is time for the fault.
When = Callable[[int, int, int], bool]


def while_deleting(scanned: int, total: int, deleted: int) -> bool:
    """In the middle of a sweep or of the deletes of a guarded purge."""
    return deleted > 1500


def while_scanning(scanned: int, total: int, deleted: int) -> bool:
    """In the middle of a scan, be it a guarded purge's planning."""
    return total // 4 < scanned < total * 3 // 4


@dataclass
class Outcome:
    """How a run went: its report, the error that ended it if any, and the counts at the moment of the fault."""

    report: PurgeReport
    error: RedisUnavailable | None
    struck_at: tuple[int, int, int] | None

    def warned(self, start: str) -> bool:
        return any(warning.startswith(start) for warning in self.report.warnings)


def run(
    fault: Callable[[], object] | None = None,
    *,
    when: When = while_deleting,
    guarded: bool = False,
    **options: Any,
) -> Outcome:
    """Purge everything, for real unless told otherwise, and strike once when it is time.

    Fails where the fault found the run before or after its middle.
    """
    window = HOUR if guarded else None
    scope = PurgeScope(**{"mode": "all", "dry_run": False, "exclude_active_within_secs": window, **options})
    keyspace, tally = Keyspace.from_settings(), Tally()
    outcome = Outcome(None, None, None)  # type: ignore[arg-type]

    def pulse() -> bool:
        if fault and outcome.struck_at is None and when(*tally.progress()):
            outcome.struck_at = tally.progress()
            fault()
        return True

    try:
        passes.purge(scope, keyspace, tally, pulse)
    except RedisUnavailable as exc:
        outcome.error = exc
    outcome.report = tally.report(
        run_id=None,
        scope=scope,
        families=keyspace.names,
        started_at=datetime.now(UTC),
        duration_ms=0,
        failed=outcome.error is not None,
    )
    assert fault is None or outcome.struck_at is not None, "the run was over before the fault"
    return outcome


def strangers(server: RedisServer) -> list[str]:
    """Connections to a server that are not the test's own; replicas and the cluster bus are none."""
    with server.client(client_name="test") as client:
        rows = client.client_list(_type="normal")
    return [row["name"] or row["cmd"] for row in rows if row["name"] != "test"]


@contextmanager
def nothing_left_behind() -> Iterator[list[Any]]:
    """Yields the connections of ours that are made meanwhile; none of them, and no thread, may be left at the end."""
    made, threads, make = list[Any](), set(threading.enumerate()), connection.fresh_connection

    def noting(*args: Any, **kwargs: Any) -> Any:
        made.append(make(*args, **kwargs))
        return made[-1]

    with patch.object(connection, "fresh_connection", noting):
        yield made
    assert [connection for connection in made if connection._sock] == []
    assert set(threading.enumerate()) <= threads


def open_sockets() -> int:
    """How many this process has."""
    gc.collect()
    files = (f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd"))
    return sum(1 for file in files if os.path.islink(file) and os.readlink(file).startswith("socket:"))
