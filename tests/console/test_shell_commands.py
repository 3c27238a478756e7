from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dealpurge.console import shell_commands
from dealpurge.models import PurgeRun
from dealpurge.scope import id_problem

HOSTILE = [
    "$(id)",
    "a'b",
    "-x",
    "=1+1",
    "`id`",
    "<script>",
    "a;b",
    "*",
    'q"\\',
    "\"'",
    "''",
    "é'",
    "~",
    "!!",
    "#",
    "\\",
]
#: Not to be seen, or obeyed by a terminal: a C1 control, U+202E turns the text round, the others take no room.
UNSEEN = ["\x9b1m", "\u202e", "é\u200b'", "\xa0", "\u3000", "\u2066", "\ufeff", "x\xad", "\x85", "\U000e0041"]
SHELLS = [
    *(["bash"], ["bash", "--posix"], ["dash"], ["busybox", "ash"], ["zsh"], ["ksh"], ["mksh"], ["yash"], ["posh"]),
]
FOUND = [shell for shell in SHELLS if shutil.which(shell[0])]

IDS = st.text(min_size=1, max_size=20).filter(lambda text: id_problem(text) is None)


def run_of(*deals: tuple[str | None, str], **fields: object) -> PurgeRun:
    values = {"mode": "by_deal" if deals else "all", "deals": [list(deal) for deal in deals], "deals_named": len(deals)}
    return PurgeRun(**values | fields)


def command_of(run: PurgeRun) -> str:
    (command,) = shell_commands.commands(run).lines
    return command


def words(command: str, *shell: str) -> list[str]:
    """What a shell makes of a command."""
    script = f"printf '%s\\0' {command}"
    output = subprocess.run([*(shell or ["sh"]), "-c", script], capture_output=True, check=True).stdout
    return output.decode().split("\0")[:-1]


@pytest.mark.parametrize("shell", FOUND, ids=" ".join)
def test_every_shell_reads_the_ids_as_they_are(shell: list[str]) -> None:
    for deal_id in HOSTILE:
        command = command_of(run_of((deal_id, deal_id), reason=f"$(touch x) {deal_id}"))

        assert words(command, *shell) == [
            *("python", "manage.py", "purge_deals", "--mode", "by_deal"),
            *(f"--deal-id={deal_id}", f"--org-id={deal_id}", f"--reason=$(touch x) {deal_id}", "--no-dry-run"),
        ]


@given(IDS, IDS, st.text(max_size=20))
def test_whatever_the_ids_sh_reads_them_as_they_are_or_is_given_nothing(org_id: str, deal_id: str, reason: str) -> None:
    commands = shell_commands.commands(run_of((org_id, deal_id), reason=reason)).lines

    given = [f"--deal-id={deal_id}", f"--org-id={org_id}"]
    if reason and reason.isprintable():
        given.append(f"--reason={reason}")
    expected = [[*given, "--no-dry-run"]] if (org_id + deal_id).isprintable() else []
    assert [words(command)[5:] for command in commands] == expected


@pytest.mark.parametrize("unseen", UNSEEN)
def test_an_id_that_cannot_be_seen_makes_no_command_and_is_said_to(unseen: str) -> None:
    scopes = [run_of((None, unseen)), run_of((unseen, "1")), run_of(("a", "1"), ("b", unseen)), run_of(org_id=unseen)]

    for run in scopes:
        made = shell_commands.commands(run)
        assert (made.lines, made.remark) == (
            (),
            "There is no manage.py command to copy: an id has characters that cannot be seen.",
        )


@pytest.mark.parametrize("reason", ["two\nlines", "\x1b[2J", *UNSEEN])
def test_a_reason_that_cannot_be_seen_is_left_out_and_said_to_be(reason: str) -> None:
    made = shell_commands.commands(run_of((None, "1"), reason=reason))

    assert [words(command)[5:] for command in made.lines] == [["--deal-id=1", "--no-dry-run"]]
    assert made.remark == "Without the reason, which has several lines or characters that cannot be seen."


@pytest.mark.parametrize("shell", [shell for shell in FOUND if shell[0] == "bash"], ids=" ".join)
def test_no_history_is_expanded(shell: list[str]) -> None:
    command = command_of(run_of((None, "a'b!!c")))
    script = f"set -o history -o histexpand\ntrue\nprintf '%s ' {command}"

    told = subprocess.run(shell, input=script, capture_output=True, text=True, check=True).stdout

    assert "--deal-id=a'b!!c" in told


def test_no_quotation_mark_stands_in_double_quotes() -> None:
    """Where the bash 3.2 of macOS took it for the beginning of a quotation."""
    assert shell_commands.quote("a'b!c") == r"'a'\''b!c'"


def test_what_needs_no_quotes_has_none() -> None:
    assert "  --deal-id=deal-1 " in command_of(run_of((None, "deal-1")))


def test_options_stand_in_the_command() -> None:
    run = run_of(org_id="acme", include_checkpoints=True, exclude_active_within_secs=3600)

    assert words(command_of(run)) == [
        *("python", "manage.py", "purge_deals", "--mode", "all", "--org-id=acme", "--include-checkpoints"),
        *("--exclude-active-within-secs=3600", "--no-dry-run"),
    ]


def test_a_purge_without_an_archive_has_none_from_a_shell_either() -> None:
    run = run_of(org_id="acme", archive_declined=True, reason="OPS-1")

    assert words(command_of(run))[5:] == ["--org-id=acme", "--no-archive", "--reason=OPS-1", "--no-dry-run"]


def test_deals_of_several_organisations_are_several_commands() -> None:
    run = run_of(("acme", "1"), ("birch", "2"), ("acme", "3"), (None, "4"))

    commands = [words(command) for command in shell_commands.commands(run).lines]

    assert [command[5:-1] for command in commands] == [
        ["--deal-id=1", "--deal-id=3", "--org-id=acme"],
        ["--deal-id=2", "--org-id=birch"],
        ["--deal-id=4"],
    ]


def test_too_many_deals_make_no_command() -> None:
    made = shell_commands.commands(run_of(*((None, str(n)) for n in range(51))))

    assert (made.lines, made.remark) == ((), "Too many deals are named for a command line.")


@pytest.mark.parametrize("deal_id", HOSTILE + UNSEEN)
def test_curl_sends_the_scope_of_the_run(deal_id: str) -> None:
    command = shell_commands.curl(run_of(("acme", deal_id), dry_run=False), "https://h.example/api/x")

    assert (command or "").replace("\n", "").isprintable()
    sent = words(command or "")
    assert sent[:5] == ["curl", "-sS", "-X", "POST", "https://h.example/api/x"]
    assert json.loads(sent[-1]) == {"mode": "by_deal", "deal_id": deal_id, "org_id": "acme", "dry_run": False}


def test_curl_of_a_dry_run_deletes_nothing() -> None:
    assert '"dry_run": true' in (shell_commands.curl(run_of(), "https://h.example/") or "")


def test_the_endpoint_takes_no_purge_without_its_archive() -> None:
    assert shell_commands.curl(run_of(archive_declined=True), "https://h.example/") is None


def test_the_endpoint_takes_one_deal_a_call() -> None:
    assert shell_commands.curl(run_of((None, "1"), (None, "2")), "https://h.example/") is None
