"""A database that neither answers nor hangs up: a purge ends all the same, and says what it did."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import redis
from django.core.management import CommandError, call_command
from django.db import DEFAULT_DB_ALIAS
from django.utils import timezone

from dealpurge import services
from dealpurge.exceptions import AuditUnavailable, RunLost, ended_run
from dealpurge.models import PurgeRun
from dealpurge.runs import database, silence, store
from dealpurge.runs.checks import check_pruning
from tests.support.commands import Purge
from tests.support.runs import LIVE, ONE, ORIGIN, report_of

from .trouble import COMMIT, END, FIRST_ROW, HEARTBEAT, KEYS, ROWS_OF_DEALS, postgresql_only, silent_after

pytestmark = pytest.mark.django_db(transaction=True)

# Where nothing is purged


@postgresql_only
@pytest.mark.parametrize("words", [(), (b"DELETE",), (b"DELETE", COMMIT)], ids=["at once", "a batch", "its commit"])
def test_pruning_ends_in_words(words: tuple[bytes, ...]) -> None:
    old = timezone.now() - timedelta(days=500)
    PurgeRun.objects.create(source="command", mode="all", status="completed", created_at=old)

    with silent_after(*words) as proxy:
        if not words:
            proxy.silence()
        with pytest.raises(CommandError) as caught:
            call_command("prune_purge_runs", "--older-than=400d", "--no-dry-run")

    assert str(caught.value) == f"{database.WORDS} Dropped 0 rows. Runs that purged stay. Run it again."
    assert PurgeRun.objects.count() == 1


@postgresql_only
def test_the_check_whether_anybody_prunes_finds_nothing() -> None:
    with silent_after() as proxy:
        proxy.silence()
        assert check_pruning(databases=[DEFAULT_DB_ALIAS]) == []


# At every step of a run


@postgresql_only
def test_a_database_silent_from_the_start_lets_nothing_be_purged(deals: redis.Redis, purge: Purge) -> None:
    with silent_after() as proxy:
        proxy.silence()
        outcome = purge("--mode", "all", "--no-dry-run", "--no-input")

    assert (outcome.code, outcome.err) == (1, f"CommandError: {database.WORDS}\n")
    assert deals.dbsize() == KEYS


@postgresql_only
@pytest.mark.parametrize(
    ("words", "arrives"),
    [((FIRST_ROW,), False), ((FIRST_ROW,), True), ((FIRST_ROW, COMMIT), True)],
    ids=["the row is lost", "its answer is lost", "the commit's answer is lost"],
)
def test_a_first_row_without_an_answer_lets_nothing_be_purged(
    deals: redis.Redis, words: tuple[bytes, ...], arrives: bool
) -> None:
    with silent_after(*words, last_arrives=arrives), pytest.raises(AuditUnavailable):
        services.start(LIVE, ORIGIN)

    assert deals.dbsize() == KEYS


@postgresql_only
def test_what_stands_in_the_way_of_a_first_row_may_not_be_told(deals: redis.Redis) -> None:
    store.create(LIVE, ORIGIN)

    with silent_after(FIRST_ROW, b"SELECT"), pytest.raises(AuditUnavailable):
        services.start(LIVE, ORIGIN)

    assert deals.dbsize() == KEYS


@postgresql_only
def test_a_worker_that_cannot_read_its_run_purges_nothing(deals: redis.Redis) -> None:
    run = store.create(LIVE, ORIGIN, queued=True)

    with silent_after(b"UPDATE", COMMIT, b"SELECT"), pytest.raises(RunLost):
        services.run(run.pk)

    assert deals.dbsize() == KEYS


@postgresql_only
@pytest.mark.parametrize("arrives", [False, True], ids=["a heartbeat is lost", "its answer is lost"])
def test_a_purge_whose_heartbeats_are_not_heard_stops(deals: redis.Redis, arrives: bool) -> None:
    beats = [HEARTBEAT] * 3

    with silent_after(FIRST_ROW, *beats, last_arrives=arrives), pytest.raises(RunLost) as caught:
        services.start(LIVE, ORIGIN)

    assert caught.value.run_id == PurgeRun.objects.get().pk
    assert caught.value.report.keys.deleted == KEYS - deals.dbsize()
    assert 0 < deals.dbsize() < KEYS


@postgresql_only
def test_a_purge_whose_deals_cannot_be_written_down_says_what_it_did(deals: redis.Redis) -> None:
    with silent_after(FIRST_ROW, ROWS_OF_DEALS), pytest.raises(RunLost) as caught:
        services.start(LIVE, ORIGIN)

    assert caught.value.report.keys.deleted == KEYS - deals.dbsize() > 0


@postgresql_only
def test_a_purge_whose_rows_cannot_be_counted_at_its_end_says_what_it_did(deals: redis.Redis) -> None:
    with silent_after(b"SELECT COUNT(*)"), pytest.raises(RunLost) as caught:
        services.purge_deals(mode="all", dry_run=False)

    assert caught.value.report.keys.deleted == KEYS


@postgresql_only
@pytest.mark.parametrize("arrives", [False, True], ids=["the end is lost", "its answer is lost"])
def test_a_purge_whose_end_cannot_be_written_down_prints_what_it_did(
    deals: redis.Redis, purge: Purge, arrives: bool
) -> None:
    with silent_after(FIRST_ROW, ROWS_OF_DEALS, END, last_arrives=arrives):
        outcome = purge("--mode", "all", "--no-dry-run", "--no-input")

    run = PurgeRun.objects.get()
    assert run.status == "running"
    assert outcome.code == 1
    assert f"Run {run.pk} cannot be written down any more." in outcome.err
    assert f"{KEYS} keys" in outcome.err
    assert deals.dbsize() == 0


@postgresql_only
def test_an_end_whose_commit_was_carried_out_is_found_once_the_network_is_back(deals: redis.Redis) -> None:
    words = (FIRST_ROW, ROWS_OF_DEALS, END, COMMIT)

    with silent_after(*words, last_arrives=True) as proxy:
        healing = threading.Timer(silence.SECONDS / 2, proxy.heal)  # for connections made from then on
        healing.start()
        report = services.start(LIVE, ORIGIN)

    run = PurgeRun.objects.get()
    assert (report.status, run.status, run.keys_deleted) == ("completed", "completed", KEYS)
    assert run.run_deals.count() == KEYS // 10


@postgresql_only
def test_an_end_that_was_committed_is_one_even_if_it_cannot_be_read_again() -> None:
    run = store.create(ONE, ORIGIN)

    with silent_after(END, b"SELECT") as proxy:
        store.finish(run, report_of(run))
        assert proxy.silent

    assert (run.status, PurgeRun.objects.get().status) == ("completed", "completed")
    assert run.finished_at is not None


@postgresql_only
def test_whoever_sees_the_error_of_another_learns_what_was_purged(deals: redis.Redis) -> None:
    def observer(progress: services.Progress) -> bool:
        if progress.deleted:
            proxy.silence()
            raise ZeroDivisionError
        return True

    with silent_after() as proxy, pytest.raises(ZeroDivisionError) as caught:
        services.start(LIVE, ORIGIN, observer=observer)

    run_id, report = ended_run(caught.value)
    assert run_id == PurgeRun.objects.get().pk
    assert report.keys.deleted == KEYS - deals.dbsize() > 0
