"""What a purge must not leave behind: connections and threads."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from dealpurge.servers import connection, construction
from tests.support.servers import RedisServer


def strangers(server: RedisServer) -> list[str]:
    """Connections to a server that are not the test's own; replicas and the cluster bus are none."""
    with server.client(client_name="test") as client:
        rows = client.client_list(_type="normal")
    return [row["name"] or row["cmd"] for row in rows if row["name"] != "test"]


@contextmanager
def nothing_left_behind() -> Iterator[list[Any]]:
    """Yields the connections of ours that are made meanwhile; none of them, and no thread, may be left at the end."""
    made, threads, make = list[Any](), set(threading.enumerate()), construction.new_connection

    def noting(*args: Any, **kwargs: Any) -> Any:
        made.append(make(*args, **kwargs))
        return made[-1]

    with patch.object(connection, "new_connection", noting):
        yield made
    assert [connection for connection in made if connection._sock] == []
    assert set(threading.enumerate()) <= threads


def open_sockets() -> int:
    """How many this process has."""
    gc.collect()
    files = (f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd"))
    return sum(1 for file in files if os.path.islink(file) and os.readlink(file).startswith("socket:"))
