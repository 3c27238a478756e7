"""Commands as they go over the wire, many at once or one by one."""

from __future__ import annotations

import pytest

from dealpurge.servers.commands import Command, Several, naming, pack, replies_to

ARGUMENTS = [b"$1\r\na\r\n", b"$2\r\nbc\r\n", b"$0\r\n\r\n"]
GET = b"*2\r\n$3\r\nGET\r\n"


@pytest.mark.parametrize("number", range(4))
def test_a_command_for_each_of_many_keys(number: int) -> None:
    arguments = ARGUMENTS[:number]

    several = Several.of(GET, arguments)

    assert several == b"".join(GET + argument for argument in arguments)
    assert several.replies == number


def test_a_command_that_names_many_keys() -> None:
    assert naming(b"MGET", ARGUMENTS) == b"*4\r\n$4\r\nMGET\r\n" + b"".join(ARGUMENTS)


def test_words_and_bytes_go_together() -> None:
    commands: list[Command] = [("PING",), Several.of(GET, ARGUMENTS), GET + ARGUMENTS[0]]

    assert pack(None, commands) == [b"*1\r\n$4\r\nPING\r\n" + b"".join(GET + a for a in ARGUMENTS) + GET + ARGUMENTS[0]]
    assert replies_to(commands) == 5


def test_what_names_no_key_asks_nothing() -> None:
    assert replies_to([Several.of(GET, [])]) == 0
    assert pack(None, [Several.of(GET, [])]) == [b""]
