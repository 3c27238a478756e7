"""How far a run is, and that nobody takes it or that it is silent, with what to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dealpurge.console.runs.progress import RunProgress
from dealpurge.models import PurgeRun

NOW = datetime(2026, 11, 26, 10, 31, tzinfo=UTC)


def told(**fields: Any) -> RunProgress:
    return RunProgress(PurgeRun(mode="all", source="admin", dry_run=False, **fields), NOW)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("seconds", "trouble"),
    [
        (4, ""),
        (29, ""),
        (31, "No worker has taken it yet. It expires in 14 minutes."),
        (13 * 60 + 40, "No worker has taken it yet. It expires in 1 minute."),
        (20 * 60, "No worker has taken it yet. It expires in 0 minutes."),
    ],
)
def test_a_run_that_nobody_takes_says_so_and_what_to_do(seconds: int, trouble: str) -> None:
    run = told(status="queued", created_at=ago(seconds))

    assert run.progress == f"Waiting for a worker, {seconds:,} s."
    assert run.trouble.startswith(trouble)
    assert ("manage.py db_worker" in run.trouble) == bool(trouble)
    assert bool(run.trouble) == bool(trouble)


@pytest.mark.parametrize(("seconds", "says"), [(1, False), (4, False), (6, True), (50, True)])
def test_a_run_that_is_silent_says_for_how_long(seconds: int, says: bool) -> None:
    run = told(status="running", created_at=ago(99), started_at=ago(98), heartbeat_at=ago(seconds))

    assert run.trouble.startswith(f"No sign of life for {seconds} s.") == says
    assert bool(run.trouble) == says


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_a_run_that_is_over_is_in_no_trouble(status: str) -> None:
    assert told(status=status, created_at=ago(99), heartbeat_at=ago(98)).trouble == ""


def test_nothing_is_said_of_how_many_keys_there_are_before_that_is_known() -> None:
    run = told(status="running", created_at=ago(9), started_at=ago(9), heartbeat_at=ago(1))

    assert run.progress == "Looking for Redis."


def phase(name: str, state: str = "now", **fields: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("total", "rate", "seconds", "seconds_left"))
    return {"name": name, "state": state, "done": 0} | empty | fields


def server(name: str, state: str = "deleting", **fields: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("rate", "waiting", "gives_up_in"))
    return {"name": name, "state": state, "scanned": 7, "deleted": 3} | empty | fields


def under_way(**progress: Any) -> RunProgress:
    return told(status="running", started_at=ago(33), heartbeat_at=ago(0), progress=progress)


DELETING = phase("delete", done=28402, total=61744, rate=2180, seconds=13.0, seconds_left=15)


@pytest.mark.parametrize(
    ("progress", "line", "outlook", "badge"),
    [
        ({"phases": [DELETING]}, "Deleting: 28,402 of 61,744 keys.", "About 15 s left.", "deleting, 45 %"),
        (
            {"phases": [phase("scan", "done"), phase("activity", done=1, total=1302)]},
            "Checking activity: 1 of 1,302 deals.",
            "",
            "checking activity, 0 %",
        ),
        (
            {"phases": [phase("delete", done=5), phase("record", done=1, total=2, seconds_left=600)]},
            "Writing the record: 1 of 2 deals.",
            "About 10 min left.",
            "recording, 50 %",
        ),
        ({"phases": [phase("scan", done=5), phase("delete", done=5)]}, "Deleting: 5 keys.", "", "deleting"),
        ({"phases": [phase("scan")]}, "Looking for Redis.", "", "scanning"),
        (
            {"phases": [DELETING], "waiting": 12, "gives_up_in": 18},
            "Waiting for Redis (12 s).",
            "Tried again for 18 s more.",
            "deleting, 45 %",
        ),
        ({"phases": [DELETING], "waiting": 2}, "Waiting for Redis (2 s).", "About 15 s left.", "deleting, 45 %"),
        (
            {"phases": [DELETING], "servers": [server("redis-b1:7000", waiting=12), server("a:1")], "waiting": 12},
            "Deleting: 28,402 of 61,744 keys.",
            "About 15 s left once redis-b1:7000 answers again.",
            "deleting, 45 %",
        ),
        (
            {"phases": [phase("scan", done=1, total=2)], "servers": [server("b:1", waiting=3)], "waiting": 3},
            "Scanning: 1 of about 2 keys.",
            "b:1 does not answer.",
            "scanning, 50 %",
        ),
    ],
)
def test_the_status_line(progress: dict[str, Any], line: str, outlook: str, badge: str) -> None:
    run = under_way(**progress)

    assert (run.progress, run.outlook, run.badge) == (line, outlook, badge)


def test_the_rows_of_the_phases() -> None:
    run = under_way(
        phases=[
            phase("scan", "done", done=1226254, total=1226254, rate=61200, seconds=20.0),
            DELETING,
            phase("record", "later"),
        ]
    )

    rows = [(row.label, row.state, row.share, row.counted, row.rate, row.time) for row in run.phases]

    assert rows == [
        ("Scan", "done", 100, "1,226,254 keys", "61,200/s", "20.0 s"),
        ("Check activity", "off", None, "not checked: guard off", "", ""),
        ("Delete", "now", 45, "28,402 of 61,744 keys", "2,180/s", "about 15 s left"),
        ("Record", "later", 0, "", "", ""),
    ]


def test_a_purge_with_an_archive_archives_what_it_deletes() -> None:
    phases = [phase("scan", "done"), phase("activity", "done"), phase("delete")]
    run = told(status="running", started_at=ago(9), archive_alias="archive", progress={"phases": phases})

    assert [row.label for row in run.phases] == ["Scan", "Check activity", "Archive and delete"]


def test_nothing_is_said_of_a_guard_where_it_looks_or_where_nobody_purges() -> None:
    guarded = under_way(phases=[phase("scan"), phase("activity", "later"), phase("delete", "later")])
    scan = RunProgress(PurgeRun(inventory=True, progress={"phases": [phase("scan"), phase("record", "later")]}), NOW)

    assert [row.label for row in guarded.phases] == ["Scan", "Check activity", "Delete"]
    assert [row.label for row in scan.phases] == ["Scan", "Record"]


def test_a_phase_without_a_total_has_a_bar_that_only_moves() -> None:
    (row, _) = under_way(phases=[phase("scan", done=7)]).phases

    assert (row.share, row.counted) == (None, "7 keys")


def test_the_servers_of_a_cluster() -> None:
    run = under_way(
        servers=[
            server("a:1", rate=1090),
            server("b:1", waiting=12, gives_up_in=18, rate=0),
            server("c:1", "done"),
        ]
    )

    rows = [(row.name, row.badge.word, row.trouble, row.rate) for row in run.servers]

    assert rows == [
        ("a:1", "deleting", "", "1,090/s"),
        ("b:1", "waiting for Redis, 12 s", "No answer since 10:30:48 UTC. Gives up in 18 s.", "0/s"),
        ("c:1", "done", "", ""),
    ]
    assert run.servers_in_words == "3 primaries, 1 not answering"


def test_deals_so_far() -> None:
    run = under_way(deals={"purged": 604, "skipped_active": 15, "skipped_never_active": 2, "interrupted": 1})

    assert [(figure.value, figure.label) for figure in run.figures] == [
        ("604", "deals purged so far"),
        ("17", "skipped, active"),
        ("1", "interrupted by activity"),
    ]
    assert under_way(deals={}).figures == []


def test_a_pass_begun_anew_is_named() -> None:
    assert under_way(pass_number=1).again == ""
    assert under_way(pass_number=2).again.startswith("Pass 2 of at most 3: servers changed meanwhile")


def test_a_worker_of_before_tells_of_keys_alone() -> None:
    run = told(status="running", started_at=ago(9), heartbeat_at=ago(0), keys_scanned=5, keys_total=20)

    assert (run.progress, run.badge) == ("Scanning: 5 of about 20 keys.", "running")


def test_what_a_later_worker_tells_of_is_left_out() -> None:
    run = under_way(phases=[phase("scan", "done"), phase("archive"), DELETING], servers=[server("a:1", "archiving")])

    assert [row.label for row in run.phases][::2] == ["Scan", "Delete"]
    assert run.servers[0].badge.word == "archiving"
    assert under_way(phases=[phase("archive", done=1)]).progress == "Looking for Redis."


@pytest.mark.parametrize(
    "progress",
    [
        "x",
        [],
        {"phases": None, "servers": None, "deals": None, "pass_number": None},
        {"phases": [{"name": "scan"}, {"state": "now"}, 7, {"name": "scan", "state": "paused"}]},
        {"servers": [{"name": "a:1"}, "b", {"state": "done"}, {"name": "c:1", "state": "deleting"}]},
    ],
    ids=str,
)
def test_no_row_is_too_odd_to_be_shown(progress: Any) -> None:
    for status in ("running", "failed"):
        run = told(status=status, started_at=ago(9), heartbeat_at=ago(0), progress=progress)

        assert (list(run.phases), run.figures, run.again) == ([], [], "")
        assert [server.name for server in run.servers] in ([], ["c:1"])
        assert (run.badge, run.progress) == (status, "Looking for Redis.")


def test_nothing_goes_on_in_a_run_that_was_lost() -> None:
    run = told(
        status="failed",
        progress={
            "phases": [phase("scan", "done"), DELETING, phase("record", "later")],
            "servers": [server("a:1", waiting=7)],
            "waiting": 7,
        },
    )

    assert [row.state for row in run.phases][::2] == ["done", "stopped"]
    assert [row["seconds_left"] for row in run.told["phases"]] == [None] * 3
    assert (run.told["waiting"], run.told["servers"][0]["waiting"], run.told["servers"][0]["state"]) == (
        None,
        None,
        "done",
    )


def test_a_sweep_that_has_deleted_nothing_yet_tells_of_its_scan() -> None:
    run = under_way(phases=[phase("scan", done=500, total=1000), phase("delete")])

    assert (run.progress, run.badge) == ("Scanning: 500 of about 1,000 keys.", "scanning, 50 %")
