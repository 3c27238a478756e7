"""One version, wherever it is written."""

from __future__ import annotations

import re
import tomllib
from datetime import date

import dealpurge
from tests.support.readme_blocks import ROOT

CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
RELEASES = re.findall(r"^## (\d+\.\d+\.\d+) \((\d{4}-\d\d-\d\d)\)$", CHANGELOG, re.MULTILINE)


def test_the_project_has_the_version_that_the_package_says() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())

    assert pyproject["project"]["dynamic"] == ["version"]
    assert pyproject["tool"]["hatch"]["version"] == {"path": "dealpurge/__init__.py"}


def test_the_newest_release_is_this_version() -> None:
    assert RELEASES[0][0] == dealpurge.__version__


def test_every_heading_is_a_release_or_what_is_to_come() -> None:
    headings = re.findall(r"^## (.*)$", CHANGELOG, re.MULTILINE)

    assert [item for item in headings if item != "Unreleased"] == [f"{version} ({day})" for version, day in RELEASES]
    assert headings.index("Unreleased") == 0 if "Unreleased" in headings else True
    days = [date.fromisoformat(day) for _, day in RELEASES]
    assert days == sorted(days, reverse=True)


def test_every_entry_is_a_sentence() -> None:
    entries = re.findall(r"^- (.*(?:\n  .*)*)", CHANGELOG, re.MULTILINE)

    assert len(entries) > 10
    assert [entry for entry in entries if not re.fullmatch(r"[\"`A-Z].*\.", " ".join(entry.split()))] == []
