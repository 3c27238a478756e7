"""The rows of the record: where they are, and writes that are each a committed transaction of its own."""

from __future__ import annotations

from typing import Any

from django.db import connections, router, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from dealpurge.models import PurgeRun


def alias() -> str:
    """The database of the record. Reads go there too: a replica may not know the run yet."""
    return router.db_for_write(PurgeRun)


def stored() -> QuerySet[PurgeRun]:
    """The rows, as the database of ``alias`` knows them."""
    return PurgeRun.objects.using(alias())


def durable() -> transaction.Atomic:
    """A transaction that is committed at its end. Raises ``RuntimeError`` inside another one."""
    connection = connections[alias()]
    if not connection.in_atomic_block and not connection.get_autocommit():
        # atomic() would make savepoints and never commit.
        raise RuntimeError("A purge cannot be written down while autocommit is off.")
    return transaction.atomic(using=alias(), durable=True)


def update(condition: Q, **values: Any) -> int:
    """One conditional UPDATE, committed; how many rows it changed."""
    with durable():
        return stored().filter(condition).update(**values)


def ended(status: str) -> dict[str, Any]:
    """What changes in the row of a run that is over."""
    return {"status": status, "finished_at": Now(), "exclusive": None}


def storable(text: str) -> str:
    """Text from a command line may hold bytes that are not UTF-8, and no database takes those, nor NUL."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def revive_connection() -> None:
    """After an error: let go of a connection that is broken, so that the next query makes another."""
    connections[alias()].close_if_unusable_or_obsolete()
