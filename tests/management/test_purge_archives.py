"""``manage.py purge_archives``: what it takes, says, and ends with."""

from __future__ import annotations

import getpass
import json
import logging
import os
import signal
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from django.core.files.storage import FileSystemStorage
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django.fixtures import Settings

from dealpurge.management.commands import purge_archives
from dealpurge.models import PurgeArchiveChunk, PurgeRun
from dealpurge.runs import database
from dealpurge.runs.archive.removal import Removal
from tests.support.archive_storages import MINUTE, files_of, keep_archives_in, purged
from tests.support.databases import locked_database

pytestmark = pytest.mark.django_db(transaction=True)

LIVE = "--no-dry-run"


@pytest.fixture(autouse=True)
def place(valkey_settings: Settings, tmp_path: Path) -> Path:
    """Where the archives are."""
    keep_archives_in(valkey_settings, tmp_path)
    return tmp_path


@pytest.fixture
def past(valkey_client: redis.Redis) -> PurgeRun:
    """A run whose archive is past its time."""
    return purged(valkey_client)


@pytest.fixture
def fresh(valkey_client: redis.Redis) -> PurgeRun:
    """A run whose archive is not."""
    return purged(valkey_client, left=MINUTE)


def purge(*options: str) -> str:
    out = StringIO()
    call_command("purge_archives", *options, stdout=out, no_color=True)
    return out.getvalue()


def refusal(*options: str) -> str:
    """What it ends with where it does not do all, with the exit code 1."""
    with pytest.raises(CommandError) as caught:
        purge(*options)
    assert caught.value.returncode == 1
    return str(caught.value)


def size_of(run: PurgeRun, place: Path) -> int:
    return sum((place / f"dealpurge/{run.pk}/{name}").stat().st_size for name in files_of(run, place))


def is_gone(run: PurgeRun, place: Path) -> bool:
    run.refresh_from_db()
    return not files_of(run, place) and run.archive_removed_at is not None


def test_it_says_what_it_would_remove(past: PurgeRun, fresh: PurgeRun, place: Path) -> None:
    size = size_of(past, place)

    assert purge() == (
        "Archives  Would be removed\n"
        "runs                     1\n"
        "files                    2\n"
        f"bytes     {size:>16,}\n"
        "\n"
        f"Dry run: 1 archive would be removed, 2 files of {size:,} bytes.\n"
    )
    assert not is_gone(past, place)


def test_it_removes_them_if_told_to(past: PurgeRun, fresh: PurgeRun, place: Path) -> None:
    size = size_of(past, place)

    said = purge(LIVE)

    assert said == (
        "Archives  Removed\n"
        "runs            1\n"
        "files           2\n"
        f"bytes     {size:>7,}\n"
        "\n"
        f"Removed 2 files of {size:,} bytes; 1 archive is gone.\n"
    )
    assert is_gone(past, place)
    assert not is_gone(fresh, place)
    assert purge(LIVE).endswith("\nRemoved 0 files of 0 bytes; 0 archives are gone.\n")


def test_record_and_log_say_who_did(past: PurgeRun, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dealpurge")
    caplog.clear()

    purge(LIVE)

    past.refresh_from_db()
    assert past.archive_removed_by == getpass.getuser()
    (record,) = caplog.records
    assert (record.getMessage(), vars(record)["removed_by"]) == ("archive removed", getpass.getuser())


def test_that_of_one_run(past: PurgeRun, fresh: PurgeRun, place: Path) -> None:
    assert "1 archive would be removed" in purge(f"--run={fresh.pk}")
    assert not is_gone(fresh, place)

    assert purge(f"--run={fresh.pk}", LIVE).endswith("; 1 archive is gone.\n")

    assert is_gone(fresh, place)
    assert not is_gone(past, place)


def test_that_it_was_removed_before(past: PurgeRun) -> None:
    purge(LIVE)

    words = refusal(f"--run={past.pk}", LIVE)

    assert words.startswith(f"The archive of run {past.pk} was removed by {getpass.getuser()} at ")


def test_that_there_is_none(valkey_settings: Settings, valkey_client: redis.Redis) -> None:
    valkey_settings.DEALPURGE_ARCHIVE = None
    run, unknown = purged(valkey_client), uuid4()

    assert refusal(f"--run={run.pk}") == f"Run {run.pk} has no archive."
    assert refusal(f"--run={unknown}", LIVE) == f"The record has no run {unknown}."


def test_that_its_run_is_under_way(past: PurgeRun, place: Path) -> None:
    PurgeRun.objects.update(status="running", heartbeat_at=timezone.now())

    words = refusal(f"--run={past.pk}", LIVE)

    assert words == f"Run {past.pk} is under way. Its archive can be removed when it is over."
    assert not is_gone(past, place)


def test_quiet(past: PurgeRun, place: Path) -> None:
    assert purge("--quiet") == purge("--quiet", LIVE, "--format=json") == ""
    assert is_gone(past, place)


def test_json(past: PurgeRun, fresh: PurgeRun, place: Path) -> None:
    counts = {"runs": 1, "files": 2, "bytes": size_of(past, place)}

    assert json.loads(purge("--format=json")) == {"dry_run": True, "run_id": None, **counts, "failed": []}
    counts["bytes"] = size_of(fresh, place)
    assert json.loads(purge("--format=json", LIVE, f"--run={fresh.pk}")) == {
        "dry_run": False, "run_id": str(fresh.pk), **counts, "failed": [],
    }  # fmt: skip


def test_code_may_give_the_options_by_their_names(past: PurgeRun, fresh: PurgeRun, place: Path) -> None:
    call_command("purge_archives", run=str(fresh.pk), dry_run=False, quiet=True)
    call_command("purge_archives", run=past.pk, dry_run=False, quiet=True)

    assert is_gone(fresh, place)
    assert is_gone(past, place)


@pytest.mark.parametrize(
    ("options", "words"),
    [(["--run=7"], "invalid UUID"), (["--run"], "--run"), (["--no-dry"], "--no-dry"), (["extra"], "extra")],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_makes_no_sense_removes_nothing(past: PurgeRun, place: Path, options: list[str], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        purge(LIVE, *options)

    assert not is_gone(past, place)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A storage that deletes nothing."""

    def refuse(self: FileSystemStorage, name: str) -> None:
        raise PermissionError(13, "geheim")

    monkeypatch.setattr(FileSystemStorage, "delete", refuse)


@pytest.mark.usefixtures("broken")
@pytest.mark.parametrize("options", [[], ["--quiet"], ["--format=json"]], ids=" ".join)
def test_what_could_not_be_removed_is_told(past: PurgeRun, fresh: PurgeRun, options: list[str], place: Path) -> None:
    out = StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("purge_archives", LIVE, *options, stdout=out, no_color=True)

    why = "The storage 'archive' raised PermissionError; the log has its words."
    assert str(caught.value) == f"1 archive could not be removed:\n  Run {past.pk}: {why}"
    assert caught.value.returncode == 1
    assert not is_gone(past, place)
    if "--quiet" in options:
        assert out.getvalue() == ""
    elif options:
        told = json.loads(out.getvalue())
        assert (told["runs"], told["files"]) == (0, 0)
        assert told["failed"] == [{"run_id": str(past.pk), "error": why}]
    else:
        assert out.getvalue().endswith("\nRemoved 0 files of 0 bytes; 0 archives are gone.\n")


def test_a_storage_that_settings_no_longer_have(past: PurgeRun, valkey_settings: Settings, place: Path) -> None:
    keep_archives_in(valkey_settings, place, "new")
    valkey_settings.STORAGES = {key: value for key, value in valkey_settings.STORAGES.items() if key != "archive"}
    why = "Its files are in the storage 'archive', which STORAGES no longer has."

    assert refusal() == f"1 archive could not be looked at:\n  Run {past.pk}: {why}"
    assert refusal(LIVE) == f"1 archive could not be removed:\n  Run {past.pk}: {why}"


def test_of_many_failures_some_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def steps(self: Removal, *, dry_run: bool) -> Iterator[None]:
        self.failed = {uuid4(): "Why." for _ in range(1210)}
        yield

    monkeypatch.setattr(Removal, "steps", steps)

    lines = refusal(LIVE).splitlines()

    assert lines[0] == "1,210 archives could not be removed:"
    assert len(lines) == 1 + purge_archives.FAILED_SHOWN + 1
    assert lines[-1] == "  ... and 1,200 more"


@pytest.mark.usefixtures("broken")
def test_an_outcome_that_cannot_be_printed_hides_no_failure(past: PurgeRun) -> None:
    class Full(StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(CommandError, match="1 archive could not be removed"):
        call_command("purge_archives", LIVE, stdout=Full(), no_color=True)


def test_nor_does_it_say_that_nothing_was_done(past: PurgeRun, place: Path) -> None:
    class Full(StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(CommandError, match=r"cannot be printed: .* Removed 2 files of [\d,]+ bytes; 1 archive is gone"):
        call_command("purge_archives", LIVE, stdout=Full(), no_color=True)
    assert is_gone(past, place)


@pytest.fixture
def after_step(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], object]], None]:
    """Something happens behind each step."""

    def happen(what: Callable[[int], object]) -> None:
        steps = Removal.steps

        def watched(self: Removal, *, dry_run: bool) -> Iterator[None]:
            for number, step in enumerate(steps(self, dry_run=dry_run)):
                yield step
                what(number)

        monkeypatch.setattr(Removal, "steps", watched)

    return happen


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_it_stops_behind_its_file(past: PurgeRun, place: Path, after_step: Any, number: int, code: int) -> None:
    numbers = [number]
    after_step(lambda step: os.kill(os.getpid(), numbers.pop()) if numbers else None)

    with pytest.raises(CommandError, match=r"^Interrupted\. Removed 2 files of [\d,]+ bytes; 0 archives") as caught:
        purge(LIVE)

    assert caught.value.returncode == code
    assert PurgeArchiveChunk.objects.count() == 1
    assert not is_gone(past, place)
    assert purge(LIVE).endswith("1 archive is gone.\n")
    assert is_gone(past, place)


def test_a_count_that_was_stopped_is_not_told_as_the_whole(past: PurgeRun, after_step: Any) -> None:
    numbers = [signal.SIGINT]
    after_step(lambda step: os.kill(os.getpid(), numbers.pop()) if numbers else None)

    with pytest.raises(CommandError, match=r"^Interrupted\. Dry run: 2 files of [\d,]+ bytes counted so far\.$"):
        purge()


@pytest.mark.usefixtures("broken")
def test_an_interruption_hides_no_failure(past: PurgeRun, valkey_client: redis.Redis, after_step: Any) -> None:
    purged(valkey_client)
    numbers = [signal.SIGINT]
    after_step(lambda step: os.kill(os.getpid(), numbers.pop()) if numbers else None)

    with pytest.raises(CommandError) as caught:
        purge(LIVE)

    assert caught.value.returncode == 130
    first, second = str(caught.value).splitlines()[:2]
    assert first.startswith("Interrupted. Removed 0 files")
    assert second == "2 archives could not be removed:"


@pytest.mark.parametrize("lost", [True, False])
def test_a_database_that_is_locked_ends_it_in_words(past: PurgeRun, place: Path, lost: bool) -> None:
    if lost:
        PurgeRun.objects.update(status="running", heartbeat_at=timezone.now() - 2 * MINUTE)

    with locked_database():
        words = refusal(LIVE)

    removed = "Removed 0 files of 0 bytes" if lost else "Removed 2 files of "
    assert words.startswith(f"{database.WORDS} {removed}")
    assert words.endswith("; 0 archives are gone. Run it again.")
    assert not is_gone(past, place)
    assert "1 archive is gone" in purge(LIVE)
