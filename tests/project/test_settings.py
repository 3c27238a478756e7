from __future__ import annotations

import os
import runpy
import subprocess
import sys

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from project.settings import flag, words

PRODUCTION = {
    "DJANGO_DEBUG": "0",
    "DJANGO_SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "DJANGO_ALLOWED_HOSTS": "deals.example.com",
}


def manage(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("DJANGO_")}
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), *arguments]
    return subprocess.run(command, env=inherited | variables, capture_output=True, text=True, timeout=60, check=False)


def test_the_deployment_check_has_nothing_to_say_of_a_production_site() -> None:
    done = manage("check", "--deploy", "--fail-level", "WARNING", **PRODUCTION)

    assert done.returncode == 0, done.stderr


def test_there_is_no_secret_key_to_fall_back_on_in_production() -> None:
    done = manage("check", DJANGO_DEBUG="0")

    assert done.returncode == 1
    assert "DJANGO_SECRET_KEY must be set" in done.stderr


def test_models_and_migrations_agree() -> None:
    done = manage("makemigrations", "--check", "--dry-run")

    assert done.returncode == 0, done.stdout


def test_the_demo_has_a_port_of_its_own_and_the_cache_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """6379 is where somebody's Redis lives."""
    monkeypatch.delenv("DEMO_REDIS_PORT", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)

    fresh = runpy.run_path(str(settings.BASE_DIR / "project" / "settings.py"))

    assert fresh["DEMO_REDIS_PORT"] == 6399
    assert fresh["CACHES"]["default"]["LOCATION"] == "redis://127.0.0.1:6399/0"


@pytest.mark.parametrize(("word", "value"), [("1", True), ("YES", True), ("off", False), (" 0 ", False), ("", True)])
def test_a_flag_is_a_clear_word(monkeypatch: pytest.MonkeyPatch, word: str, value: bool) -> None:
    monkeypatch.setenv("DJANGO_X", word)

    assert flag("DJANGO_X", default=True) is value


def test_a_flag_that_is_no_word_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_X", "flase")

    with pytest.raises(ImproperlyConfigured, match="DJANGO_X must be 1 or 0, not 'flase'"):
        flag("DJANGO_X", default=False)


def test_words_are_split_at_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_X", "a, b,,")

    assert words("DJANGO_X", default=[]) == ["a", "b"]
