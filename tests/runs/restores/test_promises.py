"""What holds of every run holds of restores: told apart, and written down first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import redis
from pytest_django.fixtures import Settings

from dealpurge import services
from dealpurge.engine.restore.writer import Writer
from dealpurge.exceptions import AuditUnavailable, PurgeConfigurationError
from dealpurge.models import PurgeRun
from dealpurge.runs import store
from dealpurge.runs.store import Origin
from dealpurge.scope import RestoreScope
from tests.support.servers import RedisServer

pytestmark = pytest.mark.django_db(transaction=True)
ORIGIN = Origin(source=PurgeRun.Source.COMMAND, actor_name="op")
LIVE = RestoreScope(dry_run=False)
DAY = timedelta(days=1)


@pytest.mark.parametrize("scope", [LIVE, RestoreScope()])
def test_a_user_of_another_redis_restores_nothing(
    archived: Callable[..., PurgeRun],
    settings: Settings,
    valkey_server: RedisServer,
    valkey_client: redis.Redis,
    scope: RestoreScope,
) -> None:
    purge = archived(left=DAY)
    settings.DEALPURGE_RESTORE_REDIS_CLIENT = lambda: redis.Redis(port=valkey_server.port, db=1)

    with pytest.raises(PurgeConfigurationError, match="another Redis"):
        services.start_restore(purge.pk, scope, ORIGIN)

    assert not valkey_client.dbsize()
    with redis.Redis(port=valkey_server.port, db=1) as other:
        assert not other.dbsize()


def test_it_is_written_down_before_anything_is_written(
    archived: Callable[..., PurgeRun], valkey_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    purge, put, seen = archived(left=DAY), Writer.put, list[tuple[str, int]]()

    def watched(writer: Writer, *arguments: Any) -> None:
        run = PurgeRun.objects.get(restored_run=purge)
        seen.append((run.status, valkey_client.dbsize()))
        put(writer, *arguments)

    monkeypatch.setattr(Writer, "put", watched)
    services.start_restore(purge.pk, LIVE, ORIGIN)

    assert seen[0] == ("running", 0)


def test_what_cannot_be_written_down_is_not_restored(
    archived: Callable[..., PurgeRun], valkey_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    purge = archived(left=DAY)

    def refuse(*arguments: object) -> None:
        raise AuditUnavailable("away")

    monkeypatch.setattr(store, "_insert", refuse)
    with pytest.raises(AuditUnavailable):
        services.start_restore(purge.pk, LIVE, ORIGIN)

    assert not valkey_client.dbsize()
