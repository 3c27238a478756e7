"""What an archive is written as is taken apart as it was put together, and nothing else is."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dealpurge.engine.restore.commands import Commands, NoCommands
from tests.archive.test_format import entry
from tests.support.archiving import commands_in
from tests.support.contents import LATER

entries = st.builds(
    entry,
    key=st.one_of(st.binary(max_size=40), st.sampled_from([b"\r\n$2\r\nNX\r\n", b"*4\r\n$3\r\nSET\r\n"])),
    value=st.one_of(st.binary(max_size=200), st.sampled_from([b"\r\n$2\r\nNX\r\n", b"\r\n$6\r\nABSTTL\r\n"])),
    until=st.one_of(st.just(0), st.integers(1, 2 * LATER)),
    is_string=st.booleans(),
)


def parsed(data: bytes, most: int) -> list[Commands]:
    return list(Commands.parse(data, most))


@given(st.lists(entries, max_size=12), st.sampled_from([1, 100, 1 << 20]))
def test_commands_are_taken_apart_as_any_reader_does(written: list[Any], most: int) -> None:
    data = b"".join(each.commands() for each in written)

    pieces = parsed(data, most)

    expected = list(commands_in(data))
    assert list(chain.from_iterable(piece.keys for piece in pieces)) == [command[1] for command in expected]
    strings = list(chain.from_iterable(piece.strings for piece in pieces))
    assert strings == [command[0] == b"SET" for command in expected]
    moments = [int(command[2]) if command[0] == b"RESTORE" else int((command[5:] or [b"0"])[0]) for command in expected]
    assert list(chain.from_iterable(piece.moments for piece in pieces)) == moments
    packed = list(chain.from_iterable(piece.packed() for piece in pieces))
    assert [list(commands_in(command)) for command in packed] == [[command] for command in expected]
    assert b"".join(packed) == data
    assert b"".join(piece.joined() for piece in pieces) == data


@given(st.lists(entries, min_size=1, max_size=12), st.data())
def test_some_of_them_are_what_they_were(written: list[Any], data: st.DataObject) -> None:
    """However they are chosen, and whether or not the rest of the file is kept."""
    all_of_it = [each.commands() for each in written]
    (whole,) = parsed(b"".join(all_of_it), 1 << 30)
    chosen = data.draw(st.lists(st.booleans(), min_size=len(written), max_size=len(written)))
    places = [place for place, is_chosen in enumerate(chosen) if is_chosen]

    for some in (whole.only(chosen), whole.at(places), whole.only(chosen).apart()):
        assert some.packed() == [all_of_it[place] for place in places]
        assert some.joined() == b"".join(some.packed())
        assert some.keys == [whole.keys[place] for place in places]
        assert some.moments == [whole.moments[place] for place in places]
        assert some.strings == [whole.strings[place] for place in places]
        assert list(some.sizes) == [len(all_of_it[place]) for place in places]


@given(st.lists(entries, min_size=1, max_size=4), st.data())
def test_what_is_cut_off_anywhere_is_no_archive(written: list[Any], data: st.DataObject) -> None:
    commands = [each.commands() for each in written]
    whole = b"".join(commands)
    cut = data.draw(st.integers(1, len(commands[-1]) - 1))

    with pytest.raises(NoCommands):
        parsed(whole[:-cut], 1 << 20)


@pytest.mark.parametrize(
    "garbage",
    [
        b"\n",
        b"\x00" * 100,
        b"SET k v\r\n",
        b"*0\r\n",
        b"*1\r\n$8\r\nFLUSHALL\r\n",
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n",
        b"*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n$2\r\nXX\r\n",
        b"*4\r\n$3\r\nSET\r\n$2\r\nk\r\n$1\r\nv\r\n$2\r\nNX\r\n",
        b"*4\r\n$3\r\nSET\r\n$-1\r\nk\r\n$1\r\nv\r\n$2\r\nNX\r\n",
        b"*4\r\n$3\r\nSET\r\n$1\r\nk\r\n$9999999999\r\nv\r\n$2\r\nNX\r\n",
        b"*5\r\n$7\r\nRESTORE\r\n$1\r\nk\r\n$1\r\n0\r\n$1\r\nv\r\n$7\r\nREPLACE\r\n",
        b"*6\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n$2\r\nNX\r\n$2\r\nEX\r\n$2\r\n10\r\n",
    ],
)
@pytest.mark.parametrize("before", [b"", entry().commands()])
def test_nothing_else_is_a_command_of_an_archive(before: bytes, garbage: bytes) -> None:
    with pytest.raises(NoCommands):
        parsed(before + garbage, 1 << 20)
