"""Commands in front of a pipe that nobody reads to its end, as ``purge_deals | head -1``: no traceback, and a code."""

from __future__ import annotations

import os
import re
import subprocess

import pytest
import redis

from dealpurge.models import PurgeRun

from .conftest import BYSTANDERS, DEALS, KEYS, Manage

pytestmark = pytest.mark.django_db(transaction=True)

ONE = ("purge_deals", "--mode", "by_deal", "--deal-id", "deal-1")
EXPLAIN = ("purge_deals", "--explain", "canvas:lock:acme:1")
PRUNE = ("prune_purge_runs", "--older-than", "400d")
ARCHIVES = ("purge_archives",)


@pytest.fixture
def unread(manage: Manage) -> int:
    """The end of a pipe whose other end is closed."""
    manage.environment.pop("PYTHONUNBUFFERED", None)
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def run(manage: Manage, unread: int, *words: str, everything: bool = False) -> tuple[int, str]:
    """Exit code and standard error of a command whose output, or all that it says, nobody reads."""
    process = manage.start(*words, stdout=unread, stderr=subprocess.STDOUT if everything else subprocess.PIPE)
    os.close(unread)
    err = process.communicate(timeout=60)[1]
    return process.returncode, err or ""


@pytest.mark.parametrize(
    "words",
    [
        ONE,
        (*ONE, "--format", "json"),
        (*ONE, "--format", "jsonl"),
        (*ONE, "--csv", "-"),
        EXPLAIN,
        (*EXPLAIN, "--format", "json"),
        ("purge_deals", "--help"),
        PRUNE,
        (*PRUNE, "--format", "json"),
        ("prune_purge_runs", "--help"),
        ARCHIVES,
        (*ARCHIVES, "--format", "json"),
    ],
    ids=" ".join,
)
def test_a_reader_that_has_left_ends_the_command_without_a_word(
    manage: Manage, unread: int, full: redis.Redis, words: tuple[str, ...]
) -> None:
    assert run(manage, unread, *words) == (141, "")


@pytest.mark.parametrize("words", [ONE, EXPLAIN, PRUNE, ARCHIVES, ("purge_deals", "--help")], ids=" ".join)
def test_nor_does_it_matter_that_nobody_reads_the_standard_error(
    manage: Manage, unread: int, full: redis.Redis, words: tuple[str, ...]
) -> None:
    assert run(manage, unread, *words, everything=True) == (141, "")


@pytest.mark.parametrize("options", [(), ("--format", "json"), ("--format", "jsonl")], ids=" ".join)
def test_what_a_purge_deleted_is_said_all_the_same(
    manage: Manage, unread: int, full: redis.Redis, options: tuple[str, ...]
) -> None:
    code, err = run(manage, unread, *ONE, "--no-dry-run", "--no-input", *options)

    (run_id,) = re.findall(r"\(Run ([0-9a-f-]+)\.\)", err)
    assert (code, err) == (141, f"Deleted {KEYS // DEALS:,} keys of 1 deal. (Run {run_id}.)\n")
    assert PurgeRun.objects.get(pk=run_id).status == "completed"


def test_what_pruning_dropped_is_said_all_the_same(manage: Manage, unread: int) -> None:
    assert run(manage, unread, *PRUNE, "--no-dry-run") == (141, "Dropped 0 rows. Runs that purged stay.\n")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((*ONE, "--at-most-keys", "1", "--no-dry-run", "--no-input"), 1),
        (("purge_deals", "--explain", "x"), 1),
        (("purge_deals", "--mode", "all", "--deal-id", "deal-1"), 2),
        (("purge_deals", "--mode", "by_deal", "--deal-id", "nobody"), 3),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
@pytest.mark.parametrize("everything", [False, True], ids=["stdout", "stdout and stderr"])
def test_what_went_wrong_comes_first(
    manage: Manage, unread: int, full: redis.Redis, words: tuple[str, ...], code: int, everything: bool
) -> None:
    ended, err = run(manage, unread, *words, everything=everything)

    assert ended == code
    assert ("CommandError: " in err) is not everything
    assert "Traceback" not in err
    assert "Exception ignored" not in err


def test_nobody_is_asked_who_does_not_see_the_question(manage: Manage, unread: int, full: redis.Redis) -> None:
    screen, terminal = os.openpty()
    process = manage.start(*ONE, "--no-dry-run", stdin=terminal, stdout=unread, stderr=subprocess.STDOUT)
    os.close(terminal)
    os.close(unread)

    assert process.wait(60) == 141
    os.close(screen)
    assert full.dbsize() == KEYS + BYSTANDERS
