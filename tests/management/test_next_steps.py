"""At a terminal the command ends in the words of the run's page, and with what to do next as a line to copy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.management import CommandError, call_command
from django.utils import translation
from pytest_django.fixtures import Settings

from dealpurge.engine.sweep.tally import Tally
from dealpurge.exceptions import RedisUnavailable
from dealpurge.management import failures
from dealpurge.management.commands.purge_deals import Command
from dealpurge.management.next_steps import again
from dealpurge.management.terminal.layout import Layout
from dealpurge.models import PurgeRun
from dealpurge.runs import store
from dealpurge.runs.outcome.ends import end_of
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from tests.conftest import PointCacheAt
from tests.support.archive_storages import keep_archives_in
from tests.support.commands import Outcome, Purge
from tests.support.servers import free_port

from .conftest import Engine, EngineDoes, be_cancelled_by_ann, latest, leave_one

pytestmark = pytest.mark.django_db(transaction=True)

ALL, LIVE = ("--mode", "all"), ("--mode", "all", "--no-dry-run", "--no-input")
GUARDED = ("--exclude-active-within", "1h")
PREVIEW = "\nPreview what is left:\n    python manage.py purge_deals --mode all"


@pytest.fixture
def at_terminal(monkeypatch: pytest.MonkeyPatch, purge: Purge) -> Purge:
    """The command with both streams on a wide terminal."""

    def run(*options: str) -> Outcome:
        monkeypatch.setenv("COLUMNS", "200")
        for stream in (sys.stdout, sys.stderr):
            monkeypatch.setattr(stream, "isatty", lambda: True)
        outcome = purge(*options, "--no-color")
        return Outcome(outcome.code, outcome.out, outcome.err.rpartition("\r")[2])

    return run


def last_lines(text: str) -> str:
    """What stands below the last table."""
    return text.rpartition("all families")[2].partition("\n\n")[2]


# Outcomes


def test_a_dry_run_leads_to_the_purge(deals: redis.Redis, at_terminal: Purge) -> None:
    shown = last_lines(at_terminal(*ALL, *GUARDED, "--dry-run", "--reason", "it's slow").out)

    assert shown.endswith(
        "Dry run: a purge would delete 5 keys of 1 deal and skip 1 active deal.\n"
        "\n"
        "Purge 1 deal (it asks first):\n"
        "    python manage.py purge_deals --mode all --exclude-active-within 1h --reason 'it'\\''s slow' \\\n"
        "        --no-color --no-dry-run\n"
    )


def test_what_leads_to_the_purge_says_that_active_deals_go_too(deals: redis.Redis, at_terminal: Purge) -> None:
    assert "\nPurge 2 deals, active ones too (it asks first):\n" in at_terminal(*ALL).out


@pytest.mark.parametrize("options", [("--org-id", "nobody"), ("--at-most-deals", "1"), ("--verbosity", "0")])
def test_a_dry_run_that_leads_nowhere(deals: redis.Redis, at_terminal: Purge, options: tuple[str, ...]) -> None:
    assert at_terminal(*ALL, *options).out.endswith((" deals.\n", " deal.\n"))


def test_a_purge_says_what_its_page_says(deals: redis.Redis, at_terminal: Purge) -> None:
    outcome = at_terminal(*LIVE, *GUARDED)

    assert outcome.code == 0
    assert last_lines(outcome.out).partition("\n\n")[2] == (
        "Done: 1 deal purged\n"
        "1 skipped, because somebody works on it.\n"
        "\n"
        "Preview what is left:\n"
        "    python manage.py purge_deals --mode all --exclude-active-within 1h --no-color\n"
    )
    end = end_of(latest(), "")
    assert end is not None
    assert f"{end.heading}\n{end.text}\n" in outcome.out


def test_a_purge_that_left_nothing_leads_nowhere(deals: redis.Redis, at_terminal: Purge) -> None:
    assert last_lines(at_terminal(*LIVE).out) == "Done: 2 deals purged\n"


def test_a_purge_that_is_kept_can_be_undone(
    deals: redis.Redis, at_terminal: Purge, settings: Settings, tmp_path: Path
) -> None:
    keep_archives_in(settings, tmp_path)

    outcome = at_terminal(*LIVE)

    assert outcome.out.endswith(f"See what would come back:\n    python manage.py restore_deals {latest().pk}\n")


def test_deals_without_events_are_told_of(deals: redis.Redis, at_terminal: Purge) -> None:
    deals.set("canvas:lock:acme:deal-3", b"")

    out = at_terminal(*LIVE, *GUARDED, "--leave-never-active").out

    assert "1 skipped, because somebody works on it.\n1 skipped, for want of any events.\n" in out


def test_it_is_english_whatever_language_is_active(deals: redis.Redis, at_terminal: Purge) -> None:
    with translation.override("de"):
        assert "\nPurge 2 deals, active ones too (it asks first):\n" in at_terminal(*ALL).out
        assert "Done: 2 deals purged\n" in at_terminal(*LIVE).out


@pytest.mark.parametrize("options", [("--verbosity", "0"), ("--format", "json"), ("--format", "jsonl"), ("--quiet",)])
def test_what_others_read_stays_as_it_is(deals: redis.Redis, at_terminal: Purge, options: tuple[str, ...]) -> None:
    outcome = at_terminal(*LIVE, *GUARDED, *options)

    assert "Done" not in outcome.out + outcome.err
    assert "Preview" not in outcome.out + outcome.err


def test_a_pipe_is_told_the_sentence(deals: redis.Redis, purge: Purge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    assert purge(*LIVE, *GUARDED).out.endswith("\n\nDeleted 5 keys of 1 deal and skipped 1 active deal.\n")


def test_code_is_given_no_line_to_copy(
    deals: redis.Redis, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    call_command("purge_deals", mode="all", exclude_active_within="1h", dry_run=False, interactive=False, no_color=True)

    assert capsys.readouterr().out.endswith("\nDone: 1 deal purged\n1 skipped, because somebody works on it.\n")


# Ends that are errors


def fail_half_way(tally: Tally) -> None:
    tally.deleted = 5
    raise RedisUnavailable("unreachable", "Redis cannot be reached.")


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        (leave_one, "Finished in part: 1 key could not be removed (Run {id}.)\n"),
        (be_cancelled_by_ann, "Cancelled by ann\n5 keys stay deleted. Run again to finish. (Run {id}.)\n"),
        (fail_half_way, "Failed: Redis cannot be reached.\nRun {short}. 5 keys of 0 deals were deleted.\n"),
    ],
)
def test_an_error_says_what_the_page_says(
    at_terminal: Purge, valkey_settings: object, engine_does: EngineDoes, engine: Engine, words: str
) -> None:
    engine_does(engine)

    outcome = at_terminal(*LIVE)

    run = latest()
    said = words.replace("{id}", str(run.pk)).replace("{short}", str(run.pk)[:8])
    assert outcome.code == 1
    assert outcome.err.partition("CommandError: ")[2].split() == f"{said}{PREVIEW} --no-color\n".split()


def test_where_nothing_was_deleted_what_comes_first_is_said(
    at_terminal: Purge, cache_at: PointCacheAt, settings: Any
) -> None:
    settings.DEALPURGE_RETRY_SECONDS = 0.1
    cache_at(f"redis://127.0.0.1:{free_port()}/0")

    assert at_terminal(*LIVE).err.partition("CommandError: ")[2] == (
        "Failed: Redis cannot be reached (tried for 0.1 s).\n"
        f"Nothing was deleted. (Run {latest().pk}.)\n"
        "\n"
        "When Redis answers, run the command again: it takes what is left.\n"
    )


def test_a_limit_leads_to_a_dry_run(deals: redis.Redis, at_terminal: Purge) -> None:
    err = at_terminal(*LIVE, "--at-most-deals", "1").err

    assert "CommandError: Failed: 2 deals would go, 1 more than the limit of 1: the purge is refused.\n" in err
    assert err.endswith(
        "\n\nSee what would go:\n    python manage.py purge_deals --mode all --at-most-deals 1 --no-color\n"
    )


def test_of_a_purge_that_did_not_begin_there_is_no_end(deals: redis.Redis, at_terminal: Purge) -> None:
    other = store.create(PurgeScope(mode="all", dry_run=False), Origin(source="api"))

    assert at_terminal(*LIVE).err.partition("CommandError: ")[2] == (
        f"Another purge of all deals is in progress (run {other.pk}).\n"
        "\n"
        "Nothing was purged. When that run is over, run the command again; the admin shows how far it is.\n"
    )


def test_none_found_is_said_as_ever(deals: redis.Redis, at_terminal: Purge) -> None:
    outcome = at_terminal("--mode", "by_deal", "--deal-id", "nobody", "--no-dry-run", "--no-input")

    assert outcome.code == 3
    assert outcome.err.endswith("CommandError: None of the named deals has keys in Redis.\n")


def test_without_a_terminal_the_words_are_those_of_before(purge: Purge, engine_does: EngineDoes) -> None:
    engine_does(leave_one)

    assert purge(*LIVE).err == f"CommandError: Run {latest().pk} could not purge everything.\n"


def test_a_record_that_cannot_be_read_has_no_end(
    deals: redis.Redis, at_terminal: Purge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "end_of", lambda *_: PurgeRun.objects.get(pk="00000000-0000-0000-0000-000000000000"))

    assert last_lines(at_terminal(*LIVE).out) == "Deleted 10 keys of 2 deals.\n"


def test_code_catches_the_words_of_before(
    engine_does: EngineDoes, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine_does(leave_one)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    with pytest.raises(CommandError, match=r"^Run [0-9a-f-]+ could not purge everything\.$"):
        call_command("purge_deals", *LIVE)


# The words that were typed


@pytest.mark.parametrize(
    ("typed", "preview", "live"),
    [
        ("--mode all", "--mode all", "--mode all --no-dry-run"),
        ("--mode all --dry-run", "--mode all", "--mode all --no-dry-run"),
        ("--no-dry-run --mode all --noinput --no-input", "--mode all", "--mode all --no-dry-run"),
        (
            "--mode by_deal --deals-from x",
            "--mode by_deal --deals-from x",
            "--mode by_deal --deals-from x --no-dry-run",
        ),
    ],
)
def test_they_are_used_again(typed: str, preview: str, live: str) -> None:
    argv = ["manage.py", "purge_deals", *typed.split()]

    assert " ".join(again(argv)) == f"python manage.py purge_deals {preview}"
    assert " ".join(again(argv, live=True)) == f"python manage.py purge_deals {live}"


def test_so_is_the_python_that_was_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "orig_argv", [".venv/bin/python", "-u", "manage.py", "purge_deals", "--mode", "all"])

    words = again(["manage.py", "purge_deals", "--mode", "all"])

    assert words == [".venv/bin/python", "-u", "manage.py", "purge_deals", "--mode", "all"]


@pytest.mark.parametrize("typed", ["--deals-from -", "--deals-from=-", "--reason a\u202eb", ""])
def test_what_cannot_be_typed_again_makes_no_line(typed: str) -> None:
    assert again(["manage.py", "purge_deals", *typed.split(" ")] if typed else []) == []


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_line_to_copy_means_to_a_shell_what_was_meant(width: int) -> None:
    words = ["python", "manage.py", "purge_deals", "--mode", "all", "--reason", "it's $HOME & so on", "--org-id=a*"]

    lines = Layout(width).command(words)

    script = ["set -- " + lines[0], *lines[1:], "printf '%s|' \"$@\""]
    shell = subprocess.run(["sh", "-c", "\n".join(script)], capture_output=True, text=True, check=True)
    assert shell.stdout == "".join(f"{word}|" for word in words)
    assert max(map(len, lines)) <= max(width, len("        --reason 'it'\\''s $HOME & so on' \\"))
    assert all(line.startswith("    ") for line in lines)
    assert all(line.lstrip().startswith(("-", "'-")) for line in lines[1:])
    Command().create_parser("manage.py", "purge_deals").parse_args(words[3:])
