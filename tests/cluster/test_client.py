"""How a host hands in a cluster: a callable, or the cache itself by the README's connection factory."""

from __future__ import annotations

import gc
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.cache import cache, caches
from django_redis import get_redis_connection
from pytest_django.fixtures import Settings
from redis.cluster import RedisCluster

from dealpurge.exceptions import PurgeConfigurationError
from dealpurge.servers.slots import NO_CLUSTER
from tests.docs.test_readme_blocks import containing
from tests.support.cluster import Ring
from tests.support.leaks import strangers
from tests.support.purging import purge, run
from tests.support.seeding import seed_scene
from tests.support.servers import RedisServer, free_port, wait_until

pytestmark = pytest.mark.cluster


@pytest.fixture
def cache_on(ring: Ring, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ring]:
    """The cluster that Django's cache lives on, by the README's factory."""
    block = containing("class ClusterFactory(ConnectionFactory)")
    (tmp_path / "myproject").mkdir()
    (tmp_path / "myproject/cluster_cache.py").write_text(block.files["myproject/cluster_cache.py"])
    monkeypatch.syspath_prepend(str(tmp_path))
    names: dict[str, dict[str, dict[str, object]]] = {}
    exec(compile(block.files["settings.py"], "settings.py", "exec"), names)  # noqa: S102 - our own README
    names["CACHES"]["default"]["LOCATION"] = ring.servers[0].url.removesuffix("/0")
    settings.CACHES = names["CACHES"]
    settings.DEALPURGE_REDIS_CLIENT = None
    yield ring
    get_redis_connection("default").disconnect_connection_pools()
    for name in [name for name in sys.modules if name.partition(".")[0] == "myproject"]:
        del sys.modules[name]


def test_the_cache_works_on_a_cluster_and_so_does_the_purge(cache_on: Ring, settings: Settings) -> None:
    settings.DEALPURGE_KEY_FAMILIES = {"digitization_cache": ":1:digitization:cache:{org_id}:{deal_id}"}
    for number in range(30):
        cache.set(f"digitization:cache:acme:d{number}", {"n": number}, timeout=60)
        cache.set(f"mine:{number}", number)

    assert cache.get("digitization:cache:acme:d7") == {"n": 7}
    report = purge()

    assert isinstance(get_redis_connection("default"), RedisCluster)
    assert (report.keys.deleted, cache.get("digitization:cache:acme:d7")) == (30, None)
    assert [cache.get(f"mine:{number}") for number in range(30)] == list(range(30))


def test_threads_and_requests_share_one_client(cache_on: Ring) -> None:
    first = get_redis_connection("default")
    caches["default"].close()

    assert get_redis_connection("default") is first


README = (Path(__file__).resolve().parents[2] / "README.md").read_text()


@pytest.fixture
def user(ring: Ring, settings: Settings) -> Iterator[Ring]:
    """The README's user for a cluster is there, on every node, and the app is that user."""
    line = re.search(r"^ACL SETUSER purger .*$", README, re.MULTILINE)
    extra = re.search(r"`((?:\+\w+ ?)+)` on a cluster", README)
    assert line
    assert extra
    let(ring, *line[0].split()[3:], *extra[1].split())
    settings.DEALPURGE_REDIS_CLIENT = lambda: client_of(ring, "purger:password@")
    yield ring
    for client in ring.clients():
        client.acl_deluser("purger")


def let(ring: Ring, *rules: str) -> None:
    for client in ring.clients():
        client.execute_command("ACL", "SETUSER", "purger", *rules)  # type: ignore[no-untyped-call]


def client_of(ring: Ring, user: str = "") -> RedisCluster:
    return RedisCluster.from_url(f"redis://{user}127.0.0.1:{ring.servers[0].port}")


@pytest.mark.parametrize("guarded", [False, True])
def test_the_user_of_the_readme_may_purge_a_cluster(user: Ring, guarded: bool) -> None:
    with user.client(client_name="test") as client:
        scene = seed_scene(client, deals=100, active_every=5 if guarded else 0)

    outcome = run(guarded=guarded)

    assert outcome.error is None
    scene.assert_purged(*user.clients())
    assert not any("INFO" in warning for warning in outcome.report.warnings)


@pytest.mark.parametrize(("lacking", "word"), [("-command", "COMMAND"), ("-cluster", "CLUSTER"), ("-scan", "SCAN")])
def test_what_the_user_may_not_send_to_a_cluster_is_named(user: Ring, lacking: str, word: str) -> None:
    let(user, lacking)

    error = run().error

    assert error is not None
    assert (error.reason, f"may not run {word}" in str(error)) == ("permission", True), str(error)


def test_a_wrong_password_of_a_cluster_is_told_at_once(user: Ring, settings: Settings) -> None:
    settings.DEALPURGE_REDIS_CLIENT = lambda: client_of(user, "purger:wrong@")

    error = run().error

    assert error is not None
    assert (error.reason, str(error)) == ("authentication", "Redis refused the password or the user.")


def test_a_cluster_of_which_no_node_is_up_is_tried_for_two_seconds(settings: Settings) -> None:
    settings.DEALPURGE_REDIS_CLIENT = lambda: RedisCluster.from_url(f"redis://127.0.0.1:{free_port()}")
    started = time.monotonic()

    error = run().error

    assert error is not None
    assert (error.reason, str(error)) == ("unreachable", "Redis cannot be reached (tried for 2 s).")
    assert time.monotonic() - started >= 1.9


def test_a_cluster_client_for_what_is_no_cluster(
    redis_server: RedisServer, settings: Settings, no_collection: None
) -> None:
    """It is told in words, and what redis-py had opened before it gave up is closed."""
    settings.DEALPURGE_REDIS_CLIENT = lambda: RedisCluster.from_url(redis_server.url.removesuffix("/0"))

    error = run().error

    assert error is not None
    assert (error.reason, str(error)) == ("refused", NO_CLUSTER)
    wait_until(lambda: strangers(redis_server) == [], what="end of its connections")


@pytest.fixture
def no_collection() -> Iterator[None]:
    """Nothing is closed just because the garbage collector came by."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_a_database_that_no_cluster_client_takes_is_a_mistake_in_the_settings(settings: Settings) -> None:
    settings.DEALPURGE_REDIS_CLIENT = lambda: RedisCluster.from_url("redis://127.0.0.1:1/1")

    with pytest.raises(PurgeConfigurationError, match="DEALPURGE_REDIS_CLIENT leads to no client"):
        purge()
