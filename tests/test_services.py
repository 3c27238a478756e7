"""The one way in: what is written, told and raised around the engine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from dealpurge import services, tasks
from dealpurge.engine import purging
from dealpurge.engine.sweep.tally import Tally
from dealpurge.exceptions import PurgeConfigurationError, RedisUnavailable, RunLost, ScopeError, ended_run
from dealpurge.keys.families import Keyspace
from dealpurge.models import PurgeRun, PurgeRunDeal
from dealpurge.report import PurgeReport
from dealpurge.runs import store
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from dealpurge.services import Progress
from dealpurge.signals import purge_finished

pytestmark = pytest.mark.django_db(transaction=True)

Engine = Callable[..., None]
LIVE: dict[str, Any] = {"mode": "by_deal", "deals": [("acme", "deal-1")], "dry_run": False}


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Callable[[Engine], None]:
    """Put ``function(tally, watch)`` in the engine's place."""

    def put(function: Engine) -> None:
        def stand_in(
            scope: PurgeScope, keyspace: Keyspace, tally: Tally, watch: Callable[[], bool], *rest: Any
        ) -> None:
            function(tally, watch)

        monkeypatch.setattr(purging, "purge", stand_in, raising=False)

    return put


@pytest.fixture
def heard() -> Iterator[list[dict[str, Any]]]:
    """What listeners of ``purge_finished`` were told."""
    calls: list[dict[str, Any]] = []

    def listener(**kwargs: Any) -> None:
        calls.append(kwargs)

    purge_finished.connect(listener)
    yield calls
    purge_finished.disconnect(listener)


def deleting(count: int) -> Engine:
    def purge(tally: Tally, watch: Callable[[], bool]) -> None:
        tally.deleted += count
        tally.matched_deals.add(b"acme:deal-1")

    return purge


def raising(error: BaseException) -> Engine:
    def purge(tally: Tally, watch: Callable[[], bool]) -> None:
        tally.deleted = 7
        raise error

    return purge


def test_a_dry_run_is_the_default(play: Callable[[Engine], None]) -> None:
    play(deleting(0))

    report = services.purge_deals(mode="all")

    assert report.scope.dry_run
    assert PurgeRun.objects.get().dry_run


def test_the_report_is_what_is_stored(play: Callable[[Engine], None]) -> None:
    play(deleting(3))

    report = services.purge_deals(**LIVE, actor_name="ann", reason="ticket 7")

    run = PurgeRun.objects.get()
    assert run.pk == report.run_id
    assert run.report == report.as_dict()
    assert (run.status, run.keys_deleted, run.actor_name, run.reason) == ("completed", 3, "ann", "ticket 7")


def test_a_live_run_writes_down_its_deals(play: Callable[[Engine], None]) -> None:
    play(deleting(3))

    report = services.purge_deals(**LIVE)

    rows = PurgeRunDeal.objects.values_list("run_id", "org_id", "deal_id", "outcome")
    assert list(rows) == [(report.run_id, "acme", "deal-1", "purged")]


def test_a_dry_run_purged_no_deal(play: Callable[[Engine], None]) -> None:
    play(deleting(3))

    services.purge_deals(**LIVE | {"dry_run": True})

    assert not PurgeRunDeal.objects.exists()


def test_what_is_refused_leaves_no_row(settings: Settings) -> None:
    settings.DEALPURGE_KEY_FAMILIES = {"events": []}

    with pytest.raises(ScopeError, match="no events family"):
        services.purge_deals(mode="all", exclude_active_within_secs=60)
    with pytest.raises(ScopeError):
        services.purge_deals(mode="by_deal")

    assert not PurgeRun.objects.exists()


def test_a_redis_that_fails_leaves_a_failed_run_with_its_counts(play: Callable[[Engine], None]) -> None:
    play(raising(RedisUnavailable("unreachable", "Redis cannot be reached.")))

    with pytest.raises(RedisUnavailable) as caught:
        services.purge_deals(**LIVE)

    run = PurgeRun.objects.get()
    assert (run.status, run.keys_deleted, run.error) == ("failed", 7, "Redis cannot be reached.")
    assert caught.value.run_id == run.pk
    assert caught.value.report is not None
    assert caught.value.report.as_dict() == run.report


def test_a_setting_that_fails_late_fails_the_run_in_its_own_words(play: Callable[[Engine], None]) -> None:
    play(raising(PurgeConfigurationError("DEALPURGE_REDIS_CLIENT is not callable.")))

    with pytest.raises(PurgeConfigurationError):
        services.purge_deals(**LIVE)

    assert PurgeRun.objects.get().error == "DEALPURGE_REDIS_CLIENT is not callable."


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("secret"), "Unexpected error: KeyError."),
        (KeyboardInterrupt(), "Interrupted."),
        (SystemExit(1), "Interrupted."),
    ],
)
def test_what_nobody_expected_passes_through_and_fails_the_run(
    play: Callable[[Engine], None], error: BaseException, words: str
) -> None:
    play(raising(error))

    with pytest.raises(type(error)):
        services.purge_deals(**LIVE)

    run = PurgeRun.objects.get()
    assert (run.status, run.keys_deleted, run.error) == ("failed", 7, words)


def test_a_lost_run_says_what_it_did_and_writes_nothing(play: Callable[[Engine], None], heard: list[Any]) -> None:
    def purge(tally: Tally, watch: Callable[[], bool]) -> None:
        tally.deleted = 7
        PurgeRun.objects.update(status="failed", error="lost")

    play(purge)

    with pytest.raises(RunLost) as caught:
        services.purge_deals(**LIVE)

    run = PurgeRun.objects.get()
    assert (run.status, run.error, run.report) == ("failed", "lost", None)
    assert caught.value.report is not None
    assert caught.value.report.keys.deleted == 7
    assert not heard


def test_the_observer_sees_progress_and_stops_the_run(play: Callable[[Engine], None]) -> None:
    seen: list[Progress] = []

    def purge(tally: Tally, watch: Callable[[], bool]) -> None:
        tally.scanned, tally.total, tally.deleted = 5, 10, 3
        tally.cancelled = not watch()

    def observer(progress: Progress) -> bool:
        seen.append(progress)
        return False

    play(purge)

    report = services.purge_deals(**LIVE, observer=observer)

    assert seen == [Progress(scanned=5, total=10, deleted=3)]
    assert report.status == "cancelled"
    assert PurgeRun.objects.get().status == "cancelled"


@pytest.mark.parametrize(
    ("error", "cancelled", "status"),
    [
        (None, False, "completed"),
        (None, True, "cancelled"),
        (RedisUnavailable("unreachable", "Redis cannot be reached."), False, "failed"),
        (KeyError("a bug"), False, "failed"),
    ],
    ids=["completed", "cancelled", "failed", "bug"],
)
def test_the_end_of_a_short_run_has_its_progress(
    play: Callable[[Engine], None], error: Exception | None, cancelled: bool, status: str
) -> None:
    def purge(tally: Tally, watch: Callable[[], bool]) -> None:
        tally.scanned, tally.total, tally.deleted, tally.cancelled = 5, 10, 3, cancelled
        if error:
            raise error

    play(purge)

    with pytest.raises(type(error)) if error else nullcontext():
        services.purge_deals(**LIVE)

    run = PurgeRun.objects.get()
    assert (run.status, run.keys_scanned, run.keys_total, run.keys_deleted) == (status, 5, 10, 3)


def test_the_host_is_told_once(play: Callable[[Engine], None], heard: list[dict[str, Any]]) -> None:
    play(deleting(3))

    report = services.purge_deals(**LIVE)

    (call,) = heard
    assert call["report"] == report
    assert (call["sender"], call["run"].pk, call["run"].status) == (PurgeRun, report.run_id, "completed")


def test_the_host_is_told_of_a_failure(play: Callable[[Engine], None], heard: list[dict[str, Any]]) -> None:
    play(raising(RedisUnavailable("unreachable", "Redis cannot be reached.")))

    with pytest.raises(RedisUnavailable):
        services.purge_deals(**LIVE)

    assert [call["report"].status for call in heard] == ["failed"]


def test_a_listener_that_raises_harms_nothing(
    play: Callable[[Engine], None], heard: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    def listener(**kwargs: Any) -> None:
        raise ValueError("the metrics are down")

    play(deleting(3))
    purge_finished.connect(listener)
    try:
        report = services.purge_deals(**LIVE)
    finally:
        purge_finished.disconnect(listener)

    assert report.status == PurgeRun.objects.get().status == "completed"
    assert len(heard) == 1
    assert "the metrics are down" in caplog.text


def test_start_and_end_are_logged_with_the_runs_id(
    play: Callable[[Engine], None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "dealpurge")
    play(deleting(3))

    report: PurgeReport = services.purge_deals(**LIVE)

    start, end = (vars(record) for record in caplog.records)
    assert (start["message"], start["run_id"]) == ("purge started", str(report.run_id))
    assert (end["message"], end["status"], end["deleted"]) == ("purge finished", "completed", 3)


def test_a_loss_is_logged_with_what_was_done(play: Callable[[Engine], None], caplog: pytest.LogCaptureFixture) -> None:
    def purge(tally: Tally, watch: Callable[[], bool]) -> None:
        tally.deleted = 7
        raise RunLost("Run x is no longer running.")

    play(purge)

    with pytest.raises(RunLost):
        services.purge_deals(**LIVE)

    (record,) = (vars(record) for record in caplog.records)
    assert (record["levelname"], record["message"], record["deleted"]) == ("ERROR", "purge lost", 7)
    assert record["run_id"] == str(PurgeRun.objects.get().pk)


def test_a_worker_with_other_key_families_purges_nothing(
    play: Callable[[Engine], None], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(deleting(3))
    monkeypatch.setattr(tasks, "enqueue", lambda run_id: None)
    run = services.queue(PurgeScope(mode="all", dry_run=False), Origin(source="api"))
    settings.DEALPURGE_KEY_FAMILIES = {"notes": "notes:{deal_id}"}

    with pytest.raises(PurgeConfigurationError, match="other key families"):
        services.run(run.pk)

    run.refresh_from_db()
    assert (run.status, run.keys_deleted) == ("failed", 0)


@pytest.mark.parametrize("deals", [["12"], "12", ["deal-1"], [""], [("acme", "deal-1", "x")]])
def test_a_text_is_no_pair_of_ids(deals: Any) -> None:
    with pytest.raises(ScopeError, match="a deal is a pair"):
        services.purge_deals(mode="by_deal", deals=deals, dry_run=False)


def test_a_worker_whose_settings_cannot_serve_the_run_fails_it(settings: Settings) -> None:
    scope = PurgeScope(mode="all", exclude_active_within_secs=60, dry_run=False)
    run = store.create(scope, Origin(source="api"), queued=True)
    settings.DEALPURGE_KEY_FAMILIES = {"events": []}

    with pytest.raises(ScopeError):
        services.run(run.pk)

    run.refresh_from_db()
    assert (run.status, run.exclusive) == ("failed", None)
    assert "no events family" in run.error


@pytest.mark.parametrize("error", [KeyError("secret"), KeyboardInterrupt(), PurgeConfigurationError("no.")])
def test_whatever_ends_a_run_knows_it_and_what_it_did(play: Callable[[Engine], None], error: BaseException) -> None:
    play(raising(error))

    with pytest.raises(type(error)) as caught:
        services.purge_deals(**LIVE)

    run_id, report = ended_run(caught.value)
    run = PurgeRun.objects.get()
    assert (run_id, report.as_dict(), report.keys.deleted) == (run.pk, run.report, 7)
