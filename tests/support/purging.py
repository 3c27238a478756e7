"""Driving the engine without a database, and seeding deals for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import redis

from dealpurge.engine import passes
from dealpurge.engine.sweep.tally import Tally
from dealpurge.keys.families import Keyspace
from dealpurge.report import PurgeReport
from dealpurge.scope import PurgeScope

HOUR = 3600


def purge(*, pulse: Callable[[], bool] = lambda: True, mode: str = "all", **options: Any) -> PurgeReport:
    """Carry out a scope for real, unless told otherwise, on the Redis of the settings."""
    scope = PurgeScope(mode=mode, **{"dry_run": False, **options})  # type: ignore[arg-type]
    keyspace, tally = Keyspace.from_settings(), Tally()
    passes.purge(scope, keyspace, tally, pulse)
    return tally.report(run_id=None, scope=scope, families=keyspace.names, started_at=datetime.now(UTC), duration_ms=0)


def seed_deal(client: redis.Redis, org_id: str, deal_id: str, *, age: float | None = None, crops: int = 3) -> list[str]:
    """A lock, image crops, and events whose newest is `age` seconds old; none if `age` is None. Returns the keys."""
    keys = [f"canvas:lock:{org_id}:{deal_id}", *(f"canvas:image_crop:{org_id}:{deal_id}:{n}" for n in range(crops))]
    client.mset(dict.fromkeys(keys, "x"))
    if age is not None:
        touch(client, org_id, deal_id, age=age)
        keys.append(events_key(org_id, deal_id))
    return keys


def touch(client: redis.Redis, org_id: str, deal_id: str, *, age: float = 0) -> None:
    """Write an event of so many seconds ago, on the server's clock."""
    seconds, micros = client.time()
    moment = int((seconds + micros / 1e6 - age) * 1000)
    client.xadd(events_key(org_id, deal_id), {"kind": "edit"}, id=f"{moment}-*")


def events_key(org_id: str, deal_id: str) -> str:
    return f"canvas:events:{org_id}:{deal_id}"


def names(client: redis.Redis) -> set[str]:
    """Every key there is."""
    return {key.decode() for key in client.scan_iter(count=1000)}


def existing(client: redis.Redis, keys: Sequence[str]) -> int:
    return int(client.exists(*keys))
