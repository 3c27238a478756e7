from __future__ import annotations

from collections.abc import Callable

import pytest

from dealpurge import clock
from dealpurge.servers import backoff, sockets


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that is half a second or more is shorter by far."""
    monkeypatch.setattr(sockets, "SLICE", 0.02)
    monkeypatch.setattr(backoff, "ASK_EVERY", 0.01)
    monkeypatch.setattr(backoff, "GRACE", 0.3)


@pytest.fixture
def time_passes(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Put the clock forward."""
    passed, seconds = [0.0], clock.seconds
    monkeypatch.setattr(clock, "seconds", lambda: seconds() + sum(passed))
    return passed.append
