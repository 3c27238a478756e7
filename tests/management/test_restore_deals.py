"""``manage.py restore_deals``: what it writes, says, asks, and ends with."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from pathlib import Path
from uuid import uuid4

import pytest
import redis
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from dealpurge.models import PurgeArchiveChunk, PurgeRun
from tests.support.archive_storages import keep_archives_in, names_of, purged
from tests.support.archiving import snapshot
from tests.support.seeding import key_of

pytestmark = pytest.mark.django_db(transaction=True)

LIVE = ("--no-dry-run", "--no-input")
DEALS = ("deal-1", "deal-2", "deal-3")
KEYS = 4 * len(DEALS)


@pytest.fixture(autouse=True)
def place(valkey_settings: Settings, tmp_path: Path) -> Path:
    """Where the archives are."""
    keep_archives_in(valkey_settings, tmp_path)
    valkey_settings.DEALPURGE_ENVIRONMENT = {"name": "production", "tone": "production"}
    return tmp_path


@pytest.fixture
def purge(valkey_client: redis.Redis, place: Path) -> PurgeRun:
    """One of three deals, whose archive is kept for a day."""
    run = purged(valkey_client, DEALS, left=timedelta(days=1))
    assert not valkey_client.dbsize()
    return run


def restore(run: PurgeRun, *options: str) -> str:
    out = StringIO()
    call_command("restore_deals", str(run.pk), *options, stdout=out, stderr=StringIO(), no_color=True)
    return out.getvalue()


def refusal(run: PurgeRun, *options: str, code: int = 1) -> str:
    with pytest.raises(CommandError) as caught:
        restore(run, *options)
    assert caught.value.returncode == code
    return str(caught.value)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, PurgeRun], str]:
    """At a terminal at which somebody has typed ahead; what it asks."""

    def run(answer: str, purge: PurgeRun) -> str:
        stdin, err = io.StringIO(f"{answer}\n"), StringIO()
        stdin.isatty = lambda: True  # type: ignore[method-assign]
        monkeypatch.setattr(sys, "stdin", stdin)
        call_command("restore_deals", str(purge.pk), "--no-dry-run", stdout=StringIO(), stderr=err, no_color=True)
        return err.getvalue()

    return run


def test_it_writes_nothing_unless_told_to(purge: PurgeRun, valkey_client: redis.Redis) -> None:
    told = restore(purge)

    assert f"Dry run: a restore would write back {KEYS} keys of 3 deals." in told
    assert not valkey_client.dbsize()


def test_all_of_it_comes_back(purge: PurgeRun, valkey_client: redis.Redis) -> None:
    told = restore(purge, *LIVE, "--reason", "wrong deals")

    assert f"Restored: 3 deals, {KEYS} keys." in told
    assert valkey_client.dbsize() == KEYS == purge.keys_deleted
    run = PurgeRun.objects.get(restored_run=purge)
    assert (run.source, run.reason, run.status, run.keys_restored) == ("command", "wrong deals", "completed", KEYS)


def test_one_deal_and_one_family(purge: PurgeRun, valkey_client: redis.Redis) -> None:
    restore(purge, "--deal", "acme:deal-2", "--family", "locks", *LIVE)

    assert valkey_client.keys() == [key_of("locks", "acme", "deal-2").encode()]


def test_what_is_newer_stays_and_is_told(purge: PurgeRun, valkey_client: redis.Redis) -> None:
    newer = key_of("locks", "acme", "deal-2")
    valkey_client.set(newer, "newer")

    told = restore(purge, *LIVE)

    assert valkey_client.get(newer) == b"newer"
    assert valkey_client.dbsize() == KEYS
    assert "1 deal worked on since the purge" in told
    assert "Exist again, left as they are: 1 key." in told


def test_deals_that_somebody_has_worked_on_are_left_out(purge: PurgeRun, valkey_client: redis.Redis) -> None:
    valkey_client.set(key_of("locks", "acme", "deal-2"), "newer")

    told = restore(purge, *LIVE, "--leave-mixed")

    assert valkey_client.dbsize() == KEYS - 4 + 1
    assert "Left out with them: 3 keys of 1 deal." in told


def test_a_damaged_archive_is_restored_only_when_told_to(
    purge: PurgeRun, valkey_client: redis.Redis, place: Path, asked: Callable[[str, PurgeRun], str]
) -> None:
    damaged = place / PurgeArchiveChunk.objects.filter(run=purge).latest("pk").name
    damaged.write_bytes(damaged.read_bytes()[:-3])
    assert "truncated" in restore(purge)

    with pytest.raises(CommandError, match="Nothing was written"):
        asked("yes", purge)
    assert "Files of the archive are damaged or missing (1, with" in refusal(purge, *LIVE)
    assert not valkey_client.dbsize()
    assert PurgeRun.objects.get(restored_run=purge, dry_run=False).status == "failed"

    assert len(names_of(purge)) == 1
    assert "could not restore everything" in refusal(purge, *LIVE, "--skip-damaged")


def test_json(purge: PurgeRun) -> None:
    told = json.loads(restore(purge, *LIVE, "--format", "json"))

    run = PurgeRun.objects.get(restored_run=purge)
    assert told == run.report
    assert told["keys"]["restored"] == KEYS


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--family", "nonsense"), 2, "the archive has no family nonsense"),
        (("--deal", "acme:"), 2, "argument --deal"),
        (("--no-dry-run",), 2, "There is no terminal to ask at."),
        (("--deal", "acme:nobody"), 3, "None of the named deals is in the archive."),
    ],
)
def test_what_makes_no_sense_is_refused(purge: PurgeRun, options: tuple[str, ...], code: int, words: str) -> None:
    assert words in refusal(purge, *options, code=code)


def test_a_run_that_is_none() -> None:
    with pytest.raises(CommandError, match="There is no run"):
        call_command("restore_deals", str(uuid4()))


def test_a_reason_where_one_is_required(purge: PurgeRun, settings: Settings) -> None:
    settings.DEALPURGE_REASON_REQUIRED = True

    assert "--reason is required" in refusal(purge, *LIVE, code=2)
    assert "Restored" in restore(purge, *LIVE, "--reason", "wrong deals")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"archive_alias": ""}, "No archive was kept."),
        ({"dry_run": True}, "This run is no purge"),
        ({"environment": "staging"}, "This archive is of staging."),
        ({"status": "running"}, "The purge is still under way."),
    ],
)
def test_what_cannot_be_restored_is_refused(purge: PurgeRun, fields: dict[str, object], words: str) -> None:
    PurgeRun.objects.filter(pk=purge.pk).update(**fields)

    assert words in refusal(purge)
    assert not PurgeRun.objects.filter(restored_run=purge).exists()


def test_few_deals_want_a_yes(
    purge: PurgeRun, valkey_client: redis.Redis, asked: Callable[[str, PurgeRun], str]
) -> None:
    told = asked("yes", purge)

    assert "Restore 3 deals to production?" in told
    assert 'Type "yes" to confirm: ' in told
    assert valkey_client.dbsize() == KEYS
    live = PurgeRun.objects.get(restored_run=purge, dry_run=False)
    assert live.preview is not None
    assert live.preview.dry_run


def test_many_deals_want_their_number(
    purge: PurgeRun, valkey_client: redis.Redis, asked: Callable[[str, PurgeRun], str], settings: Settings
) -> None:
    settings.DEALPURGE_CONFIRM_DEALS = 3

    with pytest.raises(CommandError, match='That is not "3"'):
        asked("yes", purge)
    assert not valkey_client.dbsize()

    assert "Why you're asked: 3 deals" in asked("3", purge)
    assert snapshot(valkey_client)
