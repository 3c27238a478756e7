"""What manage.py purge_deals says of the archive, and when it goes without."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from dealpurge.models import PurgeRun
from dealpurge.runs.outcome.counts import minute, size
from tests.support.commands import Purge

from .conftest import LIVE_ALL, latest

pytestmark = pytest.mark.django_db(transaction=True)

NEEDS_A_REASON = "CommandError: --no-archive needs a --reason: what is purged without an archive cannot be restored\n"


def test_the_outcome_says_what_is_kept(deals: redis.Redis, purge: Purge, archive: Path) -> None:
    outcome = purge(*LIVE_ALL)

    run = latest()
    assert run.archived_until
    kept = sum(run.archive_chunks.values_list("size", flat=True))
    assert outcome.code == 0
    assert outcome.out.endswith(f"\nArchived: {size(kept)} until {minute(run.archived_until)}.\n")


def test_without_an_archive_nothing_is_said_of_one(deals: redis.Redis, purge: Purge) -> None:
    assert "rchive" not in purge(*LIVE_ALL).out


@pytest.mark.usefixtures("archive")
def test_it_goes_without_if_told_so(deals: redis.Redis, purge: Purge) -> None:
    outcome = purge(*LIVE_ALL, "--no-archive")

    run = latest()
    assert outcome.code == 0
    assert outcome.out.endswith("\nNo archive was kept. This cannot be undone.\n")
    assert (run.archive_declined, run.archive_alias) == (True, "")
    assert not run.archive_chunks.exists()


@pytest.mark.usefixtures("archive")
@pytest.mark.parametrize("options", [(), ("--no-dry-run", "--no-input"), ("--reason", " ")])
def test_going_without_needs_a_reason(deals: redis.Redis, purge: Purge, options: tuple[str, ...]) -> None:
    """In a dry run too: what it recommends is the same command."""
    outcome = purge("--mode", "all", "--no-archive", *options)

    assert (outcome.code, outcome.err) == (2, NEEDS_A_REASON)
    assert not PurgeRun.objects.exists()


def test_where_there_is_none_to_go_without_nothing_changes(deals: redis.Redis, purge: Purge) -> None:
    outcome = purge("--mode", "all", "--no-archive", "--no-dry-run", "--no-input")

    assert (outcome.code, latest().archive_declined) == (0, False)
    assert "rchive" not in outcome.out + outcome.err


@pytest.mark.usefixtures("archive")
def test_code_may_ask_for_it_too(deals: redis.Redis) -> None:
    with pytest.raises(CommandError, match="--no-archive needs a --reason"):
        call_command("purge_deals", mode="all", keep_archive=False)

    call_command("purge_deals", mode="all", keep_archive=False, reason="OPS-1")

    assert latest().archive_declined


@pytest.mark.parametrize("options", [(), ("--no-archive",)])
def test_a_storage_that_is_none_is_said(
    deals: redis.Redis, purge: Purge, settings: Settings, options: tuple[str, ...]
) -> None:
    settings.DEALPURGE_ARCHIVE = "nowhere"

    outcome = purge(*LIVE_ALL, *options)

    assert outcome.code == 1
    assert "DEALPURGE_ARCHIVE names no storage of STORAGES." in outcome.err
    assert deals.dbsize() == 10


def test_a_storage_that_cannot_be_written_deletes_nothing(
    deals: redis.Redis, purge: Purge, archive: Path, settings: Settings
) -> None:
    settings.DEALPURGE_RETRY_SECONDS = 0.1
    archive.write_text("a file where a folder should be")

    outcome = purge(*LIVE_ALL, "--quiet")

    assert outcome.code == 1
    assert outcome.err.endswith(
        "The archive cannot be written; nothing unarchived was deleted. The purge failed, having deleted 0 keys. "
        f"(Run {latest().pk}.) When the storage of the archive can be written to, run the command again: it takes what "
        "is left.\n"
    )
    assert deals.dbsize() == 10
