"""What manage.py purge_deals takes, and how it refuses the rest."""

from __future__ import annotations

import re
import shlex
import textwrap

import pytest
from django.core.management import load_command_class

from tests.support.commands import Outcome, Purge
from tests.support.readme_blocks import README

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--mode by_deal", "--mode by_deal needs a --deal-id"),
        ("--mode all --deal-id a", "--deal-id does not go with --mode all"),
        ("--mode by_deal --deal-id=", "argument --deal-id: String should have at least 1 character"),
        (
            "--mode by_deal --deal-id a:b",
            "argument --deal-id: String should have no control characters, spaces, ':', '{' or '}'",
        ),
        ("--mode by_deal --deal-id \udcff", "argument --deal-id: String should be valid UTF-8"),
        (
            "--mode all --exclude-active-within-secs -1",
            "argument --exclude-active-within-secs: Input should be greater than or equal to 0",
        ),
    ],
)
def test_what_is_refused_names_the_option(purge: Purge, options: str, message: str) -> None:
    outcome = purge(*options.split())

    assert outcome == Outcome(2, "", f"CommandError: {message}\n")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("", "one of the arguments --mode --explain is required"),
        ("--mode some", "argument --mode: invalid choice: 'some' (choose from "),
        ("--mode all --no-dry", "unrecognized arguments: --no-dry"),
        ("--mode all --exclude-active-within-secs 1h", "invalid int value: '1h'"),
        ("--mode all deal-1", "unrecognized arguments: deal-1"),
    ],
)
def test_what_cannot_be_parsed_is_a_usage_error(purge: Purge, options: str, message: str) -> None:
    outcome = purge(*options.split())

    assert (outcome.code, outcome.out) == (2, "")
    assert message in outcome.err


def test_the_help_lists_every_option(purge: Purge) -> None:
    text = purge("--help").out

    for option in (
        "--mode {all,by_deal}",
        "--deal-id ID",
        "--deals-from FILE",
        "--org-id ID",
        "--include-checkpoints",
        "--exclude-active-within TIME",
        "--exclude-active-within-secs N",
        "--dry-run, --no-dry-run",
        "--no-input",
        "--format {text,json,jsonl}",
        "--no-archive",
        "--reason REASON",
        "--quiet",
    ):
        assert option in text


def examples(text: str) -> list[str]:
    """Those of a help, each on a line."""
    _, _, below = text.partition("\nExamples:\n")
    lines = below.partition("\n\n")[0].replace("\\\n", "").splitlines()
    return [" ".join(line.split()) for line in lines if line.startswith("    ")]


@pytest.mark.parametrize(("command", "least"), [("purge_deals", 5), ("prune_purge_runs", 2), ("purge_archives", 3)])
@pytest.mark.parametrize("columns", [40, 80, 200])
def test_the_help_has_examples_that_can_be_copied_as_they_stand(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str, least: int, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    parser = load_command_class("dealpurge", command).create_parser("manage.py", command)

    text = parser.format_help()

    found = examples(text)
    assert len(found) >= least
    for words in map(shlex.split, found):
        assert words[:3] == ["python", "manage.py", command]
        parser.parse_args(words[3:])
    shown, _, prose = text.partition("\nExamples:\n")[2].partition("\n\n")
    assert max(map(len, shown.splitlines())) <= 80
    assert "\n".join(textwrap.wrap(" ".join(prose.partition("\n\n")[0].split()), columns - 2)) in prose


def test_help_and_readme_list_the_same_exit_codes(purge: Purge) -> None:
    _, _, epilog = purge("--help").out.partition("Exit codes: ")
    _, _, table = README.read_text().partition("| exit code | meaning |\n| --- | --- |\n")
    rows = " ".join(row.split("|")[1] for row in table.partition("\n\n")[0].splitlines())

    assert (
        re.findall(r"\b\d+\b", epilog) == re.findall(r"\d+", rows) == ["0", "1", "2", "3", "129", "130", "143", "141"]
    )
