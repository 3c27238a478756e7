"""The database of the record: where its rows are, writes that are each a committed transaction, and what is said where
it cannot be written."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any

from django.db import (
    DEFAULT_DB_ALIAS,
    InterfaceError,
    OperationalError,
    ProgrammingError,
    connections,
    router,
    transaction,
)
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from dealpurge.exceptions import OUTAGE_RETRY_SECONDS, AuditUnavailable
from dealpurge.i18n import gettext_noop
from dealpurge.models import PurgeRun, UTCDateTimeField
from dealpurge.runs import silence
from dealpurge.text import redacted

logger = logging.getLogger("dealpurge")

#: Rows that are written or deleted at once.
ROWS_AT_ONCE = 1000
#: True also of who only looks at a run, or cancels one.
WORDS = gettext_noop(
    "The record of runs cannot be written, and nothing is purged without it.", code="record_unwritable"
)
MIGRATE = gettext_noop(
    "The record of runs cannot be written, and nothing is purged without it. Run manage.py migrate dealpurge.",
    code="record_migrate",
)


def alias() -> str:
    """The database of the record. Reads go there too: a replica may not know the run yet."""
    return router.db_for_write(PurgeRun)


def stored() -> QuerySet[PurgeRun]:
    """The rows, as the database of ``alias`` knows them."""
    return PurgeRun.objects.using(alias())


def utc_now() -> Now:
    """The database's clock for reading, where it is to be compared with the moments of a row in Python."""
    return Now(output_field=UTCDateTimeField())


@contextmanager
def bounded() -> Iterator[None]:
    """Around reads: a database that does not answer is an ``OperationalError`` within seconds."""
    with silence.bounded(connections[alias()]):
        yield


@contextmanager
def durable() -> Iterator[None]:
    """A transaction that is committed at its end, ``bounded``. Raises ``RuntimeError`` inside another one."""
    connection = connections[alias()]
    with silence.bounded(connection, commits=True):
        within_test_case = connection.in_atomic_block  # its own transaction, which lasts longer than ours
        if not within_test_case and not connection.get_autocommit():
            # atomic() would make savepoints and never commit.
            raise RuntimeError("A purge cannot be written down while autocommit is off.")
        with transaction.atomic(using=alias(), durable=True):
            if not within_test_case:
                silence.limit_transaction(connection)
            yield


def update(condition: Q, **values: Any) -> int:
    """One conditional UPDATE, committed; how many rows it changed."""
    with durable():
        return stored().filter(condition).update(**values)


def delete_in_batches(rows: QuerySet[Any]) -> Iterator[int]:
    """Delete rows, each batch in a transaction of its own; yields how many went with it. A million at once would take
    longer than a call of ours may, and keep others from writing."""
    found = ROWS_AT_ONCE
    while found == ROWS_AT_ONCE:
        with bounded():  # SQLite lets no transaction write that has read what somebody else has written since
            keys = list(rows.order_by().values_list("pk", flat=True)[:ROWS_AT_ONCE])
        found, began = len(keys), monotonic()
        if found:
            with durable():  # of a run Django would otherwise read its report, which may be large
                batch = rows.model._base_manager.using(rows.db).filter(pk__in=keys).only("pk")
                deleted = batch.delete()[1].get(rows.model._meta.label, 0)  # somebody else may delete the same ones
            pause = monotonic() - began
            yield deleted
            if connections[rows.db].vendor == "sqlite":  # whose other writers only look now and then whether it is free
                sleep(pause)


def ended(status: str) -> dict[str, Any]:
    """What changes in the row of a run that is over."""
    return {"status": status, "finished_at": Now(), "exclusive": None}


def storable(text: str) -> str:
    """Text from a command line may hold bytes that are not UTF-8, and no database takes those, nor NUL."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def revive_connection() -> None:
    """After an error or a long wait: let go of a connection that is broken, so that the next query makes another."""
    with bounded():
        connections[alias()].close_if_unusable_or_obsolete()


def unwritable(cause: BaseException, using: str = DEFAULT_DB_ALIAS) -> AuditUnavailable:
    """The error to raise ``from cause``, which is logged: only who reads the log is told what the database said."""
    # Further lines quote the row, and the ids of deals are not for the log.
    first_line = str(cause).partition("\n")[0]
    logger.error("the record cannot be written: %s", redacted(f"{type(cause).__name__}: {first_line}"))
    behind = isinstance(cause, OperationalError | ProgrammingError) and migrations_are_missing(using)
    if behind:
        return AuditUnavailable(MIGRATE)
    away = isinstance(cause, OperationalError | InterfaceError)
    return AuditUnavailable(WORDS, retry_after=OUTAGE_RETRY_SECONDS if away else None)


def migrations_are_missing(using: str = DEFAULT_DB_ALIAS) -> bool:
    """Whether the database lacks a migration of this app; False where it cannot be asked."""
    try:
        with silence.bounded(connections[using]):
            executor = MigrationExecutor(connections[using])
            return bool(executor.migration_plan(executor.loader.graph.leaf_nodes("dealpurge")))
    except Exception:  # the database is in trouble already, and the host's migrations may be too
        return False
