"""The linter's security rules are on, and where one is silenced a reason stands beside it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("dealpurge", "project", "tests")
SILENCED = re.compile(r"# noqa: [A-Z0-9, ]*\bS\d{3}")
EXPLAINED = re.compile(r"# noqa: [A-Z]+\d+(?:, [A-Z]+\d+)* - \w{2}")


def test_the_rules_are_on() -> None:
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]

    assert "S" in lint["select"]
    assert not [rule for rule in lint["ignore"] if rule.startswith("S")]
    assert [folder for folder, rules in lint["per-file-ignores"].items() if any(r[0] == "S" for r in rules)] == [
        "tests/**"
    ]


def test_each_exception_has_a_reason() -> None:
    lines = [line for name in FOLDERS for path in (ROOT / name).rglob("*.py") for line in path.read_text().splitlines()]
    silenced = [line for line in lines if SILENCED.search(line)]

    assert len(silenced) >= 5
    assert [line for line in silenced if not EXPLAINED.search(line)] == []


def test_each_rule_left_out_has_one_too() -> None:
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    left_out = [line for line in lines if re.match(r'\s+"S\d{3}"', line)]

    assert left_out
    assert [line for line in left_out if "  # " not in line] == []
