"""The test database as its other users see it, and trouble with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection


@contextmanager
def locked_database() -> Iterator[None]:
    """Somebody else writes, and does not end."""
    options = connection.settings_dict["OPTIONS"]
    patience, options["timeout"] = options["timeout"], 0.01
    connection.close()
    try:
        with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
    finally:
        options["timeout"] = patience
        connection.close()


@contextmanager
def read_only_database() -> Iterator[None]:
    """Nothing can be written."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only = 1")
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA query_only = 0")


def seen_by_others(query: str) -> list[Any]:
    """What a second connection reads."""
    with closing(sqlite3.connect(connection.settings_dict["NAME"])) as other:
        return other.execute(query).fetchall()


class ReplicaRouter:
    """A host whose reads go to a replica, which does not know the new run yet; here: to no database at all."""

    def db_for_read(self, model: type, **hints: Any) -> str:
        return "a-replica"

    def db_for_write(self, model: type, **hints: Any) -> str:
        return DEFAULT_DB_ALIAS
