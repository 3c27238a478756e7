"""The catalogues of the admin's pages hold what the pages say, and German says all of it."""

from __future__ import annotations

import gettext
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.readme_blocks import ROOT
from tests.support.servers import missing

PACKAGE = ROOT / "dealpurge"
LOCALE = PACKAGE / "locale"
ENGLISH = LOCALE / "en" / "LC_MESSAGES" / "django.po"
GERMAN = LOCALE / "de" / "LC_MESSAGES" / "django.po"
COMPILED = GERMAN.with_suffix(".mo")

HINT = """
Run this in dealpurge/, translate what is new, and compile it:
  django-admin makemessages -l de -l en --no-location --no-obsolete --no-wrap && django-admin compilemessages -l de
"""


def run(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    if shutil.which("msgfmt") is None:
        missing("gettext is not installed (apt-get install gettext)")
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return subprocess.run(
        list(map(str, words)), cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue of what stands in the sources now."""
    copy = tmp_path_factory.mktemp("sources") / "dealpurge"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("locale", "__pycache__"))
    (copy / "locale").mkdir()
    done = run(sys.executable, "-m", "django", "makemessages", "-l", "en", "--no-location", "--no-wrap", cwd=copy)
    assert (done.returncode, done.stderr) == (0, "")
    return copy / "locale" / "en" / "LC_MESSAGES" / "django.po"


def texts_of(catalogue: Path, directory: Path) -> set[str]:
    """What a catalogue has words for, or in English would have."""
    filled, compiled = directory / "filled.po", directory / "filled.mo"
    for words in (("msgen", "-o", filled, catalogue), ("msgfmt", "-o", compiled, filled)):
        done = run(*words)
        assert done.returncode == 0, done.stderr
    return sources_of(compiled)


def test_the_source_catalogue_is_what_the_pages_say(fresh: Path, tmp_path: Path) -> None:
    now, listed = texts_of(fresh, tmp_path), texts_of(ENGLISH, tmp_path)

    assert (now - listed, listed - now) == (set(), set()), HINT


def test_german_has_words_for_all_of_it(fresh: Path, tmp_path: Path) -> None:
    now, translated = texts_of(fresh, tmp_path), sources_of(COMPILED)

    assert (now - translated, translated - now) == (set(), set()), HINT


def test_what_is_shipped_compiled_is_what_is_written(tmp_path: Path) -> None:
    done = run("msgfmt", "--check-format", "-o", tmp_path / "django.mo", GERMAN)

    assert done.returncode == 0, done.stderr
    assert catalogue_of(tmp_path / "django.mo") == catalogue_of(COMPILED), HINT


def test_marks_and_placeholders_are_kept() -> None:
    found = re.compile(r"</?\w+>|%\(\w+\)s|%s|{+\w*}+")

    texts = {key: value for key, value in catalogue_of(COMPILED).items() if isinstance(key, str) and key}

    assert len(texts) > 200
    assert {key for key, value in texts.items() if sorted(found.findall(key)) != sorted(found.findall(value))} == set()


def catalogue_of(path: Path) -> dict[str | tuple[str, int], str]:
    with path.open("rb") as file:
        return vars(gettext.GNUTranslations(file))["_catalog"]  # type: ignore[no-any-return]  # it has no public view


def sources_of(path: Path) -> set[str]:
    return {key if isinstance(key, str) else key[0] for key in catalogue_of(path)} - {""}
