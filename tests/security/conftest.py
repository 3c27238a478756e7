from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dealpurge.engine import purging
from dealpurge.models import PurgeRun
from dealpurge.runs import store
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope

API = "/api/superadmin/"
PURGE = f"{API}purge_deals"
LIVE: dict[str, Any] = {"mode": "by_deal", "deal_id": "deal-1", "dry_run": False}

Bearer = Callable[[User], dict[str, str]]
Call = Callable[..., Any]


@pytest.fixture
def engine_calls(monkeypatch: pytest.MonkeyPatch) -> list[PurgeScope]:
    """The scopes that came as far as the engine, which then does nothing."""
    scopes: list[PurgeScope] = []
    monkeypatch.setattr(purging, "purge", lambda scope, *rest: scopes.append(scope))
    return scopes


@pytest.fixture
def waiting(db: None) -> PurgeRun:
    """A queued run that anybody might want to see or to cancel."""
    return store.create(PurgeScope(mode="all"), Origin(source="command", actor_name="ann"), queued=True)


@pytest.fixture
def purge() -> Call:
    """POST a live purge of one deal, with whatever headers."""

    def post(headers: dict[str, str] | None = None, body: object = LIVE, **extra: Any) -> Any:
        client: Client = extra.pop("client", None) or Client(raise_request_exception=False)
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        path: str = extra.pop("path", PURGE)
        return client.generic("POST", path, raw, content_type="application/json", headers=headers, **extra)

    return post
