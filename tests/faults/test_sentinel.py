"""A primary that Sentinel replaces in the middle of a purge, and Sentinels that do not help."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from dealpurge.engine.guard.units import TRANSACTION_KEYS
from tests.conftest import PointCacheAt
from tests.support.purging import When, run, while_deleting, while_scanning
from tests.support.seeding import Scene, names, seed_deal, seed_scene
from tests.support.sentinel import SERVICE, Ring, SentinelProcess, readme_options
from tests.support.servers import ServerMissingError, free_port, missing, wait_until

pytestmark = pytest.mark.faults

REPLACED = "A Redis server was replaced"
BROKEN = "Replies were lost"
DEAL = ("org5", "deal-00012")


def start(ring: Ring, cache_at: PointCacheAt) -> Ring:
    """Start it and let the cache be as the README has it."""
    try:
        ring.start()
    except ServerMissingError as absent:
        missing(str(absent))
    location, options = readme_options(ring.sentinel.address)
    cache_at(location, **options)
    return ring


@pytest.fixture
def ring(tmp_path: Path, settings: Settings, cache_at: PointCacheAt) -> Iterator[Ring]:
    settings.DEALPURGE_SCAN_COUNT = 100
    ring = Ring("redis", tmp_path)
    try:
        yield start(ring, cache_at)
    finally:
        ring.stop()


def kill(ring: Ring) -> None:
    ring.primary.kill()


Fault = Callable[[Ring], None]

#: A sweep, a named deal of many keys, and guarded purges struck while they plan and while they delete.
PURGES: dict[str, tuple[When, dict[str, Any]]] = {
    "all": (while_deleting, {}),
    "by_deal": (while_deleting, {"mode": "by_deal", "deals": (DEAL,)}),
    "planning": (while_scanning, {"guarded": True}),
    "guarded": (while_deleting, {"guarded": True}),
}


def seed_for(ring: Ring, purge: str) -> Scene:
    with ring.primary.client() as client:
        scene = seed_scene(client, active_every=5 if purge in ("planning", "guarded") else 0)
        if purge == "by_deal":
            scene.narrow([DEAL])
            scene.mine.update(seed_deal(client, *DEAL, image_crops=4000))
        ring.replicated()
    return scene


@pytest.mark.parametrize(
    ("fault", "purge"),
    [
        *((fault, purge) for fault in (kill, Ring.fail_over) for purge in PURGES),
        (Ring.fail_over_and_demote, "all"),
        (Ring.fail_over_and_demote, "guarded"),
    ],
)
def test_failover_in_the_middle(ring: Ring, fault: Fault, purge: str) -> None:
    scene = seed_for(ring, purge)
    when, options = PURGES[purge]

    outcome = run(lambda: fault(ring), when=when, **options)

    assert ring.true_primary() is ring.replica
    with ring.replica.client() as client:
        scene.assert_purged(client)
    keys = outcome.report.keys
    assert outcome.report.status == "completed"
    assert keys.not_removed == 0
    # What went by a command whose reply was lost is on no list; what came back with the new primary counts twice.
    uncounted = len(scene.mine) - keys.deleted
    assert uncounted <= 0 or (uncounted <= TRANSACTION_KEYS and outcome.warned(BROKEN))
    assert uncounted >= 0 or outcome.warned(REPLACED)
    assert outcome.report.deals.skipped_active == len(scene.active) // 6


@pytest.mark.parametrize(("fault", "purge"), [(kill, "all"), (Ring.fail_over, "by_deal"), (Ring.fail_over, "planning")])
def test_a_dry_run_counts_what_the_new_primary_has(ring: Ring, fault: Fault, purge: str) -> None:
    scene = seed_for(ring, purge)

    outcome = run(lambda: fault(ring), when=while_scanning, dry_run=True, **PURGES[purge][1])

    assert sum(outcome.report.families.values()) == len(scene.mine)
    assert outcome.report.keys.matched == len(scene.mine | scene.active)
    with ring.replica.client() as client:
        assert names(client) == scene.all


def test_valkey(tmp_path: Path, settings: Settings, cache_at: PointCacheAt) -> None:
    settings.DEALPURGE_SCAN_COUNT = 100
    ring = Ring("valkey", tmp_path)
    try:
        test_failover_in_the_middle(start(ring, cache_at), Ring.fail_over, "guarded")
    finally:
        ring.stop()


# Sentinels that do not help


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ring]:
    """A ring whose Sentinel takes a minute to find anything wrong."""
    ring = Ring("redis", tmp_path_factory.mktemp("ring"), down_after=60_000)
    try:
        ring.start()
        yield ring
    except ServerMissingError as absent:
        missing(str(absent))
    finally:
        ring.stop()


@contextmanager
def silent() -> Iterator[tuple[str, int]]:
    """Something that takes connections and never answers; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()


def test_sentinels_that_are_down_or_silent_are_passed_over(steady: Ring, cache_at: PointCacheAt) -> None:
    with silent() as address, steady.primary.client() as client:
        location, options = readme_options(("127.0.0.1", free_port()), address, steady.sentinel.address)
        cache_at(location, **options)
        client.flushall()
        scene, started = seed_scene(client, deals=10), time.monotonic()

        outcome = run()

        scene.assert_purged(client)
    assert outcome.report.warnings == ()
    assert time.monotonic() - started < 15


@pytest.mark.parametrize(
    ("location", "addresses", "words"),
    [
        ("redis://mymaster/0", [], "No Sentinel can be reached"),
        ("redis://myMaster2/0", ["sentinel"], "watches no service of the name"),
        ("redis://mymaster/0", ["primary"], "refused a command (unknown command"),
    ],
)
def test_wrong_settings_are_told_soon(
    steady: Ring, cache_at: PointCacheAt, location: str, addresses: list[str], words: str
) -> None:
    named = [getattr(steady, name).address for name in addresses]
    cache_at(location, **readme_options(("127.0.0.1", free_port()), *named)[1])
    started = time.monotonic()

    outcome = run()

    assert outcome.error is not None
    assert words in str(outcome.error)
    assert time.monotonic() - started < 15


def test_a_sentinel_that_wants_a_password(steady: Ring, tmp_path: Path, cache_at: PointCacheAt) -> None:
    guarded = SentinelProcess(
        kind="redis", directory=tmp_path, watched=steady.primary.address, options={"requirepass": "right"}
    ).start()
    location, options = readme_options(guarded.address)
    try:
        cache_at(location, **options)
        refused = run()
        cache_at(location, **options, SENTINEL_KWARGS={"password": "right"})
        accepted = run()
    finally:
        guarded.stop()

    assert refused.error is not None
    assert refused.error.reason == "authentication"
    assert "SENTINEL_KWARGS" in str(refused.error)
    assert accepted.error is None


def test_a_sentinel_that_names_a_replica(steady: Ring, cache_at: PointCacheAt, settings: Settings) -> None:
    location, options = readme_options(steady.sentinel.address)
    cache_at(location, **options)
    settings.DEALPURGE_RETRY_SECONDS = 1

    with steady.primary.client() as client:
        client.replicaof(*steady.replica.address)
        try:
            for_good = run(dry_run=True)
            undo = threading.Timer(0.3, lambda: client.replicaof("NO", "ONE"))
            undo.start()
            for_a_moment = run(dry_run=True)
            undo.join()
        finally:
            client.replicaof("NO", "ONE")

    assert for_good.error is not None
    assert (for_good.error.reason, "Sentinel names a replica" in str(for_good.error)) == ("replica", True)
    assert for_a_moment.error is None


def test_a_sentinel_that_knows_no_primary_that_is_up(
    tmp_path: Path, cache_at: PointCacheAt, settings: Settings
) -> None:
    settings.DEALPURGE_RETRY_SECONDS = 1
    dead = ("127.0.0.1", free_port())
    sentinel = SentinelProcess(kind="redis", directory=tmp_path, watched=dead).start()
    location, options = readme_options(sentinel.address)
    cache_at(location, **options)
    try:
        with sentinel.client() as client:
            wait_until(lambda: client.sentinel_masters()[SERVICE]["is_sdown"], what="+sdown")
        outcome = run()
    finally:
        sentinel.stop()

    assert outcome.error is not None
    assert (outcome.error.reason, "knows no primary" in str(outcome.error)) == ("unreachable", True)
