"""A database that is away, or silent: who asks the endpoint is told so in time, whatever it was asked for first."""

from __future__ import annotations

import time
from typing import Any
from unittest.mock import Mock

import pytest
import redis
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import Client
from knox.auth import TokenAuthentication

from dealpurge.runs import database, silence
from dealpurge.runs.archive import restores
from tests.runs.silence.trouble import postgresql_only, silent_after

from .conftest import JSON, PATH, RUNS, Bearer, Post

pytestmark = pytest.mark.django_db(transaction=True)

UNKNOWN = f"{RUNS}/00000000-0000-0000-0000-000000000000"


def test_a_token_that_cannot_be_looked_up(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TokenAuthentication, "authenticate", Mock(side_effect=OperationalError("away")))

    answer = post({"mode": "all"})

    assert (answer.status_code, answer.json()) == (503, {"detail": database.WORDS})


def test_a_purge_that_cannot_be_looked_up(
    http: Client, superuser: User, bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be restored is not told from what may be."""
    monkeypatch.setattr(restores, "restorable", Mock(side_effect=OperationalError("away")))

    answer = http.post(f"{UNKNOWN}/restore", {}, JSON, headers=bearer(superuser))

    assert (answer.status_code, answer.json()) == (503, {"detail": database.WORDS})
    assert answer.headers["Retry-After"] == "30"


@postgresql_only
@pytest.mark.parametrize("words", [(b"knox_authtoken",), (b"dealpurge_purgerun", b"dealpurge_purgerun")])
def test_a_database_that_does_not_answer(
    http: Client, superuser: User, bearer: Bearer, monkeypatch: pytest.MonkeyPatch, words: tuple[bytes, ...]
) -> None:
    monkeypatch.setattr(silence, "SECONDS", 0.5)
    headers = bearer(superuser)

    with silent_after(*words):
        answers = [
            http.get(UNKNOWN, headers=headers),
            http.post(PATH, {}, headers=headers),
            http.post(f"{UNKNOWN}/restore", {}, JSON, headers=headers),
        ]

    assert [answer.status_code for answer in answers] == [503, 503, 503]


@postgresql_only
def test_credentials_may_be_asked_for_elsewhere_and_take_their_time(
    post: Post, fake_redis: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Meanwhile nothing is asked of the database, so it is no silence."""
    monkeypatch.setattr(silence, "SECONDS", 0.2)
    authenticate = TokenAuthentication.authenticate

    def slowly(self: TokenAuthentication, request: Any) -> Any:
        User.objects.exists()
        time.sleep(1)
        return authenticate(self, request)

    monkeypatch.setattr(TokenAuthentication, "authenticate", slowly)

    assert post({"mode": "all"}).status_code == 200
