"""Redis cannot be used: what the endpoint answers, and what the record says."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dealpurge.engine.sweep.selection import Selection
from dealpurge.models import PurgeRun
from tests.conftest import PointCacheAt, start_server
from tests.support.scripted import ScriptedServer
from tests.support.seeding import key_of, seed_deal
from tests.support.servers import RedisServer

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/superadmin/purge_deals"
Post = Callable[..., Any]


@pytest.fixture
def post(superuser: User, bearer: Callable[[User], dict[str, str]]) -> Post:
    headers = bearer(superuser)

    def post(**body: Any) -> Any:
        return Client(raise_request_exception=False).post(
            URL, {"mode": "all", **body}, content_type="application/json", headers=headers
        )

    return post


def assert_unavailable(response: Any, word: str) -> PurgeRun:
    """A 503 in plain words about a run that is marked failed. Returns the run."""
    body = response.json()
    assert response.status_code == 503
    assert word in body["detail"]
    assert not any(secret in response.content.decode() for secret in ("127.0.0.1", "hunter2", "Traceback"))
    run = PurgeRun.objects.get(pk=body["run_id"])
    assert (run.status, run.error, run.keys_deleted) == ("failed", body["detail"], body["deleted"])
    return run


def test_down(post: Post) -> None:
    assert assert_unavailable(post(dry_run=False), "cannot be reached").keys_deleted == 0


def test_wrong_password(post: Post, tmp_path: Path, cache_at: PointCacheAt) -> None:
    server = start_server_with_password(tmp_path)
    cache_at(f"redis://:hunter2@127.0.0.1:{server.port}/0")
    try:
        assert_unavailable(post(), "password")
    finally:
        server.stop()


def start_server_with_password(directory: Path) -> RedisServer:
    return RedisServer(kind="valkey", directory=directory, options={"requirepass": "right"}).start()


@pytest.mark.parametrize("dry_run", [True, False])
def test_replica(post: Post, valkey_server: RedisServer, tmp_path: Path, cache_at: PointCacheAt, dry_run: bool) -> None:
    replica = start_server("valkey", tmp_path)
    replica.follow(valkey_server)
    cache_at(replica.url)
    try:
        assert_unavailable(post(dry_run=dry_run), "replica")
    finally:
        replica.stop()


def test_dying_in_the_middle(
    post: Post, tmp_path: Path, cache_at: PointCacheAt, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_server("valkey", tmp_path)
    settings.DEALPURGE_RETRY_SECONDS = 0.5
    with server.client() as client:
        seed_deal(client, "acme", "d1", image_crops=5000)
    cache_at(server.url)
    count, counted = Selection.count_removal, []

    def die_after_two(*args: Any) -> None:
        count(*args)
        counted.append(args)
        if len(counted) == 2:
            server.kill()

    monkeypatch.setattr(Selection, "count_removal", die_after_two)
    run = assert_unavailable(post(dry_run=False), "cannot be reached")

    assert 0 < run.keys_deleted < 5001


def test_an_option_that_redis_py_refuses(post: Post, cache_at: PointCacheAt) -> None:
    cache_at("rediss://:hunter2@127.0.0.1:1/0?ssl_cert_reqs=CERT_NONE")

    assert "ssl_cert_reqs" in assert_unavailable(post(dry_run=False), "redis-py makes no connection").error


@pytest.mark.parametrize(("command", "pages"), [("SCAN", 4), ("UNLINK", 3)])
def test_an_answer_that_is_none(post: Post, cache_at: PointCacheAt, command: str, pages: int) -> None:
    asked = count(1)

    def script(words: list[bytes]) -> bytes | None:
        return b"$-1\r\n" if words[0].decode() == command and next(asked) >= pages else None

    with ScriptedServer([key_of("image_crops", "acme", "deal-1", number) for number in range(500)], script) as server:
        cache_at(server.url)
        run = assert_unavailable(post(dry_run=False), f"answered {command} with something")

    assert 0 < run.keys_deleted == 500 - len(server.keys)


def test_what_nobody_expected_has_the_run_and_what_was_deleted(
    post: Post,
    valkey_server: RedisServer,
    valkey_client: Any,
    cache_at: PointCacheAt,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
) -> None:
    cache_at(valkey_server.url)
    settings.DEALPURGE_SCAN_COUNT = 10
    seed_deal(valkey_client, "acme", "deal-1", image_crops=200)
    take = Selection.take

    def failing(self: Selection, keys: Any) -> Any:
        if self.tally.deleted > 50:
            raise ValueError("hunter2 at 127.0.0.1")
        return take(self, keys)

    monkeypatch.setattr(Selection, "take", failing)
    response = post(dry_run=False)

    body = response.json()
    run = PurgeRun.objects.get(pk=body["run_id"])
    assert (response.status_code, body["detail"]) == (500, "Internal Server Error")
    assert response.headers["X-Purge-Run-ID"] == str(run.pk)
    assert 50 < body["deleted"] == run.keys_deleted == body["report"]["keys"]["deleted"]
    assert "hunter2" not in response.content.decode()
