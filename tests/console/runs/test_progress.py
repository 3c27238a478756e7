"""How far a run is, and that nobody takes it or that it is silent, with what to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dealpurge.console.runs.progress import RunProgress
from dealpurge.models import PurgeRun

NOW = datetime(2026, 11, 26, 10, 31, tzinfo=UTC)


def told(**fields: Any) -> RunProgress:
    return RunProgress(PurgeRun(mode="all", source="admin", dry_run=False, **fields), NOW)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("seconds", "trouble"),
    [
        (4, ""),
        (29, ""),
        (31, "No worker has taken it yet. It expires in 14 minutes."),
        (13 * 60 + 40, "No worker has taken it yet. It expires in 1 minute."),
        (20 * 60, "No worker has taken it yet. It expires in 0 minutes."),
    ],
)
def test_a_run_that_nobody_takes_says_so_and_what_to_do(seconds: int, trouble: str) -> None:
    run = told(status="queued", created_at=ago(seconds))

    assert run.progress == f"Waiting for a worker, {seconds:,} s."
    assert run.trouble.startswith(trouble)
    assert ("manage.py db_worker" in run.trouble) == bool(trouble)
    assert bool(run.trouble) == bool(trouble)


@pytest.mark.parametrize(("seconds", "says"), [(1, False), (4, False), (6, True), (50, True)])
def test_a_run_that_is_silent_says_for_how_long(seconds: int, says: bool) -> None:
    run = told(status="running", created_at=ago(99), started_at=ago(98), heartbeat_at=ago(seconds))

    assert run.trouble.startswith(f"No sign of life for {seconds} s.") == says
    assert bool(run.trouble) == says


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_a_run_that_is_over_is_in_no_trouble(status: str) -> None:
    assert told(status=status, created_at=ago(99), heartbeat_at=ago(98)).trouble == ""


def test_nothing_is_said_of_how_many_keys_there_are_before_that_is_known() -> None:
    run = told(status="running", created_at=ago(9), started_at=ago(9), heartbeat_at=ago(1))

    assert run.progress == "Looking for Redis."
