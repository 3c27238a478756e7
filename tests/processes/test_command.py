"""manage.py purge_deals as a process of its own: signals, terminals, and a Redis that dies under it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from dealpurge.models import PurgeRun, PurgeRunDeal
from tests.support.servers import RedisServer, wait_until

from .conftest import BYSTANDERS, DEALS, KEYS, Manage, wait_for_the_middle

pytestmark = pytest.mark.django_db(transaction=True)

LIVE_ALL = ("purge_deals", "--mode", "all", "--no-dry-run", "--no-input")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_stops_the_run_with_true_counts(
    manage: Manage, full: redis.Redis, number: signal.Signals, code: int
) -> None:
    process = manage.start(*LIVE_ALL, "--format", "json")
    wait_for_the_middle(full)

    process.send_signal(number)
    out, err = process.communicate(timeout=30)

    gone = KEYS + BYSTANDERS - full.dbsize()
    run = PurgeRun.objects.get()
    assert (process.returncode, err) == (code, "CommandError: Interrupted.\n")
    assert 0 < gone < KEYS
    assert (run.status, run.keys_deleted, run.exclusive) == ("cancelled", gone, None)
    assert json.loads(out) == run.report
    assert run.report is not None
    assert run.report["keys"]["deleted"] == gone
    assert PurgeRunDeal.objects.filter(run=run).exists()


def test_a_second_ctrl_c_does_not_wait(manage: Manage, server: RedisServer, full: redis.Redis) -> None:
    manage.environment["REDIS_URL"] += "?socket_timeout=10"
    process = manage.start(*LIVE_ALL)
    wait_for_the_middle(full)
    server.pause()
    try:
        for _ in range(2):  # first for the server, then, interrupted, for the replies it owes
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.5)
            process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=8)
    finally:
        server.resume()

    run = PurgeRun.objects.get()
    assert process.returncode == 130
    assert err.startswith("CommandError: Interrupted. ")
    assert str(run.pk) in err
    assert (run.status, run.error, run.exclusive) == ("failed", "Interrupted.", None)
    assert 0 < run.keys_deleted <= KEYS + BYSTANDERS - full.dbsize()


def test_a_redis_that_dies_in_the_middle(manage: Manage, server: RedisServer, full: redis.Redis) -> None:
    process = manage.start(*LIVE_ALL)
    wait_for_the_middle(full)

    server.kill()
    out, err = process.communicate(timeout=30)

    run = PurgeRun.objects.get()
    assert (process.returncode, out) == (1, "")
    assert err == (
        "CommandError: Redis cannot be reached (tried for 1 s). "
        f"The purge failed, having deleted {run.keys_deleted:,} keys. (Run {run.pk}.)\n"
    )
    assert (run.status, run.error) == ("failed", "Redis cannot be reached (tried for 1 s).")
    assert 0 < run.keys_deleted < KEYS


def test_a_killed_command_is_lost_and_can_be_run_again(manage: Manage, full: redis.Redis) -> None:
    process = manage.start(*LIVE_ALL)
    wait_for_the_middle(full)
    process.kill()
    process.communicate()
    lost = PurgeRun.objects.get()
    PurgeRun.objects.update(heartbeat_at=lost.created_at.replace(year=2000))

    again = manage.start(*LIVE_ALL, "--verbosity", "0")
    out, err = again.communicate(timeout=60)

    lost.refresh_from_db()
    assert (lost.status, lost.exclusive) == ("failed", None)
    assert again.returncode == 0
    assert [line.partition(" ERROR ")[2] for line in err.splitlines()] == ["dealpurge purge lost"]  # of the first one
    assert out.startswith("Deleted ")
    assert full.dbsize() == BYSTANDERS


Reaction = Callable[[subprocess.Popen[str], int], Any]


def at_a_terminal(manage: Manage, *options: str, at: bytes, react: Reaction) -> tuple[int, str]:
    """Run the command on a pseudo-terminal, react when the screen shows ``at``; exit code and all that it showed."""
    screen, terminal = pty.openpty()
    process = manage.start("purge_deals", *options, stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    shown, reacted = b"", False
    try:
        while select.select([screen], [], [], 30)[0]:
            shown += os.read(screen, 4096)
            if not reacted and at in shown:
                react(process, screen)
                reacted = True
    except OSError:  # the terminal's last user has gone
        pass
    finally:
        os.close(screen)
    return process.wait(30), shown.decode()


def sit_down() -> None:
    """Make the process's terminal the one that it is told of when it goes away."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_a_terminal_that_goes_away_stops_the_run(manage: Manage, full: redis.Redis) -> None:
    screen, terminal = pty.openpty()
    streams: dict[str, Any] = {"stdin": terminal, "stdout": terminal, "stderr": terminal}
    process = manage.start(*LIVE_ALL, **streams, start_new_session=True, preexec_fn=sit_down)
    os.close(terminal)
    wait_for_the_middle(full)

    os.close(screen)

    assert process.wait(30) == 129
    run = PurgeRun.objects.get()
    assert (run.status, run.keys_deleted) == ("cancelled", KEYS + BYSTANDERS - full.dbsize())


def interrupt(process: subprocess.Popen[str], screen: int) -> None:
    process.send_signal(signal.SIGINT)


def interrupt_once_it_waits(process: subprocess.Popen[str], screen: int) -> None:
    """Python's input() misses a signal between the question and its own read; nobody's hands are that fast."""
    status = Path(f"/proc/{process.pid}/status")
    wait_until(lambda: "State:\tS" in status.read_text(), what="read of the answer")
    interrupt(process, screen)


def test_the_conversation_at_a_terminal(manage: Manage, full: redis.Redis) -> None:
    code, shown = at_a_terminal(
        manage,
        "--mode",
        "all",
        "--no-dry-run",
        "--no-color",
        at=b'" to confirm: ',
        react=lambda _, screen: os.write(screen, f"purge {DEALS}\n".encode()),
    )

    assert code == 0
    assert f"Dry run: a purge would delete {KEYS:,} keys of {DEALS} deals.\r\n" in shown
    assert shown.endswith(f"Done: {DEALS} deals purged\r\n")
    assert "\x1b[" not in shown
    assert f"of {KEYS + BYSTANDERS:,} keys scanned" in shown
    assert f"of {KEYS:,} keys deleted" in shown  # as many as the preview counted
    assert full.dbsize() == BYSTANDERS


def test_ctrl_c_at_the_question(manage: Manage, full: redis.Redis) -> None:
    code, shown = at_a_terminal(
        manage,
        "--mode",
        "all",
        "--no-dry-run",
        "--no-color",
        at=b'" to confirm: ',
        react=interrupt_once_it_waits,
    )

    assert code == 130
    assert shown.endswith("\r\nCommandError: Interrupted.\r\n")
    assert full.dbsize() == KEYS + BYSTANDERS
    assert [run.dry_run for run in PurgeRun.objects.all()] == [True]


def test_ctrl_c_at_a_terminal_is_acknowledged(manage: Manage, full: redis.Redis) -> None:
    options = ("--mode", "all", "--no-dry-run", "--no-input", "--no-color")
    code, shown = at_a_terminal(manage, *options, at=b"##.", react=interrupt)

    gone = KEYS + BYSTANDERS - full.dbsize()
    assert code == 130
    assert "\r\nStopping. Press Ctrl-C again to wait for nothing.\r\n" in shown
    assert f"The purge was cancelled, having deleted {gone:,} keys.\r\n" in shown
    told, _, copied = shown.partition("CommandError: ")[2].partition("\r\n\r\nPreview what is left:\r\n")
    assert " ".join(told.split()).startswith(f"Cancelled {gone:,} keys stay deleted. Run again to finish. (Run ")
    assert copied.replace("\\\r\n", "").split()[-4:] == ["purge_deals", "--mode", "all", "--no-color"]


def test_piped_output_has_no_progress(manage: Manage, full: redis.Redis) -> None:
    out, err = manage.start("purge_deals", "--mode", "all").communicate(timeout=30)

    assert err == ""
    assert "\r" not in out
    assert out.endswith(f"Dry run: a purge would delete {KEYS:,} keys of {DEALS} deals.\n")
