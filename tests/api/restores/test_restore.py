"""A restore through the endpoint: who may, what is refused, what is written, and what the run says afterwards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from uuid import UUID

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from dealpurge import services
from dealpurge.engine.restore import memory
from dealpurge.execution import restore as execution
from dealpurge.models import PurgeRun
from dealpurge.runs import store
from dealpurge.runs.archive import restores
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope, RestoreScope
from tests.api.conftest import JSON, RUNS, Bearer
from tests.support.archive_storages import files_of
from tests.support.published import document, operations, refusals
from tests.support.seeding import names

from .conftest import NOWHERE, Restore

pytestmark = pytest.mark.django_db(transaction=True)

LIVE = {"dry_run": False}
ASYNC: dict[str, Any] = {"Prefer": "respond-async"}
ELSEWHERE = Origin(source="command", actor_name="ann")

Look = Callable[[UUID], dict[str, Any]]


@pytest.fixture
def look(http: Client, superuser: User, bearer: Bearer) -> Look:
    """What GET says of a run, which keeps to the schema."""
    headers, schema = bearer(superuser), document()
    told = operations(schema)["purge_run"]["responses"]["200"]["content"][JSON]["schema"]

    def get(run: UUID) -> dict[str, Any]:
        answer: Any = http.get(f"{RUNS}/{run}", headers=headers)
        assert (answer.status_code, refusals(schema, told, answer.json())) == (200, [])
        return dict(answer.json())

    return get


def the_restore() -> PurgeRun:
    return PurgeRun.objects.exclude(restored_run=None).latest("created_at")


# What is done


def test_a_dry_run_writes_nothing(restore: Restore, kept: PurgeRun, valkey_client: redis.Redis) -> None:
    answer = restore({}, kept.pk)

    report = answer.json()
    assert (answer.status_code, report["status"], report["dry_run"]) == (200, "completed", True)
    assert report["keys"]["restored"] == report["keys"]["archived"] == kept.keys_deleted
    assert (report["purge_id"], report["run_id"]) == (str(kept.pk), str(the_restore().pk))
    assert answer.headers["X-Purge-Run-ID"] == report["run_id"]
    assert (valkey_client.dbsize(), the_restore().keys_restored) == (0, 0)


def test_a_live_one_writes_all(restore: Restore, kept: PurgeRun, valkey_client: redis.Redis) -> None:
    answer = restore(LIVE, kept.pk)

    run, report = the_restore(), answer.json()
    assert (answer.status_code, report["status"], run.report) == (200, "completed", report)
    assert valkey_client.dbsize() == report["keys"]["restored"] == run.keys_restored == kept.keys_deleted
    assert (run.source, run.actor_name, run.restored_run_id) == ("api", "root", kept.pk)


def test_only_what_is_named(restore: Restore, archived: Callable[..., PurgeRun], valkey_client: redis.Redis) -> None:
    purge = archived(left=timedelta(days=1))
    body = {"deals": [{"deal_id": "deal-1"}, {"deal_id": "deal-2", "org_id": "acme"}], "families": ["locks"], **LIVE}

    report = restore(body, purge.pk).json()

    assert names(valkey_client) == {"canvas:lock:acme:deal-1"}
    assert (report["families"], report["families_named"]) == ({"locks": 1}, ["locks"])
    assert report["not_found"] == [{"org_id": "acme", "deal_id": "deal-2"}]


def test_what_exists_stays(restore: Restore, kept: PurgeRun, valkey_client: redis.Redis) -> None:
    valkey_client.set("canvas:lock:acme:deal-1", "newer")

    left = restore({**LIVE, "leave_mixed": True}, kept.pk).json()
    assert (left["deals"]["left_out"], valkey_client.dbsize()) == (1, 1)
    report = restore(LIVE, kept.pk).json()

    assert (report["keys"]["kept_newer"], report["mixed"][0]["deal_id"]) == (1, "deal-1")
    assert valkey_client.get("canvas:lock:acme:deal-1") == b"newer"
    assert valkey_client.dbsize() == kept.keys_deleted


def test_a_worker_may_do_it(
    restore: Restore, look: Look, kept: PurgeRun, valkey_client: redis.Redis, settings: Settings
) -> None:
    queue: list[str] = []
    settings.DEALPURGE_ENQUEUE = queue.append

    answer = restore({**LIVE, "families": ["locks"]}, kept.pk, **ASYNC)

    run = the_restore()
    assert (answer.status_code, answer.json()["status"], queue) == (202, "queued", [str(run.pk)])
    assert (answer.headers["Location"], answer.headers["Preference-Applied"]) == (f"{RUNS}/{run.pk}", "respond-async")
    assert answer.headers["X-Purge-Run-ID"] == str(run.pk)
    assert (answer.json()["families_named"], valkey_client.dbsize()) == (["locks"], 0)
    services.run(queue[0])
    assert (look(run.pk)["status"], valkey_client.dbsize()) == ("completed", 1)


def test_no_worker(restore: Restore, kept: PurgeRun, settings: Settings) -> None:
    settings.DEALPURGE_ENQUEUE = Mock(side_effect=OSError("amqp://user:secret@broker is down"))

    answer = restore(LIVE, kept.pk, **ASYNC)

    assert (answer.status_code, answer.json()["run_id"]) == (503, str(the_restore().pk))
    assert "secret" not in answer.content.decode()


# What a run says of it


def test_a_run_says_that_it_is_a_restore(restore: Restore, look: Look, kept: PurgeRun) -> None:
    preview, report = restore({}, kept.pk).json(), restore({**LIVE, "skip_damaged": True}, kept.pk).json()

    shown = look(UUID(report["run_id"]))

    assert (shown["restored_run"], shown["restores"], shown["restore_report"]) == (str(kept.pk), [], report)
    assert shown["report"] is None
    assert (shown["families_named"], shown["leave_mixed"], shown["skip_damaged"]) == ([], False, True)
    progress = shown["progress"]
    assert (progress["scanned"], progress["restored"], progress["deleted"]) == (kept.keys_deleted,) * 2 + (0,)
    assert [(phase["name"], phase["state"]) for phase in progress["phases"]] == [
        ("read", "done"),
        ("write", "done"),
        ("record", "done"),
    ]
    assert look(UUID(preview["run_id"]))["progress"]["restored"] == 0


def test_a_purge_says_which_restores_there_were(restore: Restore, look: Look, kept: PurgeRun) -> None:
    assert (look(kept.pk)["restored_run"], look(kept.pk)["restores"]) == (None, [])

    ids = [restore(body, kept.pk).json()["run_id"] for body in ({**LIVE, "families": ["locks"]}, {}, LIVE)]

    shown = look(kept.pk)
    assert shown["restores"] == [ids[0], ids[2]]
    assert not {"families_named", "leave_mixed", "skip_damaged"} & set(shown)


# Who may


def test_the_permission_is_one_of_its_own(
    restore: Restore, kept: PurgeRun, purger: User, staff: User, restorer: User, valkey_client: redis.Redis
) -> None:
    for user in (purger, staff):
        assert restore(b"\xff", kept.pk, user=user).status_code == 403
        assert restore(LIVE, NOWHERE, user=user).json() == {
            "detail": "You do not have permission to perform this action."
        }
    assert valkey_client.dbsize() == 0
    assert restore(LIVE, kept.pk, user=restorer).status_code == 200
    assert valkey_client.dbsize() == kept.keys_deleted


def test_without_a_token(http: Client, told: list[RestoreScope]) -> None:
    answer: Any = http.post(f"{RUNS}/{NOWHERE}/restore", b"\xff", content_type=JSON)

    assert (answer.status_code, answer.headers["WWW-Authenticate"], told) == (401, "Bearer", [])


def test_a_restore_is_cancelled_by_who_may_restore(
    http: Client, bearer: Bearer, purger: User, restorer: User, kept: PurgeRun
) -> None:
    purge = store.create(PurgeScope(mode="all"), ELSEWHERE, queued=True)
    restoring = restores.create(kept, RestoreScope(), ELSEWHERE, queued=True)

    def cancel(run: PurgeRun, user: User) -> int:
        return http.post(f"{RUNS}/{run.pk}/cancel", headers=bearer(user)).status_code

    assert [cancel(run, user) for run, user in ((restoring, purger), (purge, restorer))] == [403, 403]
    assert {run.status for run in PurgeRun.objects.filter(pk__in=(purge.pk, restoring.pk))} == {"queued"}
    assert [cancel(run, user) for run, user in ((restoring, restorer), (purge, purger))] == [200, 200]
    assert [cancel(run, user) for run, user in ((restoring, restorer), (purge, purger))] == [409, 409]


def test_one_that_somebody_stopped_is_a_200(
    restore: Restore, kept: PurgeRun, valkey_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(scope: RestoreScope, keyspace: Any, source: Any, tally: Any, watch: Callable[[], bool]) -> None:
        services.cancel(the_restore().pk)
        monkeypatch.setattr("dealpurge.runs.record.HEARTBEAT_SECONDS", 0)
        tally.cancelled = not watch()

    monkeypatch.setattr(execution, "restore", stop)

    answer = restore(LIVE, kept.pk)

    assert (answer.status_code, answer.json()["status"], valkey_client.dbsize()) == (200, "cancelled", 0)


# What is refused


def test_methods(http: Client, superuser: User, bearer: Bearer, kept: PurgeRun) -> None:
    for method in ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"):
        answer: Any = http.generic(method, f"{RUNS}/{kept.pk}/restore", headers=bearer(superuser))
        assert (answer.status_code, answer.headers["Allow"], answer.headers["Content-Type"]) == (405, "POST", JSON)


@pytest.mark.parametrize("part", ["1", "%00", "..", f"{NOWHERE}/", f"{{{NOWHERE}}}", str(NOWHERE).upper()])
def test_no_address(http: Client, superuser: User, bearer: Bearer, part: str) -> None:
    answer: Any = http.post(f"{RUNS}/{part}/restore", {}, JSON, headers=bearer(superuser))

    assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})


def test_no_such_run(restore: Restore) -> None:
    tries: list[dict[str, Any]] = [{}, ASYNC, {"Idempotency-Key": "a"}]
    for headers in tries:
        answer = restore(LIVE, **headers)
        assert (answer.status_code, answer.json()) == (404, {"detail": "Not Found"})
    assert restore({"x": 1}).status_code == 422
    assert not PurgeRun.objects.exists()


@pytest.mark.parametrize("families", [["locks", "lock"], ["\ud800\x00" + "x" * 5000], [""]], ids=ascii)
def test_a_family_that_the_archive_does_not_know(restore: Restore, kept: PurgeRun, families: list[str]) -> None:
    answer = restore({"families": families}, kept.pk)

    (item,) = answer.json()["detail"]
    assert (answer.status_code, item["type"], item["loc"]) == (422, "value_error", ["body", "families"])
    assert len(item["msg"]) < 1000
    assert len(str(item["input"])) <= 1000
    assert PurgeRun.objects.count() == 1


def expire(run: PurgeRun) -> None:
    PurgeRun.objects.filter(pk=run.pk).update(archived_until=run.created_at)


def remove(run: PurgeRun) -> None:
    PurgeRun.objects.filter(pk=run.pk).update(archive_removed_at=run.created_at)


def forget(run: PurgeRun) -> None:
    run.archive_chunks.all().delete()


def go_on(run: PurgeRun) -> None:
    PurgeRun.objects.filter(pk=run.pk).update(status="queued")


def make_a_preview(run: PurgeRun) -> None:
    PurgeRun.objects.filter(pk=run.pk).update(dry_run=True)


def move(run: PurgeRun) -> None:
    PurgeRun.objects.filter(pk=run.pk).update(environment="staging")


REASONS: list[tuple[Callable[[PurgeRun], None], str]] = [
    (expire, "The archive has expired."),
    (remove, "The archive was removed."),
    (forget, "No archive was kept. This cannot be undone."),
    (go_on, "The purge is still under way."),
    (make_a_preview, "This run is no purge, so there is nothing to restore."),
    (move, "This archive is of staging."),
]


@pytest.mark.parametrize(("change", "words"), REASONS, ids=[words for _, words in REASONS])
@pytest.mark.parametrize("headers", [{}, ASYNC], ids=["now", "in the background"])
def test_an_archive_that_is_not_restored(
    restore: Restore,
    kept: PurgeRun,
    change: Callable[[PurgeRun], None],
    words: str,
    headers: dict[str, Any],
    valkey_client: redis.Redis,
) -> None:
    change(kept)

    for body in ({}, LIVE):
        answer = restore(body, kept.pk, **headers)
        assert (answer.status_code, answer.json()) == (409, {"detail": words, "code": "restore_refused"})
    assert (valkey_client.dbsize(), PurgeRun.objects.count()) == (0, 1)


def test_damaged_files(restore: Restore, look: Look, kept: PurgeRun, place: Path, valkey_client: redis.Redis) -> None:
    (place / f"dealpurge/{kept.pk}" / files_of(kept, place)[0]).unlink()

    assert restore({}, kept.pk).json()["damaged"][0]["damage"] == "missing"
    answer = restore(LIVE, kept.pk)

    run, body = the_restore(), answer.json()
    assert (answer.status_code, body["code"], body["run_id"]) == (409, "restore_refused", str(run.pk))
    assert (body["restored"], body["report"], valkey_client.dbsize()) == (0, run.report, 0)
    assert answer.headers["X-Purge-Run-ID"] == str(run.pk)
    assert (body["detail"], look(run.pk)["restore_report"]) == (run.error, body["report"])
    rest = restore({**LIVE, "skip_damaged": True}, kept.pk)
    assert (rest.status_code, rest.json()["status"]) == (200, "partial")
    assert 0 < valkey_client.dbsize() == rest.json()["keys"]["restored"] < kept.keys_deleted


@pytest.mark.parametrize("body", [LIVE, {**LIVE, "families": ["locks"]}, {**LIVE, "leave_mixed": True}], ids=str)
def test_no_room(
    restore: Restore, kept: PurgeRun, valkey_client: redis.Redis, monkeypatch: pytest.MonkeyPatch, body: dict[str, Any]
) -> None:
    """What a look has counted before was not written."""
    monkeypatch.setattr(memory, "free_on", lambda connection: 1)

    answer = restore(body, kept.pk)

    run, told = the_restore(), answer.json()
    assert (answer.status_code, told["code"], told["restored"]) == (409, "restore_refused", 0)
    report = told["report"]
    assert (report["keys"]["restored"], report["deals"]["restored"], report["families"]) == (0, 0, {})
    assert report["keys"]["not_restored"] == report["keys"]["archived"] > 0
    assert (run.keys_restored, run.status, valkey_client.dbsize()) == (0, "failed", 0)


def test_no_redis(restore: Restore, kept: PurgeRun, settings: Settings, cache_at: Any) -> None:
    cache_at("redis://127.0.0.1:1/0")
    settings.DEALPURGE_RETRY_SECONDS = 0.1
    PurgeRun.objects.filter(pk=kept.pk).update(redis_address="")

    answer = restore(LIVE, kept.pk)

    body = answer.json()
    assert (answer.status_code, body["restored"], body["report"]["status"]) == (503, 0, "failed")
    assert (body["run_id"], answer.headers["Retry-After"]) == (str(the_restore().pk), "30")


def test_out_of_time(restore: Restore, kept: PurgeRun, settings: Settings, valkey_client: redis.Redis) -> None:
    settings.DEALPURGE_REQUEST_TIMEOUT = 0.000001

    answer = restore(LIVE, kept.pk)

    body = answer.json()
    assert (answer.status_code, body["restored"], body["report"]["status"]) == (503, 0, "cancelled")
    assert body["detail"].endswith("or ask again: a restore writes what is not there yet.")
    assert valkey_client.dbsize() == 0


def test_one_at_a_time(restore: Restore, post: Any, kept: PurgeRun, valkey_client: redis.Redis) -> None:
    other = restores.create(kept, RestoreScope(dry_run=False), ELSEWHERE)

    for answer in (restore(LIVE, kept.pk), post({"mode": "all", **LIVE})):
        words = f"A restore is in progress (run {other.pk})."
        assert (answer.status_code, answer.json()) == (409, {"detail": words, "run_id": str(other.pk)})
    assert restore({}, kept.pk).status_code == 200
    assert valkey_client.dbsize() == 0


def test_none_beside_a_purge_of_all_deals(restore: Restore, kept: PurgeRun, valkey_client: redis.Redis) -> None:
    other = store.create(PurgeScope(mode="all", dry_run=False), ELSEWHERE)

    answer = restore(LIVE, kept.pk)

    assert (answer.status_code, answer.json()["run_id"], valkey_client.dbsize()) == (409, str(other.pk), 0)


# Limits


def test_restores_count_as_requests(restore: Restore, kept: PurgeRun, settings: Settings) -> None:
    settings.DEALPURGE_RATE_LIMIT = "2/day"

    assert [restore({}, kept.pk).status_code for _ in range(3)] == [200, 200, 429]


def test_a_restore_of_all_is_no_purge_of_all(restore: Restore, post: Any, kept: PurgeRun, settings: Settings) -> None:
    """Whoever has purged too much may undo that, however few purges of all deals are allowed."""
    settings.DEALPURGE_RATE_LIMIT_LIVE_ALL = "1/day"

    assert [restore(LIVE, kept.pk).status_code for _ in range(2)] == [200, 200]
    assert [post({"mode": "all", **LIVE}).status_code for _ in range(2)] == [200, 429]
    assert restore(LIVE, kept.pk).status_code == 200


def test_it_counts_among_live_runs(restore: Restore, kept: PurgeRun, settings: Settings) -> None:
    settings.DEALPURGE_MAX_LIVE_RUNS, settings.DEALPURGE_ENQUEUE = 1, Mock()
    scope = PurgeScope(mode="by_deal", deals=((None, "deal-9"),), dry_run=False)
    store.create(scope, Origin(source="api", actor_name="ann"))

    assert [restore(body, kept.pk).status_code for body in (LIVE, {})] == [429, 200]
