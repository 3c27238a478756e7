"""What is told of phases and servers, by a clock that the test turns."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dealpurge.engine.tracking import tracker as tracking
from dealpurge.engine.tracking.details import Counts, PhaseName, PhaseProgress
from dealpurge.engine.tracking.meter import Meter
from dealpurge.engine.tracking.tracker import Tracker
from dealpurge.servers.slots import Node

GUARDED: tuple[PhaseName, ...] = ("scan", "activity", "delete", "record")
SWEEP: tuple[PhaseName, ...] = ("scan", "delete", "record")


class Run:
    """A tracker, the counts that it asks for, and its clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, phases: tuple[PhaseName, ...], **options: Any) -> None:
        self.now, self.counts = 1000.0, Counts()
        monkeypatch.setattr(tracking, "monotonic", lambda: self.now)
        self.tracker = Tracker(phases, lambda: self.counts, **options)

    def after(self, seconds: float, **counts: int) -> dict[str, PhaseProgress]:
        self.now += seconds
        self.counts = self.counts._replace(**counts)
        return {phase.name: phase for phase in self.tracker.details().phases}

    def states(self, seconds: float = 1, **counts: int) -> list[str]:
        return [phase.state for phase in self.after(seconds, **counts).values()]


def test_a_guarded_purge_scans_then_looks_and_deletes_then_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, GUARDED)

    assert run.states(scanned=1, total=100) == ["now", "later", "later", "later"]
    run.tracker.begin("activity")
    assert run.states(scanned=100, to_judge=10, to_delete=50) == ["done", "now", "now", "later"]
    assert run.states(judged=10, deleted=20) == ["done", "done", "now", "later"]
    run.tracker.record(complete=True, deals=10)
    assert run.states(deleted=50) == ["done", "done", "done", "now"]
    run.tracker.close()
    assert run.states() == ["done"] * 4


def test_a_sweep_deletes_while_it_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, SWEEP)

    assert run.states(scanned=1, total=100) == ["now", "now", "later"]
    run.tracker.record(complete=True)
    assert run.states(scanned=100) == ["done", "done", "now"]


def test_a_run_that_was_stopped_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, GUARDED)
    run.states(scanned=50, total=100)

    run.tracker.record(complete=False)

    assert run.states() == ["stopped", "stopped", "stopped", "now"]


def test_what_is_left_is_told_after_three_seconds_of_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, SWEEP)

    told = [run.after(1, scanned=100 * second, total=1000)["scan"] for second in range(1, 7)]

    assert [phase.seconds_left for phase in told] == [None, None, None, 6, 5, 4]
    assert [phase.rate for phase in told] == [None, 100, 100, 100, 100, 100]


def test_nothing_is_said_of_a_time_left_where_nothing_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, SWEEP)
    run.after(0, scanned=10, total=1000)

    still = [run.after(1)["scan"] for _ in range(9)][-1]

    assert (still.rate, still.seconds, still.seconds_left) == (0, 9, None)


def test_a_rate_is_of_the_last_five_seconds_and_at_the_end_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, SWEEP)
    for second in range(1, 21):
        slow = run.after(1, scanned=min(second, 10) * 1000 + max(second - 10, 0) * 10, total=99999)["scan"]
    assert slow.rate == 10

    run.tracker.record(complete=True)

    over = run.after(7)["scan"]
    assert (over.rate, over.seconds, over.seconds_left) == (round(10100 / 19), 19, None)


def test_a_phase_takes_from_its_beginning_to_its_end_whenever_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, GUARDED)
    run.tracker.begin_pass(1)
    run.now += 2
    run.tracker.begin("activity")
    run.now += 0.5
    run.tracker.record(complete=True)
    run.now += 0.25
    run.tracker.close()

    told = run.after(30, scanned=9, total=9, to_judge=3, judged=3, to_delete=4, deleted=4)

    assert {name: phase.seconds for name, phase in told.items()} == {
        "scan": 2,
        "activity": 0.5,
        "delete": 0.5,
        "record": 0.25,
    }


def test_a_pass_begun_anew_is_counted_from_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, GUARDED)
    run.tracker.begin("activity")
    run.after(1, scanned=100, total=100, judged=10, to_judge=10, deleted=40, to_delete=50)

    run.tracker.begin_pass(2)
    again = run.after(1, scanned=130, total=200, deleted=41)

    assert run.tracker.details().pass_number == 2
    assert (again["scan"].done, again["scan"].total, again["scan"].state) == (30, 100, "now")
    assert (again["activity"].done, again["activity"].total, again["activity"].state) == (0, None, "later")
    assert (again["delete"].done, again["delete"].total) == (41, None)  # what is deleted stays so
    run.tracker.begin("activity")
    assert run.after(1, to_delete=59)["delete"].total == 49


def test_a_sweep_knows_how_much_is_to_go_by_its_preview(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, SWEEP, expected=80)

    assert run.after(1, deleted=20)["delete"].total == 80
    assert run.after(1, deleted=90)["delete"].total == 90  # more came since
    assert Run(monkeypatch, SWEEP).after(1, deleted=20)["delete"].total is None


def test_no_phase_is_past_its_total(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, SWEEP)

    assert run.after(1, scanned=120, total=100)["scan"].total == 120


def test_a_server_is_waited_for_once_it_is_silent_for_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, SWEEP)
    silence: list[tuple[float | None, int | None]] = [(None, None), (0.7, None), (12.4, 18)]
    backoff = SimpleNamespace(silence=lambda: silence[0])
    connection: Any = SimpleNamespace(node=Node("a" * 40, "redis-a", 7000), backoff=backoff)
    counted = SimpleNamespace(scanned=5, deleted=3)

    with run.tracker.following(connection, counted, "deleting"):
        seen = []
        while silence:
            details = run.tracker.details()
            seen.append((details.waiting, details.gives_up_in, *[server.waiting for server in details.servers]))
            silence.pop(0)
            backoff.silence = lambda: silence[0] if silence else (None, None)
    counted.scanned = 99  # of a tally that is no longer its own

    assert seen == [(None, None, None), (None, None, None), (12, 18, 12)]
    (server,) = run.tracker.details().servers
    assert (server.name, server.state, server.scanned, server.deleted) == ("redis-a:7000", "done", 5, 3)


def test_a_server_that_is_done_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, SWEEP)
    connection: Any = SimpleNamespace(node=None, backoff=SimpleNamespace(silence=lambda: (40.0, None)))

    with run.tracker.following(connection, SimpleNamespace(scanned=5, deleted=3), "scanning"):
        assert run.tracker.details().waiting == 40

    assert run.tracker.details().waiting is None
    assert run.tracker.details().servers == ()  # it is no cluster


def test_a_meter_that_begins_anew_forgets_what_it_measured() -> None:
    meter = Meter()
    meter.note(0, 1000, "now")
    meter.note(4, 5000, "now")
    assert meter.rate(4, 5000) == 1000

    meter.restart(5)
    meter.note(5, 0, "now")
    meter.note(6, 7, "now")

    assert (meter.rate(6, 7), meter.seconds(6)) == (7, 1)


def test_what_is_only_counted_yet_is_not_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, SWEEP)
    run.tracker.counting = True

    assert run.states(scanned=1, total=100) == ["now", "later", "later"]
    run.tracker.counting = False
    assert run.states() == ["now", "now", "later"]
