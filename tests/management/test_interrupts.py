"""Signals during a run and beside it."""

from __future__ import annotations

import os
import signal
from threading import Thread
from typing import Any

import pytest

from dealpurge.management.interrupts import SIGNALS, Interruption


def send(number: int) -> None:
    os.kill(os.getpid(), number)


def handlers() -> list[Any]:
    return [signal.getsignal(number) for number in SIGNALS]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_beside_a_run_a_signal_interrupts(number: int, code: int) -> None:
    with Interruption() as interruption, pytest.raises(KeyboardInterrupt):
        send(number)

    assert (interruption.signal, interruption.exit_code) == (number, code)


def test_during_a_run_the_first_signal_is_noted() -> None:
    with Interruption() as interruption, interruption.during_run():
        send(signal.SIGTERM)

    assert interruption.signal == signal.SIGTERM


def test_during_a_run_the_second_signal_interrupts_and_the_first_names_the_code() -> None:
    with Interruption() as interruption, interruption.during_run():
        send(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)

    assert interruption.exit_code == 143


def test_the_handlers_are_put_back() -> None:
    before = handlers()

    with Interruption():
        during = handlers()

    assert during != before
    assert handlers() == before


def test_a_worker_that_handles_signals_itself_learns_of_one_behind_the_run() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with Interruption() as interruption:
            with interruption.during_run():
                send(signal.SIGTERM)
            assert (interruption.signal, heard) == (signal.SIGTERM, [])
    finally:
        signal.signal(signal.SIGTERM, before)

    assert heard == [signal.SIGTERM]


def test_what_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            send(signal.SIGHUP)
        assert interruption.signal is None
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_in_another_thread_signals_are_none_of_its_business() -> None:
    before = handlers()
    seen: list[Any] = []

    def enter() -> None:
        with Interruption():
            seen.extend(handlers())

    thread = Thread(target=enter)
    thread.start()
    thread.join()

    assert seen == before
