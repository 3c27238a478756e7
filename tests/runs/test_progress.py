"""How far real runs say that they are, to who watches and in their rows."""

from __future__ import annotations

from contextlib import closing
from itertools import pairwise
from typing import Any

import pytest
import redis
from pytest_django.fixtures import Settings

from dealpurge import services
from dealpurge.engine.guard import lookahead
from dealpurge.exceptions import DealPurgeError
from dealpurge.models import PurgeRun
from dealpurge.runs import record
from dealpurge.runs.progress import current_phase, percent, progress_of
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from dealpurge.services import PhaseProgress, Progress, ProgressDetails
from tests.conftest import PointCacheAt, start_server
from tests.support.seeding import HOUR, seed_deal

pytestmark = pytest.mark.django_db(transaction=True)

DEALS = 6
Phases = dict[str, PhaseProgress]


class Watcher:
    """Has every detail told that the run had at a page."""

    def __init__(self) -> None:
        self.told: list[ProgressDetails] = []

    def __call__(self, progress: Progress) -> bool:
        details = progress.details()
        assert details
        self.told.append(details)
        return True

    def phases(self) -> list[Phases]:
        return [{phase.name: phase for phase in details.phases} for details in self.told]


@pytest.fixture
def keys(valkey_client: redis.Redis, valkey_settings: Settings) -> int:
    """The number of keys of six deals, one of them active."""
    valkey_settings.DEALPURGE_SCAN_COUNT = 10
    for number in range(DEALS):
        seed_deal(valkey_client, "acme", f"deal-{number}", age=60 if not number else 2 * HOUR, image_crops=20)
    return int(valkey_client.dbsize())


def watched(**options: Any) -> Watcher:
    watcher = Watcher()
    wanted: dict[str, Any] = {"mode": "all", "dry_run": False, "observer": watcher}
    services.purge_deals(**wanted | options)
    return watcher


def test_a_guarded_purge_goes_through_all_phases(keys: int) -> None:
    phases = watched(exclude_active_within_secs=HOUR).phases()

    first, last = phases[0], phases[-1]
    assert list(first) == ["scan", "activity", "delete", "record"]
    assert [phase.state for phase in first.values()] == ["now", "later", "later", "later"]
    assert (last["scan"].state, last["scan"].done, last["scan"].total) == ("done", keys, keys)
    assert (last["activity"].done, last["activity"].total) == (DEALS, DEALS)
    row = PurgeRun.objects.get()
    over = {phase["name"]: phase for phase in progress_of(row)["phases"]}
    assert [phase["state"] for phase in over.values()] == ["done"] * 4
    # Those of the deal that is worked on are not to go, nor are checkpoints.
    assert over["delete"]["done"] == over["delete"]["total"] == row.keys_deleted
    assert (over["record"]["done"], over["record"]["total"]) == (DEALS, DEALS)
    assert progress_of(row)["deals"] == {"purged": DEALS - 1, "skipped_active": 1}


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"dry_run": True}, ["scan", "activity", "record"]),
        ({"dry_run": True, "exclude_active_within_secs": HOUR}, ["scan", "activity", "record"]),
        ({}, ["scan", "delete", "record"]),
    ],
    ids=str,
)
def test_a_run_has_the_phases_that_it_goes_through(keys: int, options: dict[str, Any], names: list[str]) -> None:
    watched(**options)

    told = progress_of(PurgeRun.objects.get())["phases"]
    assert [phase["name"] for phase in told] == names
    assert {phase["state"] for phase in told} == {"done"}


def test_no_phase_goes_back_or_past_its_total(keys: int) -> None:
    for options in ({}, {"at_most_keys": 10_000}, {"exclude_active_within_secs": HOUR, "at_most_keys": 10_000}):
        phases = watched(**options, dry_run=True).phases()
        for before, after in pairwise(phases):
            for name in before:
                assert before[name].done <= after[name].done
        assert all(phase.total is None or phase.done <= phase.total for told in phases for phase in told.values())


def test_a_limit_counts_first_and_the_numbers_still_fit(keys: int) -> None:
    """A deal that is judged twice is one deal."""
    phases = watched(exclude_active_within_secs=HOUR, at_most_keys=10_000).phases()

    assert (phases[-1]["activity"].done, phases[-1]["activity"].total) == (DEALS, DEALS)
    assert (phases[-1]["scan"].done, phases[-1]["scan"].total) == (keys, keys)
    done = [phase["activity"].done for phase in phases]
    assert done == sorted(done)


def test_a_sweep_with_a_limit_knows_how_many_keys_are_to_go(keys: int) -> None:
    phases = watched(at_most_keys=10_000).phases()

    row = PurgeRun.objects.get()
    assert phases[-1]["delete"].total == row.keys_deleted
    over = {phase["name"]: phase for phase in progress_of(row)["phases"]}
    assert (over["scan"]["done"], over["scan"]["total"]) == (2 * keys, 2 * keys)


def test_a_sweep_knows_by_its_preview_how_many_keys_are_to_go(keys: int) -> None:
    preview = PurgeRun.objects.get(pk=str(services.purge_deals(mode="all").run_id))
    phases = watched(preview=preview).phases()

    assert phases[0]["delete"].total == preview.keys_to_go > 0


def test_the_row_has_it_while_the_run_goes_on(keys: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "HEARTBEAT_SECONDS", 0)
    monkeypatch.setattr(lookahead, "JUDGED_AT_ONCE", 2)
    seen: list[PurgeRun] = []

    def observer(progress: Progress) -> bool:
        seen.append(PurgeRun.objects.get())
        return True

    services.purge_deals(mode="all", dry_run=False, exclude_active_within_secs=HOUR, observer=observer)

    scanning = next(run for run in seen if 0 < run.keys_scanned < keys)
    phase = current_phase(scanning)
    assert phase is not None
    assert (phase["name"], phase["done"]) == ("scan", scanning.keys_scanned)
    assert percent(scanning) == 100 * scanning.keys_scanned // keys
    deleting = next(run for run in seen if run.keys_deleted)
    phase = current_phase(deleting)
    assert phase is not None
    assert phase["name"] == "delete"
    assert percent(deleting) == 100 * phase["done"] // phase["total"]


def test_a_run_that_was_stopped_says_in_which_phase(keys: int) -> None:
    report = services.purge_deals(
        mode="all",
        dry_run=False,
        exclude_active_within_secs=HOUR,
        observer=lambda progress: progress.scanned < keys // 2,
    )

    assert report.status == "cancelled"
    states = [phase["state"] for phase in progress_of(PurgeRun.objects.get())["phases"]]
    assert states == ["stopped", "stopped", "stopped", "done"]


def test_an_inventory_has_its_phases(keys: int) -> None:
    scope = PurgeScope(mode="all", include_checkpoints=True)
    services.queue(scope, Origin(source="command", actor_name="ann"), inventory=True)

    told = {phase["name"]: phase for phase in progress_of(PurgeRun.objects.get())["phases"]}
    assert list(told) == ["scan", "activity", "record"]
    assert (told["activity"]["done"], told["activity"]["total"]) == (DEALS, DEALS)
    assert (told["record"]["total"], told["record"]["state"]) == (DEALS, "done")


def test_a_server_that_hangs_is_waited_for_and_the_row_says_so(
    settings: Settings,
    tmp_path_factory: pytest.TempPathFactory,
    cache_at: PointCacheAt,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings.DEALPURGE_RETRY_SECONDS = 4
    settings.DEALPURGE_SCAN_COUNT = 10
    monkeypatch.setattr(record, "HEARTBEAT_SECONDS", 0)
    server = start_server("valkey", tmp_path_factory.mktemp("server"))
    cache_at(server.url)
    with closing(server.client()) as client:
        seed_deal(client, "acme", "deal-1", image_crops=300)
    waits: list[tuple[int | None, int | None]] = []
    stored: list[int | None] = []

    def observer(progress: Progress) -> bool:
        if progress.deleted and not waits:
            server.pause()
        details = progress.details()
        assert details
        if progress.deleted:
            waits.append((details.waiting, details.gives_up_in))
            stored.append(progress_of(PurgeRun.objects.get())["waiting"])
        return True

    try:
        with pytest.raises(DealPurgeError):
            services.purge_deals(mode="all", dry_run=False, observer=observer)
    finally:
        server.stop()

    silent = [wait for wait, _ in waits if wait is not None]
    assert silent == sorted(silent)
    assert silent[-1] >= 4  # through the timeout and the tries behind it
    assert {2, 3} <= set(stored)
    assert min(left for _, left in waits if left is not None) <= 3
