"""What a host installs: the wheel and the source archive, built as a release is."""

from __future__ import annotations

import tarfile
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
from django.conf import settings
from packaging.requirements import Requirement

import dealpurge

pytestmark = pytest.mark.slow

PACKAGE = settings.BASE_DIR / "dealpurge"


@pytest.fixture
def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as opened:
        (name,) = [name for name in opened.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_bytes(opened.read(name))


@pytest.fixture
def sources(archives: Path) -> set[str]:
    """What the source archive holds, below the one folder that it unpacks to."""
    (archive,) = archives.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        return {member.name.partition("/")[2] for member in tar if member.isfile()}


def package() -> set[str]:
    """Every file of the package as it stands in the checkout."""
    paths = (path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {str(path.relative_to(settings.BASE_DIR)) for path in paths}


def test_the_wheel_holds_the_whole_package_and_nothing_else(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}

    assert names == package()
    assert {"dealpurge/py.typed", "dealpurge/locale/de/LC_MESSAGES/django.mo"} <= names


def test_the_source_archive_holds_neither_the_project_nor_the_tests(sources: set[str]) -> None:
    others = {"CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}

    assert sources - {".gitignore"} == package() | others


def test_the_wheel_bears_the_version_and_the_license(wheel: Path, metadata: Message) -> None:
    assert metadata["Version"] == dealpurge.__version__
    assert metadata["License-Expression"] == "MIT"
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in zipfile.ZipFile(wheel).namelist())


def test_the_wheel_needs_no_test_tool(metadata: Message) -> None:
    required = [line for line in metadata.get_all("Requires-Dist", []) if "extra" not in line]

    assert {Requirement(line).name.lower() for line in required} == {
        *("django", "django-redis", "djangorestframework", "redis")
    }
