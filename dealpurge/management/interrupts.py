"""Ctrl-C, SIGTERM, a terminal that goes away: while a run is under way a wish that it stop, else an interruption."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """Catches the signals for as long as it is entered, if that is in the main thread.

    A signal that the process was started to ignore, as ``nohup`` does, stays ignored. One that the process handles
    itself, as a worker does that carries out a task in its main thread, is handed on to it at the end.
    """

    def __init__(self, noted: Callable[[], object] = lambda: None) -> None:
        #: Called when a run is to stop, in the signal's handler.
        self.noted = noted
        #: The first signal that came.
        self.signal: int | None = None
        self._during_run = False
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._handlers[number] = signal.signal(number, self._caught)
        return self

    def __exit__(self, *exception: type[BaseException] | BaseException | TracebackType | None) -> None:
        for number, handler in self._handlers.items():
            if handler is not None:  # None: installed by something that is not Python, and cannot be put back
                signal.signal(number, handler)
        if self.signal and _is_own(self._handlers[self.signal]):
            signal.raise_signal(self.signal)

    @property
    def exit_code(self) -> int:
        """As a shell has it: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP."""
        return 128 + (self.signal or signal.SIGINT)

    @contextmanager
    def during_run(self) -> Iterator[None]:
        """In here the first signal is only noted; a second one interrupts, wherever the run may be."""
        self._during_run = True
        try:
            yield
        finally:
            self._during_run = False

    def _caught(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            leave_dead_terminal()
        repeated, self.signal = self.signal is not None, self.signal or number
        if repeated or not self._during_run:
            raise KeyboardInterrupt
        self.noted()


def _is_own(handler: Any) -> bool:
    """Whether it is neither the system's nor Python's."""
    return callable(handler) and handler is not signal.default_int_handler


def leave_dead_terminal() -> None:
    """Point the standard streams to nowhere where their terminal hung up: a write to it would fail, and hide the exit
    code of what the process was told. Streams that go elsewhere stay."""
    for number in (1, 2):
        try:
            os.write(number, b"")
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, number)
            os.close(nowhere)
