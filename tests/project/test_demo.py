from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from tests.support.servers import RedisServer, free_port, wait_until
from tests.support.terminal import SECONDS, Demo, Terminal


def family_of(pid: int) -> set[int]:
    """The process, its children and theirs, as Linux knows them."""
    tasks = Path(f"/proc/{pid}/task")
    children = {int(word) for task in tasks.glob("*/children") for word in task.read_text().split()}
    return {pid}.union(*(family_of(child) for child in children))


def is_gone(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def is_closed(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_without_serving_it_seeds_shows_a_dry_run_and_ends(terminal: Terminal, redis_port: int) -> None:
    done = terminal.run("demo", "--no-serve")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Seeded: 200 deals in the database" in done.stdout
    assert "canvas_sessions" in done.stdout
    assert "Dry run: a purge would delete" in done.stdout
    assert is_closed(redis_port)


def test_it_can_be_run_again(terminal: Terminal, valkey_server: RedisServer, valkey_client: redis.Redis) -> None:
    terminal.environment["REDIS_URL"] = valkey_server.url
    first, second = terminal.run("demo", "--no-serve"), terminal.run("demo", "--no-serve")

    assert (first.returncode, second.returncode) == (0, 0), second.stderr
    assert "200 deals" in second.stdout


def test_a_redis_with_keys_of_others_is_left_alone(
    terminal: Terminal, valkey_server: RedisServer, valkey_client: redis.Redis
) -> None:
    valkey_client.set("somebody:else", 1)
    terminal.environment["REDIS_URL"] = valkey_server.url

    done = terminal.run("demo", "--no-serve")

    assert done.returncode == 1
    assert "'somebody:else'" in done.stderr
    assert valkey_client.keys() == [b"somebody:else"]


def test_a_redis_that_does_not_answer_is_said_plainly(terminal: Terminal) -> None:
    terminal.environment["REDIS_URL"] = f"redis://:secret@127.0.0.1:{free_port()}/0"

    done = terminal.run("demo", "--no-serve")

    assert done.returncode == 1
    assert "cannot be used (ConnectionError)" in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr


def test_a_taken_redis_port_is_said_plainly(terminal: Terminal, redis_port: int) -> None:
    with socket.create_server(("127.0.0.1", redis_port)):
        done = terminal.run("demo", "--no-serve")

    assert done.returncode == 1
    assert f"127.0.0.1:{redis_port} is taken" in done.stderr
    assert "REDIS_URL" in done.stderr


def test_a_taken_web_port_is_said_before_anything_is_started(terminal: Terminal) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = terminal.run("demo", "--port", str(taken.getsockname()[1]))

    assert done.returncode == 1
    assert "--port" in done.stderr
    assert "Valkey" not in done.stdout


def test_it_refuses_outside_a_development_checkout(terminal: Terminal) -> None:
    terminal.environment |= {"DJANGO_DEBUG": "0", "DJANGO_SECRET_KEY": "x" * 60}

    done = terminal.run("demo", "--no-serve")

    assert done.returncode == 1
    assert "development checkout" in done.stderr


def test_a_second_terminal_purges_what_the_demo_holds(shared_demo: Demo) -> None:
    done = shared_demo.terminal.run(
        *("purge_deals", "--mode", "by_deal", "--deal-id", "deal-21", "--no-dry-run", "--no-input", "--format", "json")
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["keys"]["deleted"] > 0


QUEUE = """
import time
from dealpurge import services
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
row = services.queue(PurgeScope.named(mode="by_deal", deal_ids=["deal-33"], dry_run=False), Origin(source="command"))
deadline = time.monotonic() + 20
while not row.is_over and time.monotonic() < deadline:
    time.sleep(0.1)
    row.refresh_from_db()
print(row.status, row.report["keys"]["deleted"])
"""


def test_the_worker_carries_out_queued_purges(shared_demo: Demo) -> None:
    done = shared_demo.terminal.run("shell", "--verbosity", "0", "--command", QUEUE)

    assert done.returncode == 0, done.stderr
    status, deleted = done.stdout.split()
    assert status == "completed"
    assert int(deleted) > 0


def test_the_printed_login_opens_the_admin(shared_demo: Demo) -> None:
    demo = shared_demo
    user, password = demo.found(r"user (\w+), password (\S+)")
    jar = demo.terminal.output.with_name("cookies")
    page = f"{demo.address}/admin/login/?next=/admin/deals/deal/"
    script = f"""
        token=$(curl -sS -c {jar} '{page}' | sed -n 's/.*csrfmiddlewaretoken" value="\\([^"]*\\)".*/\\1/p')
        curl -sS -L -b {jar} -c {jar} -d username={user} -d password={password} -d "csrfmiddlewaretoken=$token" '{page}'
    """

    answer = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=SECONDS, check=True).stdout

    assert "200 deals" in answer


def test_the_printed_curl_commands_work(shared_demo: Demo) -> None:
    dry, one, most = [shared_demo.paste(line) for line in shared_demo.curls()]

    assert dry["dry_run"] is True
    assert dry["keys"]["matched"] == sum(dry["families"].values()) > 1000
    assert (one["deal_id"], one["deals"]["purged"], one["dry_run"]) == ("deal-12", 1, False)
    assert most["deals"]["skipped_active"] > 0
    assert most["keys"]["deleted"] > 1000


@pytest.mark.parametrize(
    ("to_whom", "ending"),
    [
        pytest.param(os.killpg, signal.SIGINT, id="Ctrl-C"),
        pytest.param(os.kill, signal.SIGTERM, id="kill"),
        pytest.param(os.kill, signal.SIGINT, marks=pytest.mark.slow, id="kill -INT"),
        pytest.param(os.killpg, signal.SIGTERM, marks=pytest.mark.slow, id="the terminal's end"),
    ],
)
def test_it_ends_with_all_its_processes(
    demo: Demo, redis_port: int, to_whom: Callable[[int, int], None], ending: signal.Signals
) -> None:
    family = family_of(demo.process.pid)
    assert len(family) == 3, "the demo itself, Valkey and the worker"

    to_whom(demo.process.pid, ending)

    assert demo.process.wait(SECONDS) == 0
    wait_until(lambda: all(map(is_gone, family)), seconds=10, what="the end of all processes")
    assert is_closed(redis_port)
    assert "Traceback" not in demo.terminal.output.read_text()
