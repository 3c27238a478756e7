"""A database that falls silent, for a test on PostgreSQL, and who may not wait for it for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import pytest
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from tests.support.proxy import SilentProxy

postgresql_only = pytest.mark.skipif(connection.vendor != "postgresql", reason="it needs a server of its own")
sqlite_only = pytest.mark.skipif(connection.vendor != "sqlite", reason="it is about SQLite")

KEYS = 300
#: Trouble ends by itself after so many seconds: whoever waits for that fails instead of hanging.
TOO_LONG = 20.0

FIRST_ROW, HEARTBEAT = b'INSERT INTO "dealpurge_purgerun" ', b'"keys_scanned"'
ROWS_OF_DEALS, END, COMMIT = b'INSERT INTO "dealpurge_purgerundeal"', b'"finished_at"', b"COMMIT"


@contextmanager
def ended_after(seconds: float, end: Callable[[], None]) -> Iterator[None]:
    """End a trouble if nobody within has come back by then, which is a failure."""
    timer, since = threading.Timer(seconds, end), monotonic()
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
    assert monotonic() - since < seconds


@contextmanager
def silent_after(*words: bytes, last_arrives: bool = False) -> Iterator[SilentProxy]:
    """The test database behind a proxy; it is reached directly again afterwards."""
    settings, before = connection.settings_dict, dict(connection.settings_dict)
    connection.close()
    with SilentProxy(f"{settings['HOST']}/.s.PGSQL.5432", words, last_arrives=last_arrives) as proxy:
        settings |= {"HOST": "127.0.0.1", "PORT": proxy.port}
        try:
            with ended_after(TOO_LONG, proxy.hang_up):
                yield proxy
        finally:
            settings |= before
            connection.close()


def wrapper() -> BaseDatabaseWrapper:
    """What `django.db.connection` stands for."""
    return connections[DEFAULT_DB_ALIAS]


def note_params(monkeypatch: pytest.MonkeyPatch, used: list[dict[str, Any]]) -> None:
    """What connections are made with."""
    connect = wrapper().get_new_connection

    def noting(params: dict[str, Any]) -> Any:
        used.append(params)
        return connect(params)

    monkeypatch.setitem(vars(wrapper()), "get_new_connection", noting)
