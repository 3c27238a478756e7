"""The line that moves: as wide as the terminal, and never a part of a number."""

from __future__ import annotations

import pytest

from dealpurge.management.terminal import progress as terminal
from dealpurge.management.terminal.progress import ProgressLine, ProgressLog
from dealpurge.services import PhaseProgress, Progress, ProgressDetails


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


DELETING = PhaseProgress(name="delete", state="now", done=28402, total=61744, rate=2180, seconds=13.0, seconds_left=15)
SCANNED = PhaseProgress(name="scan", state="done", done=9, total=9)


def progress(*phases: PhaseProgress, **fields: int) -> Progress:
    details = ProgressDetails(phases=phases, **({"pass_number": 1} | fields))  # type: ignore[arg-type]
    return Progress(scanned=500, total=1000, deleted=20, details=lambda: details)


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (progress(SCANNED, DELETING), "28,402 of 61,744 keys deleted, 2,180/s, about 15 s left"),
        (
            progress(SCANNED, PhaseProgress(name="activity", state="now", done=5, total=1302)),
            "5 of 1,302 deals checked for activity",
        ),
        (
            progress(SCANNED, PhaseProgress(name="record", state="now", done=5, total=7)),
            "5 of 7 deals written to the record",
        ),
        (
            progress(
                PhaseProgress(name="scan", state="now", done=500, total=1000, rate=7, seconds_left=71),
                PhaseProgress(name="delete", state="now", done=20),
            ),
            "500 of 1,000 keys scanned, 20 deleted, 7/s, about 71 s left",
        ),
        (
            progress(SCANNED, DELETING, waiting=12, gives_up_in=18),
            "28,402 of 61,744 keys deleted, waiting for Redis for 12 s, 18 s more",
        ),
        (progress(SCANNED, DELETING, waiting=12, pass_number=2), ", waiting for Redis for 12 s, pass 2"),
        (progress(), "500 of 1,000 keys scanned, 20 deleted"),
    ],
)
def test_the_phase_under_way_is_told(told: Progress, text: str) -> None:
    line = Screen(dry_run=False).line

    assert line.text(told, 200).endswith(text)


def test_what_is_archived_first_is_told_so() -> None:
    lines = list[str]()
    line = ProgressLine(lines.append, dry_run=False, archived=True, width=lambda: 80)

    assert line.text(progress(SCANNED, DELETING), 42) == "28,402 of 61,744 keys archived and deleted"
    assert line.text(progress(SCANNED, DELETING), 25) == "28,402 of 61,744 keys"


@pytest.mark.parametrize(
    ("room", "text"),
    [
        (50, "[########..........] 28,402 of 61,744 keys deleted"),
        (30, "28,402 of 61,744 keys deleted"),
        (25, "28,402 of 61,744 keys"),
        (17, "28,402 of 61,744"),
        (5, "45 %"),
    ],
)
def test_what_is_left_goes_first_from_a_short_line(room: int, text: str) -> None:
    shown = Screen(dry_run=False).line.text(progress(SCANNED, DELETING), room)

    assert (shown, len(shown) <= room) == (text, True)


def test_where_nothing_moves_a_line_comes_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now, lines = [1000.0], list[str]()
    monkeypatch.setattr(terminal, "monotonic", lambda: now[0])
    log = ProgressLog(lines.append, dry_run=False)

    for _ in range(91):
        now[0] += 1
        log.show(progress(SCANNED, DELETING))
    log.clear()

    assert lines == ["28,402 of 61,744 keys deleted, 2,180/s, about 15 s left"] * 3
