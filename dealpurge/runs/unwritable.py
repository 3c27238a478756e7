"""The record of runs cannot be written: what its reader is told, and what the log is."""

from __future__ import annotations

import logging

from django.db import DEFAULT_DB_ALIAS, OperationalError, ProgrammingError, connections
from django.db.migrations.executor import MigrationExecutor

from dealpurge.exceptions import AuditUnavailable
from dealpurge.i18n import gettext_noop
from dealpurge.text import redacted

logger = logging.getLogger("dealpurge")

#: True also of who only looks at a run, or cancels one.
WORDS = gettext_noop("The record of runs cannot be written, and nothing is purged without it.")
MIGRATE = gettext_noop(
    "The record of runs cannot be written, and nothing is purged without it. Run manage.py migrate dealpurge."
)


def unwritable(cause: BaseException, using: str = DEFAULT_DB_ALIAS) -> AuditUnavailable:
    """The error to raise ``from cause``, which is logged: only who reads the log is told what the database said."""
    # Further lines quote the row, and the ids of deals are not for the log.
    first_line = str(cause).partition("\n")[0]
    logger.error("the record cannot be written: %s", redacted(f"{type(cause).__name__}: {first_line}"))
    behind = isinstance(cause, OperationalError | ProgrammingError) and migrations_are_missing(using)
    return AuditUnavailable(MIGRATE if behind else WORDS)


def migrations_are_missing(using: str = DEFAULT_DB_ALIAS) -> bool:
    """Whether the database lacks a migration of this app; False where it cannot be asked."""
    try:
        executor = MigrationExecutor(connections[using])
        return bool(executor.migration_plan(executor.loader.graph.leaf_nodes("dealpurge")))
    except Exception:  # the database is in trouble already, and the host's migrations may be too
        return False
