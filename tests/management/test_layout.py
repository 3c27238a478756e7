"""Lines that fit a terminal of any width, and hold each number and each character of a name."""

from __future__ import annotations

import os
import pty
import sys
import termios
from collections.abc import Iterator

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from dealpurge.management.terminal.layout import LONGEST_LINE, Layout, cells
from dealpurge.management.terminal.streams import layout_of
from dealpurge.text import escape
from tests.support.commands import Purge

NAMES = st.text(min_size=1, max_size=120).map(escape)
WIDTHS = st.integers(min_value=40, max_value=250)
SENTENCE = "Dry run: a purge would delete 2,149 keys of 183 deals."


def table(layout: Layout, *rows: tuple[str, str], right: bool = False) -> list[str]:
    return ["\n".join(lines) for lines in layout.table(rows, right=right)]


# Sentences


def test_where_there_is_no_terminal_nothing_is_wrapped() -> None:
    assert Layout().prose("word " * 200) == ["word " * 200]
    assert table(Layout(), ("x" * 300, "1"), ("y", "22"), right=True) == ["x" * 300 + "   1", "y" + " " * 299 + "  22"]


def test_sentences_are_broken_at_blanks() -> None:
    assert Layout(40).prose(SENTENCE) == ["Dry run: a purge would delete 2,149 keys", "of 183 deals."]


def test_what_follows_is_indented_as_it_was_or_as_told() -> None:
    assert Layout(12).prose("  aaaa bbbb cccc") == ["  aaaa bbbb", "  cccc"]
    assert Layout(12).prose(" 2  aaaa bbbb cccc", 4) == [" 2  aaaa", "    bbbb", "    cccc"]


def test_a_command_to_copy_and_a_long_word_stay_whole() -> None:
    command = "    python manage.py purge_deals --mode all --exclude-active-within 1h"

    assert Layout(40).prose(f"Run it:\n{command}") == ["Run it:", command]
    assert Layout(10).prose("see https://example.com/somewhere now") == [
        "see",
        "https://example.com/somewhere",
        "now",
    ]


def test_lines_are_no_longer_on_a_very_wide_terminal() -> None:
    assert max(map(len, Layout(250).prose("word " * 100))) <= 100


# Tables


def test_a_long_name_goes_over_several_lines() -> None:
    assert table(Layout(30), ("acme deal-1", "1,234"), ("an-organisation deal_2026-11-27", "5"), right=True) == [
        "acme deal-1              1,234",
        "an-organisation              5\n  deal_2026-11-27",
    ]


def test_a_name_without_a_break_is_cut_where_its_line_ends() -> None:
    (row,) = table(Layout(30), ("x" * 50, "1,234"), right=True)

    assert row == f"{'x' * 23}  1,234\n  {'x' * 21}\n  {'x' * 6}"


def test_where_little_room_is_left_the_value_stands_below_the_name() -> None:
    assert table(Layout(40), ("birch deal-2", "last active 2026-11-27T12:00:00Z")) == [
        "birch deal-2\n  last active 2026-11-27T12:00:00Z"
    ]


def test_an_escape_is_not_taken_apart() -> None:
    (row,) = table(Layout(21), (r"\u202e" * 4, "1,234"), right=True)

    assert row == "\\u202e\\u202e    1,234\n  \\u202e\\u202e"


def test_wide_characters_take_two_columns_and_accents_none() -> None:
    assert (cells("deal"), cells("取引"), cells("e\u0301")) == (4, 4, 1)
    assert table(Layout(80), ("取引", "1"), ("e\u0301", "1")) == ["取引  1", "e\u0301     1"]


@given(st.lists(st.tuples(NAMES, st.integers(0, 10**12).map("{:,}".format)), min_size=1), WIDTHS)
def test_every_row_fits_and_has_all_of_its_name_and_its_number(rows: list[tuple[str, str]], width: int) -> None:
    for (name, number), lines in zip(rows, Layout(width).table(rows, right=True), strict=True):
        assert all(cells(line) <= min(width, LONGEST_LINE) for line in lines)
        (holder,) = [place for place, line in enumerate(lines) if line.endswith(f"  {number}")][:1]
        names = [line.removesuffix(number) if place == holder else line for place, line in enumerate(lines)]
        assert "".join("".join(names).split()) == "".join(name.split())


# A terminal's width


@pytest.fixture
def screen() -> Iterator[int]:
    """The terminal's own end of a pseudo-terminal."""
    ours, theirs = pty.openpty()
    yield theirs
    os.close(theirs)
    os.close(ours)


def width_at(screen: int) -> int | None:
    with os.fdopen(os.dup(screen), "w") as stream:
        return layout_of(stream).width


def test_the_width_is_that_of_the_stream_itself(screen: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)

    for width in (40, 132):
        termios.tcsetwinsize(screen, (24, width))
        assert width_at(screen) == width


@pytest.mark.parametrize(("columns", "width"), [("57", 57), ("0", 80), ("wide", 80), ("", 80)])
def test_columns_goes_before_it_and_80_is_usual(
    screen: int, monkeypatch: pytest.MonkeyPatch, columns: str, width: int
) -> None:
    termios.tcsetwinsize(screen, (0, 0))
    monkeypatch.setenv("COLUMNS", columns)

    assert width_at(screen) == width


def test_a_pipe_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")

    with open(os.devnull, "w") as stream:
        assert layout_of(stream).width is None


# The command


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("width", [40, 80, 200])
def test_all_that_the_command_says_fits(
    deals: redis.Redis, purge: Purge, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    for stream in (sys.stdout, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    deals.hset("notes:deal-1:" + "x" * 20, "a", "b")

    for options in (
        ("--mode", "all", "--exclude-active-within", "1h", "--verbosity", "2"),
        ("--mode", "by_deal", "--deal-id", "deal-1"),
        ("--mode", "by_deal", "--deal-id", "deal-1", "--deal-id", "nobody"),
        ("--mode", "all", "--no-dry-run", "--no-input", "--at-most-keys", "1"),
        ("--explain", "x"),
    ):
        outcome = purge(*options, "--no-color")
        lines = (outcome.out + outcome.err).replace("\r", "\n").splitlines()
        assert [line for line in lines if len(line) > width and " " in line.strip()] == []


@pytest.mark.django_db(transaction=True)
def test_a_pipe_is_given_whole_lines_beside_a_narrow_terminal(
    deals: redis.Redis, purge: Purge, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ("--mode", "all", "--exclude-active-within", "1h", "--no-color")
    usual = purge(*options).out
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    outcome = purge(*options)

    assert outcome.out == usual
    assert "Dry run: a purge would delete 5 keys of 1 deal and skip 1 active deal.\n" in outcome.out
    assert max(map(len, outcome.err.replace("\r", "\n").splitlines())) <= 40
