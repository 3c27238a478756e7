"""No call of ours waits for ever for a database that fell silent: packets dropped, a pooler that hangs, a lock that is
never given. The connection is the host's own: what is set for a call is undone after it."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from threading import Event, Thread, local
from time import monotonic
from typing import Any

from django.db import Error as DatabaseTrouble
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger("dealpurge")

#: An answer is waited for so long, and a new connection.
SECONDS = 5.0
#: SQLite has one writer at a time, and others wait as long as the host says, here no longer than this.
SQLITE_SECONDS = 20.0

#: By whatever lock or statement it is held up, and if it hears no more of us: the server lets go of the row.
LIMITS = """
    SELECT set_config(name, %s, true)
    FROM unnest('{lock_timeout,statement_timeout,idle_in_transaction_session_timeout}'::text[]) AS name
    WHERE current_setting(name)::interval NOT BETWEEN '1ms' AND %s::interval
"""

Connect = Callable[[dict[str, Any]], Any]


class _Limit(local):
    """Seconds that this thread waits at most, if less than usual."""

    seconds = SQLITE_SECONDS


_limit = _Limit()


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Within, nothing is waited for longer than that."""
    before, _limit.seconds = _limit.seconds, seconds
    try:
        yield
    finally:
        _limit.seconds = before


@contextmanager
def bounded(connection: BaseDatabaseWrapper, *, commits: bool = False) -> Iterator[None]:
    """Within, whoever waits too long for an answer gets Django's ``OperationalError``, and the connection is closed.

    ``commits``: what is between two statements counts as well, since a COMMIT is none of them; without it other work
    there may take its time. Drivers whose connections tell no file number (Oracle's) are left as they are.
    """
    with _bounded_sqlite(connection) if connection.vendor == "sqlite" else _Watch(connection, commits).watching():
        yield


def limit_transaction(connection: BaseDatabaseWrapper) -> None:
    """In the open transaction: have the server give up a little before we do. What the host set lower stays."""
    if connection.vendor == "postgresql":
        limit = f"{round(800 * SECONDS)}ms"
        with connection.cursor() as cursor:
            cursor.execute(LIMITS, [limit, limit])


class _Watch:
    """A thread that hangs up on a server that does not answer: that wakes any driver, whatever it waits for."""

    def __init__(self, connection: BaseDatabaseWrapper, commits: bool) -> None:
        self.connection, self._commits = connection, commits
        self.hung_up = False
        self._seconds = min(SECONDS, _limit.seconds)
        self._over = Event()
        self._heard()

    @contextmanager
    def watching(self) -> Iterator[None]:
        thread = Thread(target=self._watch, name="dealpurge-silence", daemon=True)
        try:
            thread.start()
            with _connecting(self.connection, self._connect), self.connection.execute_wrapper(self._execute):
                yield
        finally:
            self._over.set()
            thread.join()
            if self.hung_up:
                with suppress(DatabaseTrouble):
                    self.connection.close()  # the next query makes another

    def _heard(self, *, waiting: bool = True) -> None:
        self._waiting = waiting or self._commits
        self._deadline = monotonic() + self._seconds

    def _watch(self) -> None:
        while not self._over.wait(max(0, self._deadline - monotonic())):
            if monotonic() >= self._deadline:
                if self._waiting:
                    self._hang_up()
                self._deadline = monotonic() + self._seconds

    def _hang_up(self) -> None:
        connection = self.connection.connection
        with suppress(Exception):  # there may be none at this moment, or it has no socket to show
            number = connection.fileno()
            with socket.fromfd(number, socket.AF_INET, socket.SOCK_STREAM) as sock:
                # Closed meanwhile, its number may be that of a stranger's file by now.
                if connection.fileno() == number:
                    self.hung_up = True
                    sock.shutdown(socket.SHUT_RDWR)
                    logger.warning("the database of the record has not answered for %g seconds", self._seconds)

    def _execute(self, execute: Callable[..., Any], *args: Any) -> Any:
        self._heard()
        try:
            return execute(*args)
        finally:
            self._heard(waiting=False)

    def _connect(self, connect: Connect, params: dict[str, Any]) -> Any:
        if self.hung_up:
            # Django wants a connection to set autocommit again: there is no need to wait a second time.
            raise OperationalError("The database does not answer.")
        if self.connection.vendor in ("postgresql", "mysql"):
            # The thread that makes it is to end too; libpq knows no less than two seconds.
            limit, wanted = max(2, round(self._seconds)), int(params.get("connect_timeout") or 0)
            params = {**params, "connect_timeout": wanted if 0 < wanted < limit else limit}
        try:
            return _made_in_time(connect, params, self._seconds)
        finally:
            self._heard()


def _made_in_time(connect: Connect, params: dict[str, Any], seconds: float) -> Any:
    """A new connection, in a thread: no driver bounds what a name server takes, nor a pool its look at a connection."""
    made: Future[Any] = Future()

    def make() -> None:
        try:
            connection = connect(params)
        except Exception as exc:
            if made.set_running_or_notify_cancel():
                made.set_exception(exc)
        else:
            if made.set_running_or_notify_cancel():
                made.set_result(connection)
            else:  # nobody waits for it any more
                pool = getattr(connection, "_pool", None)
                pool.putconn(connection) if pool else connection.close()

    Thread(target=make, name="dealpurge-connect", daemon=True).start()
    try:
        return made.result(seconds)
    except BaseException as exc:
        if made.cancel() and isinstance(exc, TimeoutError):
            raise OperationalError("The database does not answer.") from None
        if made.done() and not made.cancelled():
            return made.result()  # it came at the last moment, or this is its own error
        raise


@contextmanager
def _connecting(connection: BaseDatabaseWrapper, connect: Callable[[Connect, dict[str, Any]], Any]) -> Iterator[None]:
    """Connections that the wrapper makes within are made by ``connect``."""
    name, own = "get_new_connection", vars(connection)
    before, original = own.get(name), connection.get_new_connection
    own[name] = lambda params: connect(original, params)
    try:
        yield
    finally:
        del own[name]
        if before is not None:
            own[name] = before


@contextmanager
def _bounded_sqlite(connection: BaseDatabaseWrapper) -> Iterator[None]:
    before: list[int] = []
    most = min(SQLITE_SECONDS, _limit.seconds)

    def shorten(sqlite: Any) -> Any:
        before[:] = sqlite.execute("PRAGMA busy_timeout").fetchone()
        sqlite.execute(f"PRAGMA busy_timeout = {min(*before, round(most * 1000))}")
        return sqlite

    def connect(connect: Connect, params: dict[str, Any]) -> Any:
        wanted = params.get("timeout", 5.0)
        short = min(wanted, most)
        sqlite = shorten(connect({**params, "timeout": short}))  # the host's init_command may wait for a lock too
        if before == [round(short * 1000)]:  # or it said what holds instead
            before[:] = [round(wanted * 1000)]
        return sqlite

    if connection.connection is not None:
        shorten(connection.connection)
    try:
        with _connecting(connection, connect):
            yield
    finally:
        if before and connection.connection is not None:
            connection.connection.execute(f"PRAGMA busy_timeout = {before[0]}")
