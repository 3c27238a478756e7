"""What CONTRIBUTING and its neighbours name is there, and every room is on the map."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.readme_blocks import ROOT

GUIDE = (ROOT / ".github" / "CONTRIBUTING.md").read_text()
MAP = GUIDE.partition("## The rooms")[2].partition("```text\n")[2].partition("\n```")[0]
PACKAGE = ROOT / "dealpurge"
TESTS = ROOT / "tests"
#: Words of Redis, gettext and GitHub, and commands, that stand in backticks and in no source.
STRANGERS = {"chromium", "fuzzy"}


def folders(root: Path) -> set[Path]:
    """The folders of Python below, and what belongs to them."""
    return {path.parent.relative_to(root) for path in root.rglob("__init__.py")} - {Path()}


def test_the_map_is_found() -> None:
    assert MAP.startswith("dealpurge/\n")
    assert len(MAP.splitlines()) > 20


def test_every_room_is_on_the_map() -> None:
    names = set(re.findall(r"\b[a-z]\w+(?=/)", MAP))
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    below = {path.name for path in folders(PACKAGE) if path.parts[0] in ("console", "engine")}

    assert {"keys", "servers", "engine", "sweep"} <= rooms | below
    assert names == rooms | below | {"dealpurge", "project", "tests"}


def test_every_module_beside_the_rooms_is_on_the_map() -> None:
    named = set(re.findall(r"\w+\.py", MAP))
    beside = {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py"}

    assert named == beside | {"purging.py", "passes.py", "inventory.py", "limits.py"}


def test_every_folder_of_tests_is_a_room_or_is_named() -> None:
    rooms = folders(PACKAGE) | {Path("project")}

    strangers = {path for path in folders(TESTS) if not rooms & {path, *path.parents}}
    assert {str(path.parts[0]) for path in strangers} == set(re.findall(r"^\| `tests/(\w+)`", GUIDE, re.MULTILINE))


def test_every_path_leads_somewhere() -> None:
    paths = {path.rstrip(".") for path in re.findall(r"(?<![\w/.])(?:dealpurge|tests|project|\.ci)/[\w./-]*", GUIDE)}

    assert len(paths) > 50
    assert {path for path in paths if not (ROOT / path).exists()} == set()


def test_every_name_is_in_the_sources() -> None:
    modules = {*PACKAGE.rglob("*.py"), *TESTS.rglob("*.py")} - {Path(__file__)}
    sources = "\n".join(path.read_text() for path in (ROOT / "pyproject.toml", *modules))
    files = {path.name for path in modules}
    quoted = set(re.findall(r"`(\w+(?:\.py)?)`", GUIDE))

    assert {"FAMILIES", "BROKEN", "Settings", "gettext_noop"} <= quoted
    assert {word for word in quoted if word.endswith(".py")} - files == set()
    assert {word for word in quoted if not re.search(rf"\b{re.escape(word)}\b", sources)} <= STRANGERS | files


@pytest.mark.parametrize("path", sorted((ROOT / ".github").glob("*.md")), ids=lambda path: path.name)
def test_every_link_leads_somewhere(path: Path) -> None:
    headings = re.findall(r"^#+ (.*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}

    for link in re.findall(r"\]\(([^)]+)\)", path.read_text()):
        target, _, anchor = link.partition("#")
        assert (path.parent / target).is_file()
        assert not anchor or anchor in anchors


def test_it_is_read_in_one_sitting() -> None:
    lines = GUIDE.splitlines()

    assert len(lines) <= 200
    assert [line for line in lines if len(line) > 100] == []
