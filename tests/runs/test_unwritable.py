"""Whose record cannot be written is told what to do, as far as that is known, and the log has the cause."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import Error, IntegrityError, OperationalError, ProgrammingError, connection
from django.test import Client

from dealpurge.runs import database
from dealpurge.runs.database import MIGRATE as BOTH
from dealpurge.runs.database import WORDS, migrations_are_missing
from tests.support.commands import Purge
from tests.support.databases import locked_database, read_only_database

pytestmark = pytest.mark.django_db(transaction=True)

FORM = "/admin/dealpurge/purgerun/purge/"


@pytest.fixture(params=["zero", "0002"], ids=["no tables", "one migration behind"])
def behind(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[None]:
    """Somebody installed or upgraded the package, and no more."""
    call_command("migrate", "dealpurge", request.param, verbosity=0)
    yield
    call_command("migrate", "dealpurge", verbosity=0)


def test_the_command_names_what_is_missing(behind: None, fake_redis: redis.Redis, purge: Purge) -> None:
    outcome = purge("--mode", "all")

    assert (outcome.code, outcome.out, outcome.err) == (1, "", f"CommandError: {BOTH}\n")


def test_the_admin_names_what_is_missing(
    behind: None, fake_redis: redis.Redis, superuser: User, client_of: Callable[[User], Client]
) -> None:
    page = client_of(superuser).post(FORM, {"mode": "all"}, follow=True)

    assert BOTH in page.content.decode()


def test_an_answer_names_what_is_missing(
    behind: None, fake_redis: redis.Redis, superuser: User, bearer: Callable[[User], dict[str, str]]
) -> None:
    body = {"mode": "all"}
    answer = Client().post(
        "/api/superadmin/purge_deals", body, content_type="application/json", headers=bearer(superuser)
    )

    assert (answer.status_code, answer.json()) == (503, {"detail": BOTH})


def test_the_log_has_the_cause(
    behind: None, fake_redis: redis.Redis, purge: Purge, caplog: pytest.LogCaptureFixture
) -> None:
    purge("--mode", "all")

    (record,) = [record for record in caplog.records if record.name == "dealpurge"]
    assert record.levelname == "ERROR"
    kind = "OperationalError" if connection.vendor == "sqlite" else "ProgrammingError"
    assert record.getMessage().startswith(f"the record cannot be written: {kind}: ")
    assert "dealpurge_purgerun" in record.getMessage()
    assert record.exc_info is None


@pytest.mark.parametrize("trouble", [locked_database, read_only_database])
def test_other_trouble_is_told_in_the_same_words(trouble: Any, fake_redis: redis.Redis, purge: Purge) -> None:
    with trouble():
        outcome = purge("--mode", "all")

    assert (outcome.code, outcome.err) == (1, f"CommandError: {WORDS}\n")


@pytest.mark.parametrize(
    ("cause", "asked"), [(OperationalError(), True), (ProgrammingError(), True), (IntegrityError(), False)]
)
def test_migrations_are_looked_for_where_they_may_be_the_cause(
    monkeypatch: pytest.MonkeyPatch, cause: Error, asked: bool
) -> None:
    monkeypatch.setattr(database, "migrations_are_missing", lambda using: True)

    assert str(database.unwritable(cause)) == (BOTH if asked else WORDS)


def test_a_database_that_cannot_be_asked_lacks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(connection: Any) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(database, "MigrationExecutor", broken)

    assert not migrations_are_missing()


def test_the_log_quotes_no_row_and_no_password(caplog: pytest.LogCaptureFixture) -> None:
    database.unwritable(IntegrityError("null value in postgres://me:s3cr3t@db/x\nDETAIL: row contains (deal-1)"))

    assert caplog.messages == ["the record cannot be written: IntegrityError: null value in postgres://***@db/x"]
