"""What became of keys that UNLINK named."""

from __future__ import annotations

import pytest

from dealpurge.engine.sweep.unlink import Removal, removal_by_reply
from dealpurge.servers.connection import ServerConnection


class Answers(ServerConnection):
    """A server that has the keys named ``back`` again by the time it is asked for them."""

    def __init__(self, *back: bytes) -> None:
        self.back = back

    def ask_keys(self, commands: object) -> list[int]:
        return [int(key in self.back) for _exists, key in commands]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("reply", "back", "deleted", "left"),
    [
        (3, (), 3, ()),
        (2, (), 2, ()),
        (2, (b"a",), 2, (b"a",)),
        (2, (b"a", b"b"), 2, (b"a",)),
        (0, (b"a", b"b"), 0, (b"a", b"b")),
    ],
)
def test_a_key_that_was_removed_and_written_again_is_not_counted_twice(
    reply: int, back: tuple[bytes, ...], deleted: int, left: tuple[bytes, ...]
) -> None:
    assert removal_by_reply(Answers(*back), [b"a", b"b", b"c"], reply) == Removal(deleted, left)
