"""What goes with an archive, in which order, and what stays where something fails."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis
from django.core.files.storage import FileSystemStorage, Storage
from django.db import OperationalError, connection
from django.utils import timezone
from pytest_django.fixtures import Settings

from dealpurge.exceptions import ArchiveRefused
from dealpurge.models import PurgeArchiveChunk, PurgeRun
from dealpurge.runs import database
from dealpurge.runs.archive.removal import MORE_CAME, Removal
from tests.support.archive_storages import MINUTE, files_of, keep_archives_in, names_of, purged
from tests.support.databases import locked_database

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("place")]

MANIFEST = "manifest.json"


def remove(run_id: UUID | None = None, *, dry_run: bool = False) -> Removal:
    removal = Removal("ann", run_id)
    for _ in removal.steps(dry_run=dry_run):
        pass
    return removal


def counts(removal: Removal) -> tuple[int, int, int]:
    return removal.runs, removal.files, removal.bytes


def sizes_in(run: PurgeRun, place: Path) -> list[int]:
    return [(place / f"dealpurge/{run.pk}/{name}").stat().st_size for name in files_of(run, place)]


def is_whole(run: PurgeRun, place: Path) -> bool:
    run.refresh_from_db()
    return files_of(run, place) == sorted([*names_of(run), MANIFEST]) and run.archive_removed_at is None


def is_gone(run: PurgeRun, place: Path, by: str = "ann") -> bool:
    run.refresh_from_db()
    marked = run.archive_removed_at is not None and run.archive_removed_by == by
    return marked and not names_of(run) and not (place / f"dealpurge/{run.pk}").exists()


def test_files_rows_and_folder_go_and_the_run_says_who_and_when(archived: Any, place: Path) -> None:
    run = archived()
    sizes = sizes_in(run, place)

    removal = remove()

    assert counts(removal) == (1, len(sizes), sum(sizes))
    assert removal.failed == {}
    assert is_gone(run, place)
    assert abs(timezone.now() - run.archive_removed_at) < MINUTE
    assert counts(remove()) == (0, 0, 0)


def test_a_dry_run_tells_the_same_and_takes_nothing(archived: Any, place: Path) -> None:
    runs = [archived(), archived()]

    told = counts(remove(dry_run=True))

    assert all(is_whole(run, place) for run in runs)
    assert told == counts(remove())
    assert told[0] == 2


@pytest.mark.parametrize(("left", "gone"), [(-MINUTE, True), (MINUTE, False)], ids=["past", "not yet"])
def test_the_time_is_the_rows(archived: Any, place: Path, left: timedelta, gone: bool) -> None:
    run = archived(left)

    assert remove().runs == gone

    assert is_gone(run, place) is gone
    assert is_whole(run, place) is not gone


def test_it_is_the_databases_clock(archived: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = archived(MINUTE)
    monkeypatch.setattr(timezone, "now", lambda: run.archived_until + 10 * MINUTE)

    assert remove().runs == 0
    assert is_whole(run, place)


@pytest.mark.parametrize("status", ["completed", "partial", "cancelled", "failed"])
def test_however_the_run_ended(archived: Any, place: Path, status: str) -> None:
    run = archived()
    PurgeRun.objects.update(status=status)

    assert remove().runs == 1
    assert is_gone(run, place)


@pytest.mark.parametrize("status", ["queued", "running"])
def test_a_run_under_way_keeps_its_own(archived: Any, place: Path, status: str) -> None:
    run = archived()
    PurgeRun.objects.update(status=status, heartbeat_at=timezone.now())

    assert counts(remove()) == counts(remove(dry_run=True)) == (0, 0, 0)
    with pytest.raises(ArchiveRefused, match="under way"):
        remove(run.pk)
    assert is_whole(run, place)


@pytest.mark.parametrize("one", [True, False])
def test_a_run_whose_process_was_killed_is_over(archived: Any, place: Path, one: bool) -> None:
    run = archived()
    PurgeRun.objects.update(status="running", heartbeat_at=timezone.now() - 2 * MINUTE)

    assert remove(run.pk if one else None).runs == 1

    assert is_gone(run, place)
    assert run.status == "failed"


def test_a_run_without_an_archive_has_none_past_its_time(archived: Any, place: Path) -> None:
    run = archived()
    PurgeRun.objects.update(archive_alias="")

    removal = remove()

    assert (removal.runs, removal.failed) == (0, {})
    assert is_whole(run, place)


def test_that_of_one_run_goes_before_its_time_and_no_other(archived: Any, place: Path) -> None:
    run, other, past = archived(MINUTE), archived(MINUTE), archived()

    assert remove(run.pk, dry_run=True).runs == 1
    assert is_whole(run, place)
    assert remove(run.pk).runs == 1

    assert is_gone(run, place)
    assert is_whole(other, place)
    assert is_whole(past, place)


@pytest.mark.parametrize("dry_run", [True, False])
def test_where_the_one_has_none_it_is_refused(archived: Any, valkey_settings: Settings, dry_run: bool) -> None:
    run = archived()
    remove()
    valkey_settings.DEALPURGE_ARCHIVE = None
    without = purged(redis.Redis.from_url(valkey_settings.CACHES["default"]["LOCATION"]))

    with pytest.raises(ArchiveRefused, match=rf"The archive of run {run.pk} was removed by ann at \d{{4}}-"):
        remove(run.pk, dry_run=dry_run)
    with pytest.raises(ArchiveRefused, match=f"Run {without.pk} has no archive."):
        remove(without.pk, dry_run=dry_run)
    with pytest.raises(ArchiveRefused, match="The record has no run "):
        remove(uuid4(), dry_run=dry_run)


def test_what_no_row_tells_of_goes_too(archived: Any, place: Path) -> None:
    run, folder = archived(), place / "dealpurge"
    (folder / f"{run.pk}/1-99.resp.gz").write_bytes(b"orphan")
    (folder / f"{run.pk}/1-1_aB3dE5g.resp.gz").write_bytes(b"renamed")
    (folder / "other.txt").write_bytes(b"not ours to take")
    sizes = sizes_in(run, place)

    assert counts(remove(dry_run=True)) == (1, len(sizes), sum(sizes))
    assert counts(remove()) == (1, len(sizes), sum(sizes))

    assert is_gone(run, place)
    assert [path.name for path in folder.iterdir()] == ["other.txt"]


def test_orphans_of_a_process_that_was_killed_before_its_first_row(archived: Any, place: Path) -> None:
    run = archived()
    PurgeArchiveChunk.objects.all().delete()

    assert remove().files == len([MANIFEST]) + 4
    assert is_gone(run, place)


def test_a_file_elsewhere_goes_by_its_row(archived: Any, place: Path) -> None:
    run = archived()
    chunk = PurgeArchiveChunk.objects.filter(run=run).earliest("pk")
    (place / chunk.name).rename(place / "elsewhere.gz")
    PurgeArchiveChunk.objects.filter(pk=chunk.pk).update(name="elsewhere.gz")

    assert remove().runs == 1

    assert is_gone(run, place)
    assert list(place.glob("*.gz")) == []


def test_a_storage_that_does_not_list(archived: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = archived()
    sizes = sizes_in(run, place)
    monkeypatch.setattr(FileSystemStorage, "listdir", Storage.listdir)

    assert counts(remove(dry_run=True)) == (1, len(sizes), sum(sizes))
    assert counts(remove()) == (1, len(sizes), sum(sizes))

    assert is_gone(run, place)


def test_nor_has_it_a_manifest(archived: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = archived()
    (place / f"dealpurge/{run.pk}/{MANIFEST}").unlink()
    monkeypatch.setattr(FileSystemStorage, "listdir", Storage.listdir)
    monkeypatch.setattr(FileSystemStorage, "size", Storage.size)  # of what is not there a service says what it likes

    assert remove().files == 4
    assert is_gone(run, place)


@pytest.mark.parametrize("lists", [True, False])
def test_a_file_that_is_gone_already_is_as_good(
    archived: Any, place: Path, lists: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = archived()
    for path in (place / f"dealpurge/{run.pk}").glob("*"):
        path.unlink()
    if not lists:
        monkeypatch.setattr(FileSystemStorage, "listdir", Storage.listdir)

    removal = remove()

    assert (removal.runs, removal.failed) == (1, {})
    assert removal.files == (0 if lists else 4)  # only who lists files can tell
    assert is_gone(run, place)


def test_also_without_its_folder(archived: Any, place: Path) -> None:
    run = archived()
    (place / "dealpurge").rename(place / "elsewhere")

    assert counts(remove(dry_run=True)) == counts(remove()) == (1, 0, 0)
    assert is_gone(run, place)


@pytest.fixture
def before_deletes(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str], object]], None]:
    """Have something happen before the storage deletes a file."""

    def happen(what: Callable[[str], object]) -> None:
        delete = FileSystemStorage.delete

        def late(self: FileSystemStorage, name: str) -> None:
            what(name)
            delete(self, name)

        monkeypatch.setattr(FileSystemStorage, "delete", late)

    return happen


@pytest.mark.parametrize("ahead", [1, 2, 4, 20])
def test_two_at_once_do_no_harm(archived: Any, place: Path, before_deletes: Any, ahead: int) -> None:
    run = archived()
    sizes = sizes_in(run, place)
    other = Removal("bob")
    steps, busy = other.steps(dry_run=False), list[str]()

    def meanwhile(name: str) -> None:
        if not busy:
            busy.append(name)
            for _ in islice(steps, ahead):
                pass
            busy.clear()

    before_deletes(meanwhile)

    removal = remove()

    assert is_gone(run, place, PurgeRun.objects.get().archive_removed_by)
    assert (removal.failed, other.failed) == ({}, {})
    assert removal.runs + other.runs == 1
    assert removal.files + other.files >= len(sizes)


def test_a_failing_storage_leaves_the_rows_and_the_next_run_goes(
    archived: Any, place: Path, before_deletes: Any, caplog: pytest.LogCaptureFixture
) -> None:
    runs = [archived(), archived(), archived()]
    stubborn = sorted(runs, key=lambda run: run.pk)[1]
    name = PurgeArchiveChunk.objects.filter(run=stubborn).latest("pk").name

    def refuse(asked: str) -> None:
        if asked == name:
            raise PermissionError("https://ann:geheim@store/key")

    before_deletes(refuse)
    rows = names_of(stubborn)

    removal = remove()

    assert removal.failed == {stubborn.pk: "The storage 'archive' raised PermissionError; the log has its words."}
    assert removal.runs == 2
    assert names_of(stubborn) == rows
    assert Path(name).name in files_of(stubborn, place)
    stubborn.refresh_from_db()
    assert (stubborn.archive_removed_at, stubborn.archive_removed_by) == (None, "")
    assert all(is_gone(run, place) for run in runs if run != stubborn)
    (error,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert error.getMessage() == "an archive cannot be removed: PermissionError: https://***@store/key"
    assert vars(error)["run_id"] == str(stubborn.pk)


@pytest.mark.parametrize("dry_run", [True, False])
def test_an_alias_that_is_gone_is_said_plainly(
    archived: Any, place: Path, valkey_settings: Settings, dry_run: bool
) -> None:
    run = archived()
    keep_archives_in(valkey_settings, place / "new", "new")
    other = archived()
    entry = valkey_settings.STORAGES["archive"]
    valkey_settings.STORAGES = {key: value for key, value in valkey_settings.STORAGES.items() if key != "archive"}

    removal = remove(dry_run=dry_run)

    words = "Its files are in the storage 'archive', which STORAGES no longer has."
    assert (removal.failed, removal.runs) == ({run.pk: words}, 1)
    assert is_whole(run, place)
    assert is_gone(other, place / "new") is not dry_run
    valkey_settings.STORAGES = {**valkey_settings.STORAGES, "archive": entry}
    assert remove().failed == {}
    assert is_gone(run, place)


def test_files_that_come_meanwhile_are_not_told_as_gone(archived: Any, place: Path, before_deletes: Any) -> None:
    run = archived()
    chunk = PurgeArchiveChunk.objects.latest("pk")
    names = [f"dealpurge/{run.pk}/1-100.resp.gz"]

    def come(name: str) -> None:
        while names:
            chunk.pk, chunk.number, chunk.name = None, 100, names.pop()
            (place / chunk.name).write_bytes(b"late")
            chunk.save(force_insert=True)

    before_deletes(come)

    removal = remove()

    assert (removal.runs, removal.failed) == (0, {run.pk: MORE_CAME})
    assert (names_of(run), files_of(run, place)) == (["1-100.resp.gz"], ["1-100.resp.gz"])
    assert counts(remove()) == (1, 1, chunk.size)
    assert is_gone(run, place)


class Killed(BaseException):
    """As if the process were no more."""


def test_a_kill_at_any_moment_can_be_repeated(
    archived: Any, place: Path, before_deletes: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "ROWS_AT_ONCE", 3)
    left = [0]

    def strike(*ignored: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Killed

    def statement(execute: Any, *arguments: Any) -> Any:
        strike()
        return execute(*arguments)

    before_deletes(strike)
    moments = 0
    while left[0] <= 0:
        moments += 1
        run, left[0] = archived(), moments
        try:
            with connection.execute_wrapper(statement):
                remove()
        except Killed:
            told, there = names_of(run), set(files_of(run, place)) - {MANIFEST}
            run.refresh_from_db()
            assert there <= set(told)
            assert run.archive_removed_at is None
            assert remove().runs == 1
        assert is_gone(run, place)
    assert moments > 12


def test_rows_go_in_batches(archived: Any, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = archived()
    monkeypatch.setattr(database, "ROWS_AT_ONCE", 3)
    seen = set()

    for _ in Removal("ann").steps(dry_run=False):
        seen.add(len(names_of(run)))

    assert seen == {4, 1, 0}
    assert is_gone(run, place)


def test_a_database_in_trouble_is_told_of_and_files_are_gone_before_rows(archived: Any, place: Path) -> None:
    run = archived()

    with locked_database(), pytest.raises(OperationalError):
        remove()

    locked_too = connection.vendor == "sqlite"  # elsewhere the runs alone are locked
    assert (files_of(run, place), len(names_of(run))) == ([], 4 if locked_too else 0)
    assert counts(remove()) == (1, 0, 0)
    assert is_gone(run, place)


def test_the_log_is_told_who_removed_which(archived: Any, place: Path, caplog: pytest.LogCaptureFixture) -> None:
    runs = [archived(), archived()]
    PurgeRun.objects.update(environment="staging")
    told = {str(run.pk): (len(sizes_in(run, place)), sum(sizes_in(run, place))) for run in runs}
    removal = Removal("b\udce9n\n")
    caplog.set_level(logging.INFO, "dealpurge")
    caplog.clear()

    for _ in removal.steps(dry_run=False):
        pass

    records = [vars(record) for record in caplog.records]
    assert {record["msg"] for record in records} == {"archive removed"}
    assert {record["run_id"]: (record["files"], record["bytes"]) for record in records} == told
    assert {(record["environment"], record["removed_by"]) for record in records} == {("staging", "b\\\\udce9n\\n")}
    assert is_gone(runs[0], place, "b\\udce9n\n")


def test_a_dry_run_is_not_for_the_log(archived: Any, caplog: pytest.LogCaptureFixture) -> None:
    archived()
    caplog.set_level(logging.INFO, "dealpurge")
    caplog.clear()

    remove(dry_run=True)

    assert caplog.records == []
