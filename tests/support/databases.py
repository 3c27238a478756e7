"""The test database as its other users see it, and trouble with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection


@contextmanager
def locked_database() -> Iterator[None]:
    """Somebody else writes, and does not end; reading goes on."""
    options, before = connection.settings_dict["OPTIONS"], dict(connection.settings_dict["OPTIONS"])
    options |= {"timeout": 0.01} if connection.vendor == "sqlite" else {"options": "-c lock_timeout=10ms"}
    connection.close()
    try:
        with closing(connection.copy()) as other, other.cursor() as cursor:
            if connection.vendor == "sqlite":
                cursor.execute("BEGIN IMMEDIATE")
            else:
                cursor.execute("BEGIN; LOCK TABLE dealpurge_purgerun IN EXCLUSIVE MODE")
            yield
    finally:
        options.clear()
        options |= before
        connection.close()


@contextmanager
def read_only_database() -> Iterator[None]:
    """Nothing can be written."""
    name = "PRAGMA query_only" if connection.vendor == "sqlite" else "SET default_transaction_read_only"
    with connection.cursor() as cursor:
        cursor.execute(f"{name} = 1")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"{name} = 0")


def seen_by_others(query: str) -> list[Any]:
    """What a second connection reads."""
    with closing(connection.copy()) as other, other.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


class ReplicaRouter:
    """A host whose reads go to a replica, which does not know the new run yet; here: to no database at all."""

    def db_for_read(self, model: type, **hints: Any) -> str:
        return "a-replica"

    def db_for_write(self, model: type, **hints: Any) -> str:
        return DEFAULT_DB_ALIAS
