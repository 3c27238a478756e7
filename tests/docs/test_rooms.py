"""The package reads like a table of contents: rooms that say what they are for, and modules read in one sitting."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "dealpurge"
ROOMS = sorted({path.parent for path in PACKAGE.rglob("*.py")} - {PACKAGE})
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent.name != "migrations")


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def test_the_rooms_are_found() -> None:
    assert {"keys", "servers", "engine/guard", "runs", "console/runs", "api"} <= set(map(name_of, ROOMS))


@pytest.mark.parametrize("room", ROOMS, ids=name_of)
def test_a_room_says_what_it_is_for_and_holds_nothing_else(room: Path) -> None:
    tree = ast.parse((room / "__init__.py").read_text())

    if room.name == "models":  # where Django looks for all of them
        assert not [node for node in tree.body[1:] if not isinstance(node, ast.ImportFrom | ast.Assign)]
    else:
        assert len(tree.body) == 1
    assert 2 <= len([line for line in (ast.get_docstring(tree) or "").splitlines() if line]) <= 5


@pytest.mark.parametrize("room", ROOMS, ids=name_of)
def test_a_room_has_sixteen_modules_at_most(room: Path) -> None:
    assert len([path for path in room.glob("*.py") if path.name != "__init__.py"]) <= 16


def test_eighteen_modules_stand_beside_the_rooms_at_most() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= 18


def test_a_module_is_read_in_one_sitting() -> None:
    assert [name_of(path) for path in MODULES if path.read_text().count("\n") > 250] == []


@pytest.mark.parametrize("room", ROOMS, ids=name_of)
def test_the_modules_that_a_room_begins_with_are_there(room: Path) -> None:
    words = (ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or "").split("``")[1::2]
    names = [word for word in words if word.replace("_", "").replace("/", "").isalpha() and word.islower()]

    assert [name for name in names if not exists(room, name)] == []


def exists(room: Path, name: str) -> bool:
    """Beside it, below it, or a room of the package."""
    places = [room / name, room.parent / name, PACKAGE / name]
    return any(place.is_dir() or place.with_suffix(".py").is_file() for place in places)
