"""The command as cron, a service manager and a worker run it: pipes, a signal, one line of JSON."""

from __future__ import annotations

import fcntl
import json
import signal
import subprocess
import termios
from pathlib import Path

import pytest
import redis
from django_tasks_db.models import DBTaskResult
from pytest_django.fixtures import Settings

from dealpurge.models import PurgeRun
from tests.support.servers import wait_until

from .conftest import BYSTANDERS, DEALS, KEYS, Manage, wait_for_the_middle

pytestmark = pytest.mark.django_db(transaction=True)

LIVE = ("--no-dry-run", "--no-input")
NAMED = ("purge_deals", "--mode", "by_deal", "--deals-from", "-", *LIVE)
NIGHTLY = """
from django.core.management import call_command

try:
    from django.tasks import task
except ImportError:
    from django_tasks import task


@task
def purge():
    call_command("purge_deals", "--mode", "all", "--no-dry-run", "--no-input", "--quiet")
"""


def test_sigterm_leaves_one_line(manage: Manage, full: redis.Redis) -> None:
    process = manage.start("purge_deals", "--mode", "all", *LIVE, "--format", "jsonl")
    wait_for_the_middle(full)

    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)

    words = "purge_deals --mode all: Interrupted by SIGTERM. Run the command again: it takes what is left."
    assert (process.returncode, err) == (143, f"CommandError: {words}\n")
    assert out.count("\n") == 1
    assert json.loads(out) == {**(PurgeRun.objects.get().report or {}), "error": words}


def test_deals_come_through_a_pipe(manage: Manage, full: redis.Redis) -> None:
    process = manage.start(*NAMED, "--quiet", stdin=subprocess.PIPE)

    out, err = process.communicate("".join(f"acme:deal-{number}\r\n" for number in range(DEALS)), timeout=60)

    assert (process.returncode, out, err) == (0, "", "")
    assert full.dbsize() == BYSTANDERS


def test_what_fills_the_pipe_may_be_waited_for_no_longer(manage: Manage, full: redis.Redis) -> None:
    process = manage.start(*NAMED, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write("acme:deal-1\n")
    process.stdin.flush()
    pipe = process.stdin
    wait_until(lambda: not any(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4))), what="read of what the pipe held")

    process.send_signal(signal.SIGTERM)

    assert process.wait(30) == 143
    assert process.communicate()[1] == "CommandError: Interrupted.\n"
    assert full.dbsize() == KEYS + BYSTANDERS


@pytest.mark.usefixtures("_tasks_at_once")
def test_a_worker_that_is_stopped_stops_the_purge_and_itself(
    manage: Manage, full: redis.Redis, tmp_path: Path, settings: Settings
) -> None:
    settings.TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
    (tmp_path / "nightly.py").write_text(NIGHTLY)
    enqueue = manage.start("shell", "--verbosity", "0", "-c", "import nightly; nightly.purge.enqueue()")
    assert enqueue.communicate(timeout=30)[1] == ""
    worker = manage.start("db_worker", "--no-reload", "--no-startup-delay", "--verbosity", "0")
    wait_for_the_middle(full)

    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=30)

    run = PurgeRun.objects.get()
    assert (run.status, run.keys_deleted) == ("cancelled", KEYS + BYSTANDERS - full.dbsize())
    assert DBTaskResult.objects.get().status == "FAILED"
