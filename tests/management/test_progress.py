"""The line that moves: as wide as the terminal, and never a part of a number."""

from __future__ import annotations

import pytest

from dealpurge.management.terminal.progress import ProgressLine
from dealpurge.services import Progress


class Screen:
    """Collects what is written on so many columns."""

    def __init__(self, width: int = 80, *, dry_run: bool = True) -> None:
        self.text = ""
        self.line = ProgressLine(self.write, dry_run=dry_run, width=lambda: width)

    def write(self, text: str) -> None:
        self.text += text


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        ((0, 0, 0), "[........................] 0 of 0 keys scanned, 0 deleted"),
        ((500, 1000, 20), "[############............] 500 of 1,000 keys scanned, 20 deleted"),
        ((1100, 1000, 20), "[########################] 1,100 of 1,100 keys scanned, 20 deleted"),
    ],
)
def test_the_bar_fills(progress: tuple[int, int, int], text: str) -> None:
    scanned, total, deleted = progress

    line = Screen(dry_run=False).line

    assert line.text(Progress(scanned=scanned, total=total, deleted=deleted), 79) == text


def test_a_dry_run_has_nothing_deleted_to_show() -> None:
    text = Screen().line.text(Progress(scanned=1, total=2, deleted=0), 79)

    assert text == "[############............] 1 of 2 keys scanned"


@pytest.mark.parametrize(
    ("room", "text"),
    [
        (199, "[############............] 500,000 of 1,000,000 keys scanned, 20,000 deleted"),
        (75, "[###########............] 500,000 of 1,000,000 keys scanned, 20,000 deleted"),
        (57, "[##...] 500,000 of 1,000,000 keys scanned, 20,000 deleted"),
        (56, "500,000 of 1,000,000 keys scanned, 20,000 deleted"),
        (48, "500,000 of 1,000,000, 20,000 deleted"),
        (35, "500,000 of 1,000,000 keys"),
        (24, "500,000 of 1,000,000"),
        (19, "50 %"),
        (3, ""),
    ],
)
def test_a_short_line_has_less_on_it_and_no_part_of_a_number(room: int, text: str) -> None:
    line = Screen(dry_run=False).line

    assert line.text(Progress(scanned=500_000, total=1_000_000, deleted=20_000), room) == text
    assert len(text) <= room


def test_the_line_is_not_painted_more_often_than_eyes_can_follow() -> None:
    screen = Screen()

    for scanned in range(1000):
        screen.line.show(Progress(scanned=scanned, total=1000, deleted=0))

    assert 1 <= screen.text.count("\r") < 100


def test_nothing_is_painted_before_there_is_a_total() -> None:
    screen = Screen()

    screen.line.show(Progress(scanned=0, total=0, deleted=0))
    assert screen.text == ""

    screen.line.show(Progress(scanned=0, total=7, deleted=0))
    assert screen.text == "\r[........................] 0 of 7 keys scanned"


def test_the_line_leaves_the_last_column_free_and_nothing_behind() -> None:
    screen = Screen(29)

    screen.line.show(Progress(scanned=1, total=2, deleted=0))
    screen.line.clear()

    assert screen.text == "\r[###...] 1 of 2 keys scanned\r" + 28 * " " + "\r"


def test_a_line_that_was_never_painted_needs_no_clearing() -> None:
    screen = Screen()

    screen.line.clear()

    assert screen.text == ""
