"""The command called from Python, as a task of a queue does."""

from __future__ import annotations

import io
import json
import signal
import sys
from threading import Thread
from typing import Any
from unittest.mock import Mock

import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import connections

from .conftest import latest

pytestmark = pytest.mark.django_db(transaction=True)


OPTIONS = ("--mode", "all", "--exclude-active-within", "90d", "--no-dry-run", "--no-input", "--reason", "nightly")


def test_called_with_words(deals: redis.Redis) -> None:
    out = io.StringIO()

    call_command("purge_deals", *OPTIONS, stdout=out)

    assert out.getvalue().endswith("\nDeleted 5 keys of 1 deal and skipped 1 active deal.\n")
    assert latest().reason == "nightly"


def test_called_by_the_names_of_options(deals: redis.Redis) -> None:
    out = io.StringIO()

    call_command(
        "purge_deals",
        mode="all",
        exclude_active_within="90d",
        dry_run=False,
        interactive=False,
        reason="nightly",
        format="jsonl",
        stdout=out,
    )

    data = json.loads(out.getvalue())
    assert (data["keys"]["deleted"], data["exclude_active_within_secs"], data["error"]) == (5, 7776000, "")


def test_called_with_a_file_as_a_path(deals: redis.Redis, tmp_path: Any) -> None:
    (tmp_path / "deals.txt").write_text("acme:deal-1\n")

    call_command(
        "purge_deals",
        mode="by_deal",
        deals_from=tmp_path / "deals.txt",
        deal_ids=["deal-2"],
        dry_run=False,
        interactive=False,
        quiet=True,
    )

    assert deals.dbsize() == 0


@pytest.mark.parametrize(
    ("options", "words", "returncode"),
    [
        ({"exclude_active_within": "90"}, "argument --exclude-active-within: '90' has no unit", 2),
        ({"exclude_active_within": 90}, "argument --exclude-active-within: '90' has no unit", 2),
        ({"dry_run": False, "no_input": True}, "There is no terminal to ask at", 2),  # Django takes it for interactive
        ({"quiet": True}, "Redis cannot be reached", 1),
    ],
)
def test_called_in_vain_it_raises(
    redis_away: None, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], words: str, returncode: int
) -> None:
    monkeypatch.setattr(sys, "stdin", None)

    with pytest.raises(CommandError, match=words) as raised:
        call_command("purge_deals", mode="all", **options)

    assert raised.value.returncode == returncode


def test_called_in_a_thread_of_a_worker_it_leaves_signals_alone(
    deals: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    touched = Mock(side_effect=AssertionError)
    monkeypatch.setattr(signal, "signal", touched)
    out = io.StringIO()

    def work() -> None:
        try:
            call_command("purge_deals", *OPTIONS, "--format", "jsonl", stdout=out)
        finally:
            connections.close_all()

    thread = Thread(target=work)
    thread.start()
    thread.join()

    assert json.loads(out.getvalue())["status"] == "completed"
    assert not touched.called
