"""What a host installs: the wheel and the source archive, built as a release is."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from django.conf import settings

pytestmark = pytest.mark.slow

PACKAGE = settings.BASE_DIR / "dealpurge"


def shipped(paths: Iterable[Path]) -> set[str]:
    return {
        str(path.relative_to(settings.BASE_DIR))
        for path in paths
        if path.is_file() and path.suffix != ".pyc" and path.suffix != ".po"
    }


def test_the_wheel_holds_the_whole_package_and_nothing_else(archives: Path) -> None:
    (wheel,) = archives.glob("*.whl")

    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}

    assert shipped(PACKAGE.rglob("*")) <= names
    assert all(name.startswith("dealpurge/") for name in names)
    assert "dealpurge/py.typed" in names


def test_the_source_archive_holds_neither_the_project_nor_the_tests(archives: Path) -> None:
    (archive,) = archives.glob("*.tar.gz")

    with tarfile.open(archive) as tar:
        tops = {name.split("/")[1] for name in tar.getnames() if "/" in name}

    assert {"dealpurge", "LICENSE", "pyproject.toml"} <= tops
    assert tops.isdisjoint({"project", "tests"})


def test_the_wheel_needs_no_test_tool(archives: Path) -> None:
    (wheel,) = archives.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        (metadata,) = [name for name in opened.namelist() if name.endswith(".dist-info/METADATA")]
        lines = opened.read(metadata).decode().splitlines()

    required = {
        line.split(" ")[1].split(";")[0] for line in lines if line.startswith("Requires-Dist") and "extra" not in line
    }

    assert {name.split("<")[0].split(">")[0].split("!")[0].lower() for name in required} == {
        *("django", "django-redis", "djangorestframework", "redis")
    }
