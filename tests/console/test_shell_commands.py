from __future__ import annotations

import json
import shlex
import subprocess

import pytest

from dealpurge.console import shell_commands
from dealpurge.models import PurgeRun

HOSTILE = ["$(id)", "a'b", "-x", "=1+1", "`id`", "<script>", "a;b", "*", "\u202e", 'q"\\', "é\u200b'"]


def run_of(*deals: tuple[str | None, str], **fields: object) -> PurgeRun:
    values = {"mode": "by_deal" if deals else "all", "deals": [list(deal) for deal in deals], "deals_named": len(deals)}
    return PurgeRun(**values | fields)


def words(command: str) -> list[str]:
    """What bash makes of a command."""
    script = f"printf '%s\\0' {command}"
    output = subprocess.run(["bash", "-c", script], capture_output=True, check=True).stdout
    return output.decode().split("\0")[:-1]


@pytest.mark.parametrize("deal_id", HOSTILE)
def test_a_shell_reads_the_ids_as_they_are(deal_id: str) -> None:
    (command,) = shell_commands.commands(run_of((deal_id, deal_id), reason=f"$(touch x) {deal_id}")) or []

    assert words(command) == [
        *("python", "manage.py", "purge_deals", "--mode", "by_deal"),
        *(f"--deal-id={deal_id}", f"--org-id={deal_id}", f"--reason=$(touch x) {deal_id}", "--no-dry-run"),
    ]


@pytest.mark.parametrize("deal_id", HOSTILE)
def test_what_cannot_be_seen_is_spelt_out(deal_id: str) -> None:
    (command,) = shell_commands.commands(run_of((None, deal_id))) or []

    assert command.replace("\n", "").isprintable()


def test_printable_ids_are_quoted_as_shlex_does() -> None:
    (command,) = shell_commands.commands(run_of((None, "$(id)"))) or []

    assert shlex.quote("--deal-id=$(id)") in command


def test_options_stand_in_the_command() -> None:
    run = run_of(org_id="acme", include_checkpoints=True, exclude_active_within_secs=3600)

    (command,) = shell_commands.commands(run) or []

    assert words(command) == [
        *("python", "manage.py", "purge_deals", "--mode", "all", "--org-id=acme", "--include-checkpoints"),
        *("--exclude-active-within-secs=3600", "--no-dry-run"),
    ]


def test_deals_of_several_organisations_are_several_commands() -> None:
    run = run_of(("acme", "1"), ("birch", "2"), ("acme", "3"), (None, "4"))

    commands = [words(command) for command in shell_commands.commands(run) or []]

    assert [command[5:-1] for command in commands] == [
        ["--deal-id=1", "--deal-id=3", "--org-id=acme"],
        ["--deal-id=2", "--org-id=birch"],
        ["--deal-id=4"],
    ]


def test_too_many_deals_make_no_command() -> None:
    assert shell_commands.commands(run_of(*((None, str(n)) for n in range(51)))) is None


@pytest.mark.parametrize("deal_id", HOSTILE)
def test_curl_sends_the_scope_of_the_run(deal_id: str) -> None:
    command = shell_commands.curl(run_of(("acme", deal_id), dry_run=False), "https://h.example/api/x")

    sent = words(command or "")
    assert sent[:5] == ["curl", "-sS", "-X", "POST", "https://h.example/api/x"]
    assert json.loads(sent[-1]) == {"mode": "by_deal", "deal_id": deal_id, "org_id": "acme", "dry_run": False}


def test_curl_of_a_dry_run_deletes_nothing() -> None:
    assert '"dry_run": true' in (shell_commands.curl(run_of(), "https://h.example/") or "")


def test_the_endpoint_takes_one_deal_a_call() -> None:
    assert shell_commands.curl(run_of((None, "1"), (None, "2")), "https://h.example/") is None
