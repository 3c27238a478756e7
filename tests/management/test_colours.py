"""Colours on a terminal and nowhere else, each stream by itself, unless somebody wants none, or all."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable

import pytest
import redis
from django.core.management import call_command

from tests.support.commands import Purge

pytestmark = pytest.mark.django_db(transaction=True)

#: Of a purge that is refused after its numbers were shown, on the standard error; of a dry run, on the standard output.
REFUSED, SHOWN = ("--mode", "all", "--no-dry-run"), ("--mode", "all")
ESCAPE = "\x1b["


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams as they are in a pipe, and an answer that is a no."""
    for name in ("NO_COLOR", "DJANGO_COLORS"):
        monkeypatch.delenv(name, raising=False)
    stdin = io.StringIO("")
    stdin.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", stdin)


Sit = Callable[[bool, bool], None]

#: Whether the standard output and the standard error are a terminal.
everywhere = pytest.mark.parametrize(
    "terminals", [(True, False), (False, True), (False, False), (True, True)], ids=["stdout", "stderr", "none", "both"]
)


@pytest.fixture
def sit(monkeypatch: pytest.MonkeyPatch) -> Sit:
    """Say, in the test, which of them is one."""

    def sit(out: bool, err: bool) -> None:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: out)
        monkeypatch.setattr(sys.stderr, "isatty", lambda: err)

    return sit


def coloured(purge: Purge, *options: str) -> tuple[bool, bool]:
    """Whether an outcome is, and what is said before a question, with the error in the end."""
    refused = purge(*REFUSED, *options).err
    assert (ESCAPE in refused.partition("High risk")[0]) == (ESCAPE in refused.partition("purge 2")[2])
    return ESCAPE in purge(*SHOWN, *options).out, ESCAPE in refused


@everywhere
def test_a_stream_has_colours_where_it_is_a_terminal(
    deals: redis.Redis, purge: Purge, sit: Sit, terminals: tuple[bool, bool]
) -> None:
    sit(*terminals)
    assert coloured(purge) == terminals


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "0"), ("DJANGO_COLORS", "nocolor")])
@everywhere
def test_a_variable_takes_all_colours_away(
    deals: redis.Redis,
    purge: Purge,
    sit: Sit,
    terminals: tuple[bool, bool],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
) -> None:
    sit(*terminals)
    monkeypatch.setenv(variable, value)

    assert coloured(purge) == (False, False)


@everywhere
def test_an_empty_no_color_is_none(
    deals: redis.Redis, purge: Purge, sit: Sit, terminals: tuple[bool, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    sit(*terminals)
    monkeypatch.setenv("NO_COLOR", "")

    assert coloured(purge) == terminals


@everywhere
def test_an_option_goes_before_terminals_and_variables(
    deals: redis.Redis, purge: Purge, sit: Sit, terminals: tuple[bool, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    sit(*terminals)
    assert coloured(purge, "--no-color") == (False, False)

    monkeypatch.setenv("NO_COLOR", "1")
    assert ESCAPE in purge(*SHOWN, "--force-color").out
    assert ESCAPE in purge(*REFUSED, "--force-color").err


def test_a_palette_is_djangos(deals: redis.Redis, purge: Purge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("DJANGO_COLORS", "light;success=magenta")

    assert f"{ESCAPE}35mDry run: " in purge(*SHOWN).out


@everywhere
def test_a_failed_check_is_of_the_standard_error(
    purge: Purge, settings: object, monkeypatch: pytest.MonkeyPatch, sit: Sit, terminals: tuple[bool, bool]
) -> None:
    sit(*terminals)
    settings.DEALPURGE_KEY_FAMILIES = {"notes": "notes"}  # type: ignore[attr-defined]

    outcome = purge(*SHOWN)

    assert "SystemCheckError" in outcome.err
    assert (ESCAPE in outcome.err) is terminals[1]


def test_what_code_catches_has_none(deals: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    out = io.StringIO()

    call_command("purge_deals", mode="all", stdout=out)

    assert ESCAPE not in out.getvalue()


@pytest.mark.parametrize("words", [("--explain", "x"), ("--explain", "canvas:lock:acme:1")])
@everywhere
def test_explanations_have_them_too(
    purge: Purge, sit: Sit, terminals: tuple[bool, bool], words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    sit(*terminals)
    assert (ESCAPE in purge(*words).out) is terminals[0]

    monkeypatch.setenv("NO_COLOR", "1")
    assert ESCAPE not in purge(*words).out
