"""Redis cannot be used: what the endpoint answers, and what the record says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dealpurge.engine.sweep.selection import Selection
from dealpurge.models import PurgeRun
from tests.conftest import PointCacheAt, start_server
from tests.support.seeding import seed_deal
from tests.support.servers import RedisServer

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/superadmin/purge_deals"
Post = Callable[..., Any]


@pytest.fixture
def post(superuser: User, bearer: Callable[[User], dict[str, str]]) -> Post:
    headers = bearer(superuser)

    def post(**body: Any) -> Any:
        return Client().post(URL, {"mode": "all", **body}, content_type="application/json", headers=headers)

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
