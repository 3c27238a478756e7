"""Redis cannot be used any more when a preview is applied: what the run's page says, and what the record says."""

from __future__ import annotations

from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from dealpurge.engine.sweep.selection import Selection
from dealpurge.models import PurgeRun
from tests.conftest import PointCacheAt, start_server
from tests.support.seeding import seed_deal
from tests.support.servers import RedisServer

from .conftest import FORM, ClientOf, page_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(tmp_path: Path, cache_at: PointCacheAt, settings: Settings) -> Iterator[RedisServer]:
    """A server of this test's own with one deal of 5,001 keys, at which Django's cache points."""
    server = start_server("valkey", tmp_path)
    with server.client() as client:
        seed_deal(client, "acme", "d1", image_crops=5000)
    cache_at(server.url)
    yield server
    server.stop()


@pytest.fixture
def browser(client_of: ClientOf, purger: User) -> Client:
    return client_of(purger)


def apply_preview(browser: Client) -> tuple[PurgeRun, str]:
    """Apply a preview that was just looked at; the live run, and what its page says."""
    preview = PurgeRun.objects.get(dry_run=True)
    response = browser.post(page_of(preview, "apply"), {"typed": "purge 1"}, follow=True)
    return PurgeRun.objects.get(dry_run=False), unescape(response.content.decode())


@pytest.fixture
def _preview(server: RedisServer, browser: Client) -> None:
    page = browser.post(FORM, {"mode": "all"}, follow=True).content.decode()
    assert "5,001" in page


@pytest.mark.usefixtures("_preview")
def test_a_server_that_became_a_replica(server: RedisServer, browser: Client, tmp_path: Path) -> None:
    primary = start_server("valkey", tmp_path / "primary")
    server.follow(primary)
    try:
        run, page = apply_preview(browser)
    finally:
        primary.stop()

    assert (run.status, run.keys_deleted) == ("failed", 0)
    assert "is a replica" in run.error
    assert run.error in page
    assert "Traceback" not in page


@pytest.mark.usefixtures("_preview")
def test_a_server_that_dies_in_the_middle(
    server: RedisServer, browser: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEALPURGE_RETRY_SECONDS = 0.5
    count, counted = Selection.count_removal, list[Any]()

    def die_after_two(*args: Any) -> None:
        count(*args)
        counted.append(args)
        if len(counted) == 2:
            server.kill()

    monkeypatch.setattr(Selection, "count_removal", die_after_two)
    run, page = apply_preview(browser)

    assert run.status == "failed"
    assert 0 < run.keys_deleted < 5001
    assert "cannot be reached" in run.error
    assert run.error in page
    assert f"Run {str(run.pk)[:8]}. {run.keys_deleted:,} keys of 1 deal were deleted." in page
    assert "Traceback" not in page
