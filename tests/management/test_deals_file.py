"""Deals named in a file or on the standard input."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

import pytest
import redis
from pytest_django.fixtures import Settings

from dealpurge.management.deals_file import read_deals
from dealpurge.models import PurgeRun
from dealpurge.text import escape
from tests.support.commands import Outcome, Purge
from tests.support.seeding import seed_deal

pytestmark = pytest.mark.django_db(transaction=True)

NO_TERMINAL = "CommandError: There is no terminal to ask at. With --no-input it purges without asking.\n"
WORDS = "String should have no control characters, spaces, ':', '{' or '}'"


@pytest.fixture
def deals(valkey_settings: Settings, valkey_client: redis.Redis) -> redis.Redis:
    for org_id in ("acme", "birch"):
        for number in range(1, 4):
            seed_deal(valkey_client, org_id, f"deal-{number}", locks=1, image_crops=0)
    return valkey_client


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the command is run in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(here: Path, content: bytes, org_id: str | None = None) -> Any:
    (here / "deals.txt").write_bytes(content)
    return read_deals("deals.txt", org_id)


# What a line may be


def test_a_line_names_a_deal_and_perhaps_its_organisation(here: Path) -> None:
    assert read(here, b"deal-1\nbirch:deal-2\n") == [(None, "deal-1"), ("birch", "deal-2")]
    assert read(here, b"deal-1\nbirch:deal-2\n", "acme") == [("acme", "deal-1"), ("birch", "deal-2")]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"a\nb", id="no newline at the end"),
        pytest.param(b"a\r\nb\r\n", id="CRLF"),
        pytest.param(b"\xef\xbb\xbfa\nb\n", id="a byte order mark"),
        pytest.param(b"\n\na\n \t\r\nb\n\n", id="blank lines"),
        pytest.param(b"  a\t\n b \n", id="blanks around it"),
    ],
)
def test_files_of_other_systems_are_read(here: Path, content: bytes) -> None:
    assert read(here, content) == [(None, "a"), (None, "b")]


def test_ids_mean_themselves(here: Path) -> None:
    assert read(here, "#a\n*\nb,c\nd\u00a0e\n".encode()) == [(None, id_) for id_ in ("#a", "*", "b,c", "d\u00a0e")]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"a b", f"deal id: {WORDS}"),
        (b"a{b", f"deal id: {WORDS}"),
        (b"a\x00b", f"deal id: {WORDS}"),
        (b"\xef\xbb\xbfb", None),
        (b"acme:", "deal id: String should have at least 1 character"),
        (b":a", "organisation: String should have at least 1 character"),
        (b"a:b:c", f"organisation: {WORDS}"),
        (b"a" * 256, "deal id: String should have at most 255 bytes"),
        (b"b" * 256 + b":a", "organisation: String should have at most 255 bytes"),
        (b"caf\xe9", "not UTF-8"),
    ],
)
def test_a_bad_line_is_named_with_its_number(here: Path, line: bytes, problem: str | None) -> None:
    content = b"fine\n\n" + line + b"\nfine\n"
    if problem is None:  # a mark in the middle is a character like others
        assert len(read(here, content)) == 3
        return

    with pytest.raises(ValueError, match="1 bad line") as refused:
        read(here, content)

    assert str(refused.value) == f"1 bad line, so nothing was purged.\ndeals.txt, line 3: {problem}"


def test_of_many_bad_lines_the_first_are_named(here: Path) -> None:
    with pytest.raises(ValueError, match="1,200 bad lines") as refused:
        read(here, b"a\n" + b"b c\n" * 1200)

    first, *named, last = str(refused.value).splitlines()
    assert named == [f"deals.txt, line {number}: deal id: {WORDS}" for number in range(2, 7)]
    assert (first, last) == ("1,200 bad lines, so nothing was purged.", "... and 1,195 more")


def test_as_many_as_are_named_leave_no_more(here: Path) -> None:
    with pytest.raises(ValueError, match="5 bad lines") as refused:
        read(here, b"b c\n" * 5)

    assert len(str(refused.value).splitlines()) == 6


# The command


NAMED = ("--mode", "by_deal", "--deals-from", "deals.txt")
LIVE = ("--no-dry-run", "--no-input", "--verbosity", "0")


def left(client: redis.Redis) -> list[str]:
    return sorted(key.decode().removeprefix("canvas:lock:") for key in client.scan_iter())


def test_the_deals_of_a_file_are_purged(deals: redis.Redis, purge: Purge, here: Path) -> None:
    (here / "deals.txt").write_text("deal-1\nbirch:deal-2\n")

    outcome = purge(*NAMED, *LIVE)

    assert outcome == Outcome(0, "Deleted 3 keys of 3 deals.\n", "")
    assert left(deals) == ["acme:deal-2", "acme:deal-3", "birch:deal-3"]


def test_an_organisation_is_that_of_lines_without_one(deals: redis.Redis, purge: Purge, here: Path) -> None:
    (here / "deals.txt").write_text("deal-1\nbirch:deal-2\n")

    purge(*NAMED, "--org-id", "acme", *LIVE)

    assert left(deals) == ["acme:deal-2", "acme:deal-3", "birch:deal-1", "birch:deal-3"]


def test_deals_named_beside_it_go_first_and_each_once(deals: redis.Redis, purge: Purge, here: Path) -> None:
    (here / "deals.txt").write_text("deal-2\ndeal-1\nacme:deal-3\ndeal-2\n")

    purge(*NAMED, "--deal-id", "deal-1", "--deal-id", "deal-0", "--org-id", "acme")

    run = PurgeRun.objects.get()
    assert run.deals == [["acme", f"deal-{number}"] for number in (1, 0, 2, 3)]


def test_the_standard_input_is_read(
    deals: redis.Redis, purge: Purge, monkeypatch: pytest.MonkeyPatch, here: Path
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"acme:deal-1\nacme:deal-2"), encoding="ascii"))

    assert purge("--mode", "by_deal", "--deals-from", "-", *LIVE) == Outcome(0, "Deleted 2 keys of 2 deals.\n", "")
    assert left(deals) == ["acme:deal-3", "birch:deal-1", "birch:deal-2", "birch:deal-3"]


def test_what_is_read_from_a_pipe_cannot_be_asked_about(purge: Purge, monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b"acme:deal-1\n"))
    stdin.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", stdin)

    assert purge("--mode", "by_deal", "--deals-from", "-", "--no-dry-run") == Outcome(2, "", NO_TERMINAL)
    assert stdin.read() == "acme:deal-1\n"  # it was not even looked at


def refusal(purge: Purge, *options: str) -> str:
    """What the command says, which purges nothing and writes nothing down."""
    outcome = purge(*options)

    assert (outcome.code, outcome.out) == (2, "")
    assert not PurgeRun.objects.exists()
    return outcome.err.removeprefix("CommandError: ").removesuffix("\n")


def test_bad_lines_purge_nothing(deals: redis.Redis, purge: Purge, here: Path) -> None:
    (here / "deals.txt").write_text("deal-1\n\ndeal 2\nacme:\n")

    assert refusal(purge, *NAMED, *LIVE).splitlines() == [
        "argument --deals-from: 2 bad lines, so nothing was purged.",
        f"deals.txt, line 3: deal id: {WORDS}",
        "deals.txt, line 4: deal id: String should have at least 1 character",
    ]
    assert len(left(deals)) == 6


@pytest.mark.parametrize("content", ["", "\n \r\n", "\ufeff"])
def test_a_file_without_a_deal(purge: Purge, here: Path, content: str) -> None:
    (here / "deals.txt").write_text(content)

    assert refusal(purge, *NAMED) == "argument --deals-from: deals.txt names no deal"
    assert refusal(purge, *NAMED, "--deal-id", "deal-1") == "argument --deals-from: deals.txt names no deal"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("deals.txt", "No such file or directory"),
        ("folder", "Is a directory"),
        ("a\0b", "embedded null byte"),
    ],
)
def test_what_cannot_be_read(purge: Purge, here: Path, name: str, reason: str) -> None:
    (here / "folder").mkdir()

    words = refusal(purge, "--mode", "by_deal", "--deals-from", name)

    assert words == f"argument --deals-from: {escape(name)} cannot be read: {reason}"


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="a file that fails to be read is made by Linux alone")
@pytest.mark.parametrize("end", [b"", b"\n"])
def test_what_has_no_lines_is_not_read_to_its_end(here: Path, end: bytes) -> None:
    class Endless(io.BytesIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            assert 0 < (size or 0) <= 1 << 16, "a line of any length was asked for"
            return super().readline(size)

    stream = Endless(b"deal-1\n" + b"\0" * 10_000 + end)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.TextIOWrapper(stream))
        with pytest.raises(
            ValueError, match=r"^standard input cannot be read: it has a line of more than 4,096 bytes$"
        ):
            read_deals("-", None)


def test_a_line_may_be_long_with_blanks(here: Path) -> None:
    assert read(here, b" " * 4000 + b"deal-1\n") == [(None, "deal-1")]


def test_a_file_that_fails_behind_its_opening(purge: Purge) -> None:
    words = refusal(purge, "--mode", "by_deal", "--deals-from", "/proc/self/mem")

    assert words == "argument --deals-from: /proc/self/mem cannot be read: Input/output error"


def test_a_standard_input_that_is_closed(purge: Purge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)

    words = refusal(purge, "--mode", "by_deal", "--deals-from", "-")

    assert words == "argument --deals-from: standard input cannot be read: there is none"


def test_all_deals_name_none(purge: Purge, here: Path) -> None:
    assert refusal(purge, "--mode", "all", "--deals-from", "deals.txt") == "--deals-from does not go with --mode all"


def test_an_organisation_that_is_none_is_told_of_once(purge: Purge, here: Path) -> None:
    (here / "deals.txt").write_text("a\nb\n")

    assert refusal(purge, *NAMED, "--org-id", "a b") == f"argument --org-id: {WORDS}"


def test_with_explain_nothing_is_named(purge: Purge) -> None:
    assert "--explain goes with --format alone" in refusal(purge, "--explain", "k", "--deals-from", "deals.txt")
