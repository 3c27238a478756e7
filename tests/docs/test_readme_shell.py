"""What the README gives a shell is given to one, against a demo that serves; and what it shows is what is answered."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest
import redis
from django.conf import settings

from project.deals.seed import ORGANIZATIONS, seed_database, seed_redis
from tests.support.purging import purge
from tests.support.readme_blocks import BLOCKS, README, ROOT, UNIT, Block, of_kind
from tests.support.seeding import HOUR, names, seed_deal
from tests.support.servers import RedisServer, free_port, wait_until
from tests.support.terminal import SECONDS, Demo, Terminal

pytestmark = pytest.mark.xdist_group("demo of the README")  # a module's demo, on one worker

Shell = Callable[[str], subprocess.CompletedProcess[str]]

UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
#: What changes from run to run, and what stands for it.
MASKS = (
    (UUID, "ID"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME"),
    (r"\b\d[\d,]*\b", "N"),
    (rf"\b(?:{'|'.join(ORGANIZATIONS)})\b", "ORG"),
    (r"\s+", " "),
)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    demo = Demo(Terminal(tmp_path_factory.mktemp("demo"), DEMO_REDIS_PORT=str(free_port())))
    yield demo
    demo.process.terminate()
    demo.process.wait(SECONDS)


def python_on_path(directory: Path) -> str:
    """A PATH on which ``python`` is this one."""
    executable = directory / "python"
    executable.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    executable.chmod(0o755)
    return f"{directory}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture
def shell(demo: Demo, tmp_path: Path) -> Shell:
    """A second terminal in the checkout, with the demo's token; the demo serves on another port than 8000."""
    (token,) = demo.found(r"Bearer (\w+)")
    environment = demo.terminal.environment | {"TOKEN": token, "PATH": python_on_path(tmp_path)}

    def run(text: str) -> subprocess.CompletedProcess[str]:
        text = text.replace("http://127.0.0.1:8000", demo.address).replace("335c4f…", token)
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            env=environment,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    return run


def masked(text: str) -> str:
    for pattern, mark in MASKS:
        text = re.sub(pattern, mark, text)
    return text.strip()


def shows(transcript: str, output: str) -> bool:
    """Whether the output is what the README shows; there ``...`` on a line, and ``…`` anywhere, leave something out."""
    parts = re.split(r"^\.\.\.$|[\w-]*…", transcript, flags=re.MULTILINE)
    return re.fullmatch(".*".join(re.escape(masked(part)) + r"\ ?" for part in parts), masked(output)) is not None


def after(block: Block) -> Block | None:
    """The transcript that follows a block of commands."""
    place = BLOCKS.index(block) + 1
    return BLOCKS[place] if place < len(BLOCKS) and BLOCKS[place].language == "text" else None


def test_a_transcript_is_compared() -> None:
    shown = 'Deleted 3 keys.\n...\n... and 7 more\n{"run_id": "9f0c6a1e-…", "keys": {"n": 1, …}}'

    assert shows(shown, 'Deleted 1,234 keys.\na\nb\n... and 2 more\n{"run_id": "aa-1", "keys": {"n": 4, "m": 5}}')
    assert not shows(shown, 'Removed 3 keys.\na\n... and 2 more\n{"run_id": "aa-1", "keys": {"n": 4, "m": 5}}')
    assert not shows(shown, 'Deleted 3 keys.\na\n... and 2 more\n{"run_id": "aa-1", "keys": {"o": 4, "m": 5}}')


def test_every_transcript_follows_its_command() -> None:
    followers = {after(block) for kind in ("checkout", "shell") for block in of_kind(kind)}

    assert [block for block in of_kind("transcript") if block not in followers and block.text[0] != "$"] == []


@pytest.mark.parametrize("block", of_kind("shell"), ids=str)
def test_commands_do_what_is_shown(shell: Shell, block: Block) -> None:
    transcript = after(block)

    done = shell(block.text)

    assert (done.returncode != 0) is bool(transcript and "CommandError" in transcript.text), done.stdout
    if transcript:
        assert shows(transcript.text, done.stdout), done.stdout
    else:
        assert {"run_id", "openapi"} & json.loads(done.stdout).keys()


@pytest.mark.parametrize("block", [block for block in of_kind("transcript") if block.text.startswith("$ ")], ids=str)
def test_a_command_with_its_answer(shell: Shell, block: Block) -> None:
    command, brace, answer = block.text.removeprefix("$ ").partition("\n{")

    done = shell(command)

    assert json.loads(done.stdout)["keys"]["deleted"] > 0
    assert shows(brace + answer, done.stdout), done.stdout


def test_the_demo_prints_what_is_shown(demo: Demo) -> None:
    first, *_ = of_kind("transcript")

    assert shows(first.text + "...\nCtrl-C ends the demo.\n", demo.text), demo.text


def numbers(transcript: str) -> set[tuple[str, int]]:
    """Names with their numbers, of a table or of JSON."""
    return {(name, int(n.replace(",", ""))) for name, n in re.findall(r'"?(\w+)"?:? +([\d,]*\d)\b', transcript)}


@pytest.mark.usefixtures("valkey_settings", "db")
def test_the_numbers_that_are_shown_first_are_those_of_the_demo(valkey_client: redis.Redis) -> None:
    demo, answer, command, *_ = of_kind("transcript")
    seeded = seed_redis(valkey_client, [(deal.organization.slug, deal.deal_id) for deal in seed_database()])

    dry = purge(dry_run=True, exclude_active_within_secs=HOUR)
    live = purge(mode="by_deal", deals=((None, "deal-12"),)).as_dict()
    one = purge(dry_run=True, mode="by_deal", deals=((None, "deal-21"),))

    table = demo.text.partition("Would be deleted")[2].partition("all families")[0]
    assert numbers(table) <= set(dry.families.items())
    assert len(numbers(table)) > 2
    sentences = (
        f"Seeded: 200 deals in the database, {seeded} keys in Redis",
        f"Would be skipped, because active: {dry.deals.skipped_active} deals",
        f"and {dry.deals.skipped_active - 10} more",
        f"Kept: {dry.keys.checkpoints_kept} checkpoint keys",
        f"Dry run: a purge would delete {sum(dry.families.values()):,} keys of {dry.deals.purged} deals "
        f"and skip {dry.deals.skipped_active} active deals.",
    )
    assert [sentence for sentence in sentences if sentence not in demo.text] == []
    shown = numbers(answer.text.partition("\n{")[2])
    assert shown <= {*live["deals"].items(), *live["keys"].items()}
    assert len(shown) > 8
    assert "--deal-id deal-21\n" in BLOCKS[BLOCKS.index(command) - 1].text
    assert numbers(command.text.partition("Dry run")[0]) <= set(one.families.items())
    assert f"would delete {sum(one.families.values())} keys of {one.deals.purged} deal.\n" in command.text


@pytest.mark.parametrize("block", of_kind("checkout"), ids=str)
def test_a_checkout_is_installed_and_used(block: Block) -> None:
    (line,) = block.commands
    environment, installation, use = line.split(" && ")

    assert environment == "python3 -m venv .venv"
    assert shlex.split(installation.replace(" -q", "")) == [".venv/bin/pip", "install", "-r", "requirements.txt"]
    assert (ROOT / "requirements.txt").exists()
    # Both are run all the time: the one in tests/project, the other is what runs this.
    assert use in (".venv/bin/python manage.py demo", ".venv/bin/python -m pytest")


# Every night


@pytest.fixture
def kept(demo: Demo) -> Iterator[set[str]]:
    """The keys of the demo that stay, beside those of a deal on which nobody has worked for long."""
    with redis.Redis(port=int(demo.terminal.environment["DEMO_REDIS_PORT"])) as client:
        idle = seed_deal(client, "acme", "idle", age=91 * 24 * HOUR)
        keys = names(client)
        yield keys - {*idle}
        assert names(client) == keys - {*idle}


def test_lines_for_cron(shell: Shell, kept: set[str]) -> None:
    (block,) = of_kind("crontab")
    variables = [line for line in block.commands if re.fullmatch(r"[A-Z_]+=\S+", line)]
    jobs = [line for line in block.commands if line not in variables]
    assert {line.partition("=")[0] for line in variables} == {"MAILTO", "REDIS_URL"}
    assert len(jobs) == 3
    assert "%" not in block.text  # a line's end to cron
    for job in jobs:
        *schedule, command = job.split(None, 5)
        assert all(re.fullmatch(r"[\d*/,-]+", field) for field in schedule)
        place, _, command = command.partition(" && ")
        assert place == "cd /srv/app"

        done = shell(command.replace(".venv/bin/python", "python"))

        assert (done.returncode, done.stdout) == (0, ""), done.stdout


def units() -> dict[str, str]:
    """The text of each by the name of its file."""
    return {UNIT.match(block.text)[1]: block.text for block in of_kind("unit")}  # type: ignore[index]


def test_units_of_systemd_have_what_they_need() -> None:
    texts = units()
    service, timer = (ConfigParser(strict=False, interpolation=None) for _ in texts)
    service.read_string(texts["deal-purge.service"])
    timer.read_string(texts["deal-purge.timer"])

    assert service.sections() == ["Unit", "Service"]
    assert service["Service"]["Type"] == "oneshot"  # of several commands, one after the other
    assert timer.sections() == ["Unit", "Timer", "Install"]
    assert timer["Timer"]["Persistent"] == "true"
    assert timer["Install"]["WantedBy"] == "timers.target"


def started(unit: str) -> list[str]:
    """The commands of a service, in their order."""
    lines = unit.replace("\\\n", " ").splitlines()
    return [line.removeprefix("ExecStart=") for line in lines if line.startswith("ExecStart=")]


def test_a_service_of_systemd_writes_a_line_of_json(shell: Shell, kept: set[str]) -> None:
    service = units()["deal-purge.service"]
    assert "WorkingDirectory=/srv/app\n" in service
    pruning, purging = (
        # as systemd splits it, without a shell
        shlex.join(shlex.split(command.replace("/srv/app/.venv/bin/python", "python")))
        for command in started(service)
    )

    pruned, purged = shell(pruning), shell(purging)

    (line,) = purged.stdout.splitlines()
    assert (purged.returncode, json.loads(line)["status"], json.loads(line)["error"]) == (0, "completed", "")
    assert (pruned.returncode, pruned.stdout) == (0, "")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for name, text in units().items():
        (tmp_path / name).write_text(text.replace("/srv/app/.venv/bin/python", sys.executable))
    (moment,) = re.findall(r"^OnCalendar=(.*)$", units()["deal-purge.timer"], re.MULTILINE)

    checks = [["calendar", moment], ["verify", "--man=no", *(str(tmp_path / name) for name in units())]]
    done = [
        subprocess.run(
            ["systemd-analyze", *check],
            env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        for check in checks
    ]

    assert [(check.returncode, check.stderr) for check in done] == [(0, ""), (0, "")]


NIGHTLY = """
from django_tasks_db.models import DBTaskResult
print(*DBTaskResult.objects.order_by("enqueued_at").values_list("status", flat=True))
print(f"{DBTaskResult.objects.get(status='READY').run_after:%H:%M %Z}")
"""


def test_a_task_purges_every_night(tmp_path: Path, valkey_server: RedisServer, valkey_client: redis.Redis) -> None:
    (block,) = [block for block in of_kind("files") if "run_after" in block.text]
    ((name, text),) = block.files.items()
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text(text)
    terminal = Terminal(tmp_path, REDIS_URL=valkey_server.url, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    seed_deal(valkey_client, "acme", "idle", age=91 * 24 * HOUR)
    recent = seed_deal(valkey_client, "acme", "recent", age=HOUR)
    (begin,) = re.findall(r"`(\w+\.enqueue\(\))`", README.read_text())

    assert terminal.run("migrate", "--verbosity", "0").returncode == 0
    module = name.removesuffix(".py").replace("/", ".")
    terminal.run("shell", "--verbosity", "0", "-c", f"from {module} import {begin.partition('.')[0]}; {begin}")
    for _ in range(2):  # the second time there is nothing to do before tomorrow
        terminal.run("db_worker", "--batch", "--no-reload", "--no-startup-delay")

    assert names(valkey_client) == {*recent}
    tasks = terminal.run("shell", "--verbosity", "0", "-c", NIGHTLY).stdout
    assert tasks == "SUCCESSFUL READY\n04:30 UTC\n"
    assert settings.TIME_ZONE == "UTC"


QUEUE = """
from dealpurge import services
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
print(services.queue(PurgeScope(mode="all"), Origin(source="command")).pk)
"""
STATUS = "from dealpurge.models import PurgeRun; print(PurgeRun.objects.get().status)"


@pytest.mark.parametrize("block", of_kind("worker"), ids=str)
def test_a_worker_is_started_and_works(block: Block, tmp_path: Path, valkey_server: RedisServer) -> None:
    terminal = Terminal(tmp_path, REDIS_URL=valkey_server.url, PATH=python_on_path(tmp_path))
    migrate, worker = block.commands
    subprocess.run(["bash", "-c", migrate], env=terminal.environment, cwd=ROOT, check=True, capture_output=True)
    terminal.run("shell", "--verbosity", "0", "-c", QUEUE)

    process = subprocess.Popen(
        ["bash", "-c", worker],
        env=terminal.environment,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_until(
            lambda: terminal.run("shell", "--verbosity", "0", "-c", STATUS).stdout == "completed\n",
            seconds=SECONDS,
            what="the end of the run",
        )
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(SECONDS)
