"""What the log and the metrics are told of a run, whichever way it went."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import Mock

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from dealpurge import services, tasks
from dealpurge.engine import purging
from dealpurge.exceptions import PurgeNotAllowed, QueueUnavailable, RedisUnavailable, ScopeError
from dealpurge.models import PurgeRun
from dealpurge.runs import store, termination
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from dealpurge.signals import purge_finished

from .conftest import Bearer, Call

pytestmark = pytest.mark.django_db

README = (Path(__file__).parents[2] / "README.md").read_text()
START = {"run_id", "request_id", "source", "actor", "environment", "mode", "dry_run", "status"}
END = START | {"deleted", "deals", "duration_ms"}
#: What every record has.
PLAIN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class Log:
    """The records about runs, as (message, extra)."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "dealpurge")
        self.caplog = caplog

    @property
    def records(self) -> list[tuple[str, dict[str, Any]]]:
        found = [record for record in self.caplog.records if record.name == "dealpurge"]
        return [(record.getMessage(), {k: v for k, v in vars(record).items() if k not in PLAIN}) for record in found]

    @property
    def messages(self) -> list[str]:
        return [message for message, _ in self.records]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Log:
    return Log(caplog)


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """Statuses that ``purge_finished`` told of."""
    statuses: list[str] = []

    def listener(report: Any, **kwargs: Any) -> None:
        statuses.append(report.status)

    purge_finished.connect(listener)
    yield statuses
    purge_finished.disconnect(listener)


def test_a_start_and_an_end_with_the_fields_of_the_readme(log: Log, engine_calls: list[PurgeScope]) -> None:
    report = services.purge_deals(mode="all", source="api", actor_name="ann")

    (started, at_start), (finished, at_end) = log.records
    assert (started, set(at_start)) == ("purge started", START)
    assert (finished, set(at_end)) == ("purge finished", END)
    assert at_start["run_id"] == at_end["run_id"] == str(report.run_id)
    assert (at_start["status"], at_end["status"], at_end["actor"]) == ("running", "completed", "ann")
    assert json.dumps([at_start, at_end])
    table = README.partition("### Logs and metrics")[2].partition("\n\nA response")[0]
    assert set(re.findall(r"`(\w+)`(?=[^|]*\| )", table)) >= END


def test_the_fields_are_no_attributes_of_a_record() -> None:
    assert set() == END & PLAIN


def test_every_door_writes_them(
    log: Log, engine_calls: list[PurgeScope], purge: Call, bearer: Bearer, superuser: User, settings: Settings
) -> None:
    purge(bearer(superuser))
    call_command("purge_deals", mode="all", verbosity=0)
    services.queue(PurgeScope(mode="all"), Origin(source="admin", actor=superuser))

    sources = [(message, fields["source"]) for message, fields in log.records]
    assert sources == [
        *(("purge started", "api"), ("purge finished", "api")),
        *(("purge started", "command"), ("purge finished", "command")),
        *(("purge queued", "admin"), ("purge started", "admin"), ("purge finished", "admin")),
    ]


@pytest.mark.parametrize(("given", "logged"), [("req-7", "req-7"), ("a b", ""), ("a\r\nFAKE", ""), ("x" * 201, "")])
def test_the_requests_own_id_is_in_the_log(
    log: Log, engine_calls: list[PurgeScope], purge: Call, bearer: Bearer, superuser: User, given: str, logged: str
) -> None:
    answer = purge(bearer(superuser) | {"X-Request-ID": given})

    assert [fields["request_id"] for _, fields in log.records] == [logged, logged]
    assert [fields["run_id"] for _, fields in log.records] == [answer.headers["X-Purge-Run-ID"]] * 2


def test_a_queued_run_is_known_by_its_request(
    log: Log, engine_calls: list[PurgeScope], purge: Call, bearer: Bearer, superuser: User
) -> None:
    purge(bearer(superuser) | {"X-Request-ID": "req-7", "Prefer": "respond-async"})

    (queued, fields), *rest = log.records
    assert (queued, fields["request_id"], fields["status"]) == ("purge queued", "req-7", "queued")
    assert {other["run_id"] for _, other in rest} == {fields["run_id"]}


@pytest.mark.parametrize("error", [RedisUnavailable("refused", "No."), KeyError("x"), KeyboardInterrupt()])
def test_what_fails_has_an_end_too(
    log: Log, heard: list[str], monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def broken(*args: Any) -> None:
        raise error

    monkeypatch.setattr(purging, "purge", broken)

    with pytest.raises(type(error)):
        services.purge_deals(mode="all")

    assert log.messages == ["purge started", "purge finished"]
    assert log.records[-1][1]["status"] == "failed"
    assert heard == ["failed"]


def test_a_worker_that_cannot_serve_a_run_writes_both(log: Log, heard: list[str], settings: Settings) -> None:
    run = store.create(PurgeScope(mode="all", exclude_active_within_secs=60), Origin(source="api"), queued=True)
    settings.DEALPURGE_KEY_FAMILIES = {"events": []}

    with pytest.raises(ScopeError):
        services.run(run.pk)

    assert log.messages == ["purge started", "purge finished"]
    assert heard == ["failed"]


# Ends that no process at work writes


def ended(log: Log) -> tuple[str, str, Any]:
    """The last record's message, status and who cancelled."""
    message, fields = log.records[-1]
    return message, fields["status"], fields.get("cancelled_by")


def set_back(run: PurgeRun, **values: Any) -> None:
    PurgeRun.objects.filter(pk=run.pk).update(**values)


def test_a_lost_run_is_told_once(log: Log) -> None:
    run = store.create(PurgeScope(mode="all"), Origin(source="api"))
    set_back(run, heartbeat_at=timezone.now() - timedelta(seconds=61))

    assert [termination.fail_lost_runs() for _ in range(2)] == [1, 0]

    assert (len(log.records), ended(log)) == (1, ("purge lost", "failed", None))
    assert (log.caplog.records[-1].levelname, log.records[-1][1]["run_id"]) == ("ERROR", str(run.pk))


def test_a_run_that_expires_in_the_queue_has_an_end(log: Log) -> None:
    run = store.create(PurgeScope(mode="all"), Origin(source="api"), queued=True)
    set_back(run, created_at=timezone.now() - timedelta(minutes=16))

    assert [termination.fail_lost_runs() for _ in range(2)] == [1, 0]

    assert (len(log.records), ended(log)) == (1, ("purge finished", "failed", None))


def test_a_run_that_cannot_be_queued_has_an_end(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "enqueue", Mock(side_effect=ConnectionError))

    with pytest.raises(QueueUnavailable):
        services.queue(PurgeScope(mode="all"), Origin(source="admin"))

    assert log.messages == ["purge queued", "the queue failed: ConnectionError: ", "purge finished"]
    assert ended(log) == ("purge finished", "failed", None)


@pytest.mark.parametrize("queued", [True, False])
@pytest.mark.parametrize("door", ["api", "admin"])
def test_who_cancels_is_in_the_record_and_in_the_log(
    log: Log, door: str, queued: bool, bearer: Bearer, purger: User, client: Client
) -> None:
    run = store.create(PurgeScope(mode="all", dry_run=False), Origin(source="command", actor_name="ann"), queued=queued)

    if door == "api":
        path, headers = f"/api/superadmin/purge_runs/{run.pk}/cancel", bearer(purger) | {"X-Request-ID": "req-9"}
        assert client.post(path, headers=headers).status_code == 200
    else:
        client.force_login(purger)
        client.post(f"/admin/dealpurge/purgerun/{run.pk}/cancel/")
        assert "Cancelled by" in client.get(f"/admin/dealpurge/purgerun/{run.pk}/change/").content.decode()

    run.refresh_from_db()
    assert run.cancelled_by == "purger"
    message, status = ("purge finished", "cancelled") if queued else ("purge cancel requested", "running")
    assert ended(log) == (message, status, "purger")
    assert log.records[-1][1]["actor"] == "ann"
    assert log.records[-1][1]["request_id"] == ("req-9" if door == "api" else "")


# Between the queue and the worker


def take_permission(user: User) -> None:
    user.user_permissions.remove(Permission.objects.get(codename="purge_deals"))


def deactivate(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def delete(user: User) -> None:
    user.delete()


@pytest.mark.parametrize("change", [take_permission, deactivate, delete])
def test_a_run_whose_actor_may_not_purge_any_more_purges_nothing(
    change: Any, purger: User, engine_calls: list[PurgeScope], heard: list[str]
) -> None:
    scope = PurgeScope(mode="all", dry_run=False)
    run = store.create(scope, Origin(source="admin", actor=purger), queued=True)
    change(User.objects.get(pk=purger.pk))

    with pytest.raises(PurgeNotAllowed):
        services.run(run.pk)

    run.refresh_from_db()
    assert (run.status, run.exclusive, engine_calls, heard) == ("failed", None, [], ["failed"])
    assert run.error == "The user may not purge deals any more, so nothing was purged."


# Metrics


def test_the_readmes_metrics(engine_calls: list[PurgeScope], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", counting_module())
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict[str, Any] = {}
    (block,) = (block for block in blocks if "prometheus_client" in block)

    exec(compile(block, "README.md", "exec"), names)  # noqa: S102 - our own README
    try:
        services.purge_deals(mode="all", source="api")
    finally:
        purge_finished.disconnect(names["count"])

    assert names["RUNS"].counts == {("api", "true", "completed"): 1}
    assert names["KEYS_DELETED"].counts == {("api",): 0}


def counting_module() -> ModuleType:
    """As much of prometheus_client as counting takes."""

    class Counter:
        def __init__(self, name: str, documentation: str, labels: list[str]) -> None:
            self.names, self.counts, self.chosen = labels, dict[tuple[str, ...], int](), ()

        def labels(self, *values: str) -> Counter:
            assert len(values) == len(self.names)
            self.chosen = values  # type: ignore[assignment]
            return self

        def inc(self, amount: int = 1) -> None:
            self.counts[self.chosen] = self.counts.get(self.chosen, 0) + amount

    module = ModuleType("prometheus_client")
    module.Counter = Counter  # type: ignore[attr-defined]
    return module
