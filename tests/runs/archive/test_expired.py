"""Whether anybody removes the archives that are past their time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import DEFAULT_DB_ALIAS, connection

from dealpurge.models import PurgeRun
from dealpurge.runs.archive.removal import Removal

pytestmark = pytest.mark.django_db(transaction=True)


def findings() -> list[Any]:
    return [item for item in run_checks(databases=[DEFAULT_DB_ALIAS]) if item.id == "dealpurge.W011"]


def test_archives_long_past_their_time_are_found(archived: Callable[..., PurgeRun]) -> None:
    archived(left=-timedelta(days=1, hours=23))
    assert findings() == []

    archived(left=-timedelta(days=2, hours=1))

    (found,) = findings()
    assert found.msg == "Nothing removes archives that are past their time: 1 is still there."
    assert "purge_archives --no-dry-run" in found.hint
    for _ in Removal("ann").steps(dry_run=False):
        pass
    assert findings() == []


def test_a_database_that_cannot_be_asked_is_no_finding(archived: Callable[..., PurgeRun]) -> None:
    archived(left=-timedelta(days=9))
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE dealpurge_purgerun RENAME TO elsewhere")
    try:
        assert findings() == []
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO dealpurge_purgerun")
    assert len(findings()) == 1


def test_only_the_database_of_the_record_is_asked(
    archived: Callable[..., PurgeRun], django_assert_num_queries: Any
) -> None:
    archived(left=-timedelta(days=9))

    with django_assert_num_queries(0):
        assert not [item for item in run_checks() if item.id == "dealpurge.W011"]
