"""A restore that is asked for again with its key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import redis
from pytest_django.fixtures import Settings

from dealpurge import services
from dealpurge.engine.restore import memory, restoring
from dealpurge.exceptions import DealPurgeError
from dealpurge.execution import restore as execution
from dealpurge.models import PurgeRun
from tests.api.conftest import Answer, Post
from tests.support.archive_storages import files_of

from .conftest import Restore

pytestmark = pytest.mark.django_db(transaction=True)

KEY: dict[str, Any] = {"Idempotency-Key": "k-1"}
ASYNC: dict[str, Any] = {"Prefer": "respond-async"}
LIVE: dict[str, Any] = {"dry_run": False}


def the_restores() -> list[PurgeRun]:
    return list(PurgeRun.objects.exclude(restored_run=None).order_by("created_at"))


def assert_the_same(again: Answer, first: Answer) -> None:
    expected = {name: value for name, value in first.headers.items() if name != "Retry-After"}
    assert (again.status_code, again.json(), dict(again.headers.items())) == (first.status_code, first.json(), expected)


def assert_refused(answer: Answer) -> None:
    (item,) = answer.json()["detail"]
    assert (answer.status_code, item["type"], item["loc"]) == (422, "value_error", ["header", "Idempotency-Key"])
    assert item["msg"] == "Value error, this key was used with another body"


def test_it_is_told_again_and_not_done_again(restore: Restore, kept: PurgeRun, valkey_client: redis.Redis) -> None:
    first = restore(LIVE, kept.pk, **KEY)
    valkey_client.flushall()

    for body in (LIVE, {**LIVE, "deals": [], "families": None, "leave_mixed": "off"}):
        assert_the_same(restore(body, kept.pk, **KEY), first)

    assert first.json()["keys"]["restored"] == kept.keys_deleted
    assert (valkey_client.dbsize(), len(the_restores())) == (0, 1)


@pytest.mark.parametrize("headers", [{}, ASYNC], ids=["now", "in the background"])
def test_so_it_is_where_the_archive_is_gone(restore: Restore, kept: PurgeRun, headers: dict[str, Any]) -> None:
    first = restore(LIVE, kept.pk, **KEY)
    PurgeRun.objects.filter(pk=kept.pk).update(archive_removed_at=kept.created_at)

    again = restore(LIVE, kept.pk, **KEY, **headers)

    assert again.headers["X-Purge-Run-ID"] == first.headers["X-Purge-Run-ID"]
    assert again.status_code == (202 if headers else 200)
    assert restore(LIVE, kept.pk).status_code == 409


OTHERS: list[dict[str, Any]] = [
    {"deals": [{"deal_id": "deal-1"}]}, {"families": ["locks"]}, {"leave_mixed": True}, {"skip_damaged": True},
]  # fmt: skip


@pytest.mark.parametrize("other", OTHERS, ids=str)
@pytest.mark.parametrize("headers", [{}, ASYNC], ids=["now", "in the background"])
def test_another_body_is_refused(
    restore: Restore, kept: PurgeRun, other: dict[str, Any], headers: dict[str, Any]
) -> None:
    restore(LIVE, kept.pk, **KEY)

    assert_refused(restore(LIVE | other, kept.pk, **KEY, **headers))
    assert len(the_restores()) == 1


def test_so_is_another_purge(restore: Restore, post: Post, kept: PurgeRun) -> None:
    other = PurgeRun.objects.get(pk=post({"mode": "all", **LIVE}).json()["run_id"])
    restore(LIVE, kept.pk, **KEY)

    assert_refused(restore(LIVE, other.pk, **KEY))


@pytest.mark.parametrize("body", [{"mode": "all", **LIVE}, {"mode": "by_deal", "deal_id": "deal-1", **LIVE}], ids=str)
def test_the_key_of_a_purge_is_none_of_a_restore(
    restore: Restore, post: Post, kept: PurgeRun, valkey_client: redis.Redis, body: dict[str, Any]
) -> None:
    """Nor the other way round, and neither is answered with the other's report."""
    deals = {} if body["mode"] == "all" else {"deals": [{"deal_id": "deal-1"}]}
    assert post(body, **KEY).status_code == 200
    assert_refused(restore(LIVE | deals, kept.pk, **KEY))
    assert valkey_client.dbsize() == 0

    other: dict[str, Any] = {"Idempotency-Key": "k-2"}
    assert restore(LIVE | deals, kept.pk, **other).status_code == 200
    assert_refused(post(body, **other))
    assert valkey_client.dbsize() == kept.keys_deleted


def test_a_worker_gets_it_once(
    restore: Restore, kept: PurgeRun, settings: Settings, valkey_client: redis.Redis
) -> None:
    queue: list[str] = []
    settings.DEALPURGE_ENQUEUE = queue.append
    first = restore(LIVE, kept.pk, **KEY, **ASYNC)

    assert_the_same(restore(LIVE, kept.pk, **KEY, **ASYNC), first)
    waiting = restore(LIVE, kept.pk, **KEY)
    assert (waiting.status_code, waiting.json()["run_id"]) == (409, first.json()["run_id"])
    services.run(queue[0])
    assert restore(LIVE, kept.pk, **KEY).json() == the_restores()[0].report
    assert (len(queue), valkey_client.dbsize()) == (1, kept.keys_deleted)


def test_one_that_was_cancelled_before_it_began(restore: Restore, kept: PurgeRun, settings: Settings) -> None:
    settings.DEALPURGE_ENQUEUE = lambda run_id: None
    restore(LIVE, kept.pk, **KEY, **ASYNC)
    services.cancel(the_restores()[0].pk)

    report = restore(LIVE, kept.pk, **KEY).json()

    assert (report["status"], report["purge_id"], report["keys"]["restored"]) == ("cancelled", str(kept.pk), 0)


def test_a_key_without_effect_in_a_dry_run(restore: Restore, kept: PurgeRun) -> None:
    none: dict[str, Any] = {"Idempotency-Key": "no key, that"}

    assert [restore({}, kept.pk, **none).status_code for _ in range(2)] == [200, 200]
    assert restore(LIVE, kept.pk, **none).status_code == 422


# How it ended


def test_where_nothing_was_written_the_key_is_free(
    restore: Restore, kept: PurgeRun, place: Path, valkey_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(memory, "free_on", lambda connection: 1)
        full = restore(LIVE, kept.pk, **KEY)
    assert (full.status_code, full.json()["code"]) == (409, "restore_refused")

    done = restore(LIVE, kept.pk, **KEY)

    assert (done.status_code, done.json()["keys"]["restored"]) == (200, valkey_client.dbsize())
    assert [run.idempotency_key is None for run in the_restores()] == [True, False]


def test_a_refusal_that_somebody_had_cancelled_is_told_again(
    restore: Restore, kept: PurgeRun, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / f"dealpurge/{kept.pk}" / files_of(kept, place)[0]).unlink()
    first = restore(LIVE, kept.pk, **KEY)
    PurgeRun.objects.filter(pk=the_restores()[0].pk).update(cancel_requested=True)

    assert first.status_code == 409
    assert_the_same(restore(LIVE, kept.pk, **KEY), first)


def test_what_failed_half_way_is_told_again(
    restore: Restore, kept: PurgeRun, monkeypatch: pytest.MonkeyPatch, valkey_client: redis.Redis
) -> None:
    whole = restoring.restore

    def break_off(*args: Any) -> None:
        whole(*args)
        raise DealPurgeError("Out of luck.")

    monkeypatch.setattr(execution, "restore", break_off)
    restore(LIVE, kept.pk, **KEY)
    run = the_restores()[0]

    again = restore(LIVE, kept.pk, **KEY)

    assert run.status == "failed"
    told = {"detail": "Out of luck.", "run_id": str(run.pk), "restored": kept.keys_deleted, "report": run.report}
    assert (again.status_code, again.json(), len(the_restores())) == (503, told, 1)
