"""Everything public says in one to three lines what its reader cannot see."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "dealpurge"
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

#: What needs more lines, and why.
LONGER = {
    "dealpurge/checks.py": "lists every check id",
    "dealpurge/services.py queue": "lists what it raises, for doors and hosts",
}


def public(node: Documented, name: str) -> Iterator[tuple[str, Documented]]:
    """The node and what is public in it; Django's ``Meta`` and setters have nothing to add."""
    yield name, node
    for item in () if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else node.body:
        if not isinstance(item, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if not item.name.startswith("_") and item.name != "Meta" and not _is_setter(item):
            yield from public(item, f"{name} {item.name}".replace("  ", " "))


def _is_setter(node: Documented) -> bool:
    decorators = [] if isinstance(node, ast.Module) else node.decorator_list
    return any(isinstance(item, ast.Attribute) and item.attr == "setter" for item in decorators)


MODULES = [
    path for path in sorted(PACKAGE.rglob("*.py")) if "migrations" not in path.parts and path.read_text().strip()
]
NODES = dict(
    pair for path in MODULES for pair in public(ast.parse(path.read_text()), str(path.relative_to(PACKAGE.parent)))
)


def test_the_package_is_found() -> None:
    assert len(MODULES) > 50
    assert {"dealpurge/keys/families.py Keyspace claim", "dealpurge/api/views.py PurgeRunView get"} <= NODES.keys()
    assert LONGER.keys() <= NODES.keys()


def lines_of(node: Documented) -> list[str]:
    return [line for line in (ast.get_docstring(node) or "").splitlines() if line.strip()]


def test_everything_public_is_documented() -> None:
    assert [name for name, node in NODES.items() if not lines_of(node)] == []


def test_in_sentences() -> None:
    assert [name for name, node in NODES.items() if "".join(lines_of(node)[-1:])[-1:] not in "."] == []


def test_in_three_lines_at_most() -> None:
    """Those of rooms have two to five, which another test holds them to."""
    longer = {name for name, node in NODES.items() if len(lines_of(node)) > 3 and not name.endswith("/__init__.py")}

    assert longer == set(LONGER)
