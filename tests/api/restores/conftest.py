from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from dealpurge import services
from dealpurge.models import PurgeRun
from dealpurge.restore_report import RestoreReport
from dealpurge.runs.store import Origin
from dealpurge.scope import RestoreScope
from tests.api.conftest import JSON, RUNS, Answer, Bearer
from tests.runs.archive.conftest import archived, place

__all__ = ["archived", "place"]

LEFT = timedelta(days=1)
NOWHERE = UUID("6f9d2c1e-3c54-4b7e-9d3c-0d9a6c3f2b11")


class Restore(Protocol):
    def __call__(
        self, body: object = ..., run: UUID = ..., *, content_type: str = ..., user: User = ..., **headers: str
    ) -> Answer: ...


@pytest.fixture
def restore(http: Client, superuser: User, bearer: Bearer) -> Restore:
    """POST for a restore of a run, by a superuser by default. Bytes go as they are, anything else as JSON."""

    def send(
        body: object = b"", run: UUID = NOWHERE, *, content_type: str = JSON, user: User = superuser, **headers: str
    ) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        path, headers = f"{RUNS}/{run}/restore", bearer(user) | headers
        answer: Any = http.generic("POST", path, raw, content_type=content_type, headers=headers)
        assert answer.headers["Content-Type"] == JSON
        return answer  # type: ignore[no-any-return]

    return send


@pytest.fixture
def kept(archived: Callable[..., PurgeRun]) -> PurgeRun:
    """A purge whose archive can be restored."""
    return archived(left=LEFT)


@pytest.fixture
def restorer(db: None) -> User:
    """Holds `dealpurge.restore_deals`, and may not purge."""
    user = User.objects.create_user("restorer")
    user.user_permissions.add(Permission.objects.get(content_type__app_label="dealpurge", codename="restore_deals"))
    return user


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[RestoreScope]:
    """A service that only takes down what it was asked for, without record or Redis."""
    scopes: list[RestoreScope] = []

    def start(purge_id: UUID, scope: RestoreScope, origin: Origin, **options: Any) -> RestoreReport:
        scopes.append(scope)
        return RestoreReport(
            run_id=uuid4(), purge_id=purge_id, status="completed", scope=scope, started_at=datetime.now(UTC)
        )

    def queue(*args: Any, **options: Any) -> None:
        pytest.fail("nobody asked for a worker")

    monkeypatch.setattr(services, "start_restore", start)
    monkeypatch.setattr(services, "queue_restore", queue)
    return scopes
