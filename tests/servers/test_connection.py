"""The connection that a purge makes for itself."""

from __future__ import annotations

import pytest
from redis import ConnectionPool

from dealpurge.servers.construction import new_connection


@pytest.mark.parametrize(
    ("the_hosts", "ours"), [(None, (5, 4)), (0.5, (0.5, 0.5)), (5, (5, 4)), (10, (10, 4)), (120, (10, 4))]
)
def test_no_reply_is_waited_for_until_others_take_the_run_for_lost(
    the_hosts: float | None, ours: tuple[float, float]
) -> None:
    pool = ConnectionPool(socket_timeout=the_hosts, socket_connect_timeout=the_hosts)

    connection = new_connection(pool)

    assert (connection.socket_timeout, connection.socket_connect_timeout) == ours
