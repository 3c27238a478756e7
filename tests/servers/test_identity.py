"""What INFO tells of a server, and what the processes behind one address tell."""

from __future__ import annotations

import pytest

from dealpurge.servers.identity import Identity, in_turn

A, B = Identity("a", None, "1"), Identity("b", None, "2")
PROMOTED_AGAIN = A._replace(history="3")
UNKNOWN = [Identity(None, f"10.0.0.{number}") for number in (1, 2, 1)]


@pytest.mark.parametrize(
    ("processes", "told"),
    [
        ([A, A, A], False),
        ([A, B, B], False),
        ([A, B, PROMOTED_AGAIN], False),
        (UNKNOWN, False),
        ([A, B, A], True),
        ([A, A._replace(swaps="calls=1"), A, B, A], True),
    ],
)
def test_what_no_failover_brings_about(processes: list[Identity], told: bool) -> None:
    assert in_turn(processes) is told
