from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dealpurge import services
from dealpurge.engine import purging
from dealpurge.engine.sweep.tally import Tally
from dealpurge.keys.families import Keyspace
from dealpurge.report import PurgeReport
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope

PATH = "/api/superadmin/purge_deals"
RUNS = "/api/superadmin/purge_runs"
JSON = "application/json"

Bearer = Callable[[User], dict[str, str]]


class Answer(Protocol):
    status_code: int
    content: bytes
    headers: dict[str, str]

    def json(self) -> Any: ...


class Post(Protocol):
    def __call__(self, body: object = ..., *, content_type: str = ..., **headers: str) -> Answer: ...


@pytest.fixture
def http() -> Client:
    """A client that gets the answer to what went wrong, as a real one does."""
    return Client(raise_request_exception=False)


@pytest.fixture
def post(http: Client, superuser: User, bearer: Bearer) -> Post:
    """POST to the endpoint with a superuser's token. Bytes go as they are, anything else as JSON."""
    token = bearer(superuser)

    def send(body: object = b"", *, content_type: str = JSON, **headers: str) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer: Answer = http.generic("POST", PATH, raw, content_type=content_type, headers=token | headers)  # type: ignore[assignment]
        assert answer.headers["Content-Type"] == JSON
        return answer

    return send


@pytest.fixture
def purged(monkeypatch: pytest.MonkeyPatch) -> list[PurgeScope]:
    """An engine that only takes down what it was told to purge."""
    scopes: list[PurgeScope] = []

    def note(scope: PurgeScope, keyspace: Keyspace, tally: Tally, watch: Callable[[], bool], *rest: Any) -> None:
        scopes.append(scope)

    monkeypatch.setattr(purging, "purge", note)
    return scopes


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[PurgeScope]:
    """A service that only takes down what it was asked for, without record or Redis."""
    scopes: list[PurgeScope] = []

    def start(scope: PurgeScope, origin: Origin, **options: Any) -> PurgeReport:
        scopes.append(scope)
        return PurgeReport(run_id=uuid4(), status="completed", scope=scope, started_at=datetime.now(UTC))

    def queue(scope: PurgeScope, origin: Origin, **options: Any) -> None:
        pytest.fail("nobody asked for a worker")

    monkeypatch.setattr(services, "start", start)
    monkeypatch.setattr(services, "queue", queue)
    return scopes
