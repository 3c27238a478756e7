"""A request that would wait too long for its run: answered in time, and what was done is told and written down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import count
from typing import Any
from unittest.mock import Mock
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import Client
from pytest_django.fixtures import Settings

from dealpurge import clock, permissions, services
from dealpurge.engine import purging
from dealpurge.engine.sweep.tally import Tally
from dealpurge.models import PurgeRun
from dealpurge.runs import retry, store
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from tests.conftest import PointCacheAt
from tests.support.databases import locked_database
from tests.support.published import document, operations, refusals
from tests.support.scripted import Script, ScriptedServer
from tests.support.seeding import key_of

from .conftest import Answer, Post

pytestmark = pytest.mark.django_db(transaction=True)

KEYS = [key_of("image_crops", "acme", "deal-1", number) for number in range(500)]
#: Of five pages.
PAGES_BEFORE = 3
LONG = 1e6

TimePasses = Callable[[float], None]
Serve = Callable[[Script], ScriptedServer]


@pytest.fixture
def time_passes(monkeypatch: pytest.MonkeyPatch) -> TimePasses:
    """Put the clock forward."""
    passed, seconds = [0.0], clock.seconds
    monkeypatch.setattr(clock, "seconds", lambda: seconds() + sum(passed))
    return passed.append


@pytest.fixture
def serve(cache_at: PointCacheAt) -> Iterator[Serve]:
    """Start the purge's server, whose script has its say from the fourth page on."""
    started: list[ScriptedServer] = []

    def start(script: Script) -> ScriptedServer:
        scans = count()
        in_trouble: list[bool] = []

        def later(words: list[bytes]) -> bytes | None:
            if words[0] == b"SCAN" and next(scans) >= PAGES_BEFORE:
                in_trouble.append(True)
            return script(words) if in_trouble else None

        server = ScriptedServer(KEYS, later).__enter__()
        started.append(server)
        cache_at(f"{server.url}?socket_timeout=0.5")
        return server

    yield start
    for server in started:
        server.__exit__()


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Tally, Callable[[], bool]], None]], None]:
    """Put a function of the counts, and of what asks whether to go on, in the engine's place."""

    def put(function: Callable[[Tally, Callable[[], bool]], None]) -> None:
        monkeypatch.setattr(purging, "purge", lambda scope, keyspace, tally, watch, *rest: function(tally, watch))

    return put


def assert_out_of_time(answer: Answer) -> PurgeRun:
    """A 503 that says why and what to do, about a run that nobody cancelled. Returns the run."""
    body = answer.json()
    assert answer.status_code == 503, body
    assert "A request may take 20 s" in body["detail"]
    assert "Prefer: respond-async" in body["detail"]
    run = PurgeRun.objects.get(pk=body["run_id"])
    assert answer.headers["X-Purge-Run-ID"] == str(run.pk)
    assert (run.status, run.error, run.keys_deleted) == ("cancelled", body["detail"], body["deleted"])
    assert (run.cancel_requested, run.cancelled_by, run.exclusive) == (False, "", None)
    assert run.report == body["report"]
    assert (run.report["status"], run.report["keys"]["deleted"]) == ("cancelled", run.keys_deleted)
    return run


def warnings_of(run: PurgeRun) -> list[str]:
    told: list[str] = (run.report or {}).get("warnings", [])
    return told


def assert_some_pages(run: PurgeRun, server: ScriptedServer) -> None:
    """Counted is what the server lost; or in a dry run, which takes nothing, what was seen."""
    assert run.keys_deleted == len(KEYS) - len(server.keys)
    assert 0 < (run.keys_to_go if run.dry_run else run.keys_deleted) < len(KEYS)
    assert run.dry_run is (run.keys_deleted == 0)


both = pytest.mark.parametrize("dry_run", [True, False], ids=["dry", "live"])


@both
def test_a_purge_that_is_not_over_is_stopped_at_its_next_page(
    post: Post, serve: Serve, time_passes: TimePasses, dry_run: bool
) -> None:
    server = serve(lambda words: time_passes(20) if words[0] == b"SCAN" else None)

    assert_some_pages(assert_out_of_time(post({"mode": "all", "dry_run": dry_run})), server)
    assert server.asked["SCAN"] == PAGES_BEFORE + 1


@both
def test_a_server_that_hangs(post: Post, serve: Serve, time_passes: TimePasses, dry_run: bool) -> None:
    def hang(words: list[bytes]) -> bytes:
        if words[0] != b"SCAN":  # which is waited for while the page before it is taken
            time_passes(20)
        return b""

    server = serve(hang)

    run = assert_out_of_time(post({"mode": "all", "dry_run": dry_run}))
    assert_some_pages(run, server)
    assert any(text.startswith("Redis cannot be reached (tried for") for text in warnings_of(run))


@both
def test_a_server_that_is_gone_is_tried_again_no_longer_than_that(
    post: Post, serve: Serve, time_passes: TimePasses, dry_run: bool
) -> None:
    tries: list[bytes] = []

    def hang_up(words: list[bytes]) -> bytes:
        tries.append(words[0])
        time_passes(7)
        raise OSError

    server = serve(hang_up)

    run = assert_out_of_time(post({"mode": "all", "dry_run": dry_run}))
    assert_some_pages(run, server)
    assert len(tries) == 3
    assert any(text.startswith("Redis takes connections and drops them") for text in warnings_of(run))


def test_a_guarded_purge_is_stopped_between_two_deals_or_before(
    post: Post, serve: Serve, time_passes: TimePasses
) -> None:
    server = serve(lambda words: time_passes(20) if words[0] == b"TYPE" else None)

    run = assert_out_of_time(post({"mode": "all", "dry_run": False, "exclude_active_within_secs": 60}))

    assert run.keys_deleted == len(KEYS) - len(server.keys) == 0


@pytest.mark.parametrize(("room", "name"), [(permissions, "may_purge"), (store, "create")])
def test_what_comes_before_the_run_counts_too_and_redis_is_not_even_asked(
    post: Post, serve: Serve, time_passes: TimePasses, monkeypatch: pytest.MonkeyPatch, room: Any, name: str
) -> None:
    server, step = serve(lambda words: None), getattr(room, name)

    def slow(*args: Any, **kwargs: Any) -> Any:
        time_passes(20)
        return step(*args, **kwargs)

    monkeypatch.setattr(room, name, slow)

    assert_out_of_time(post({"mode": "all", "dry_run": False}))
    assert not server.asked


def test_another_time_is_named(post: Post, serve: Serve, time_passes: TimePasses, settings: Settings) -> None:
    settings.DEALPURGE_REQUEST_TIMEOUT = 0.5
    serve(lambda words: time_passes(1) if words[0] == b"SCAN" else None)

    assert "A request may take 0.5 s" in post({"mode": "all"}).json()["detail"]


def test_none_is_no_limit(post: Post, serve: Serve, time_passes: TimePasses, settings: Settings) -> None:
    settings.DEALPURGE_REQUEST_TIMEOUT = None
    serve(lambda words: time_passes(LONG))

    answer = post({"mode": "all"})

    assert (answer.status_code, answer.json()["status"]) == (200, "completed")


@pytest.mark.parametrize("call", [services.purge_deals, services.queue])
def test_who_does_not_wait_for_an_answer_has_no_limit(
    serve: Serve, time_passes: TimePasses, call: Callable[..., Any]
) -> None:
    serve(lambda words: time_passes(LONG))

    if call is services.queue:
        call(PurgeScope(mode="all"), Origin(source="api"))
    else:
        call(mode="all")

    assert PurgeRun.objects.get().status == "completed"


def carry_out_at_once(run_id: str) -> None:
    services.run(run_id)


def carry_out_elsewhere(run_id: str) -> None:
    with ThreadPoolExecutor(1) as threads:
        threads.submit(_with_a_connection_of_its_own, run_id).result()


def _with_a_connection_of_its_own(run_id: str) -> None:
    try:
        services.run(run_id)
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("enqueue", "status"), [(None, "cancelled"), (carry_out_at_once, "cancelled"), (carry_out_elsewhere, "completed")]
)
def test_a_queue_that_carries_the_run_out_within_the_request_keeps_to_its_time(
    post: Post,
    serve: Serve,
    time_passes: TimePasses,
    settings: Settings,
    enqueue: Callable[[str], None] | None,
    status: str,
) -> None:
    settings.DEALPURGE_ENQUEUE = enqueue
    server = serve(lambda words: time_passes(20) if words[0] == b"SCAN" else None)

    answer = post({"mode": "all", "dry_run": False}, Prefer="respond-async")

    body = answer.json()
    run = PurgeRun.objects.get(pk=body["run_id"])
    assert (answer.status_code, body["status"], body["error"]) == (202, status, run.error)
    assert ("A request may take 20 s" in run.error) is (status == "cancelled")
    assert run.keys_deleted == len(KEYS) - len(server.keys) > 0


def test_the_time_of_one_request_is_not_that_of_the_next_run(
    post: Post, serve: Serve, time_passes: TimePasses, settings: Settings
) -> None:
    serve(lambda words: None)
    post({"mode": "all"}, Prefer="respond-async")
    time_passes(LONG)

    run = store.create(PurgeScope(mode="all"), Origin(source="api"), queued=True)

    assert services.run(run.pk).status == "completed"


def test_a_run_that_is_over_by_then_is_answered_as_ever(
    post: Post, engine: Callable[..., None], time_passes: TimePasses
) -> None:
    def at_the_last_moment(tally: Tally, watch: Callable[[], bool]) -> None:
        tally.deleted = 3
        time_passes(20)
        assert not watch()

    engine(at_the_last_moment)
    answer = post({"mode": "all", "dry_run": False})

    assert (answer.status_code, answer.json()["status"]) == (200, "completed")
    assert PurgeRun.objects.get().error == ""


def test_a_run_that_somebody_cancelled_before_is_theirs(
    post: Post, engine: Callable[..., None], time_passes: TimePasses
) -> None:
    def cancelled(tally: Tally, watch: Callable[[], bool]) -> None:
        services.cancel(PurgeRun.objects.get().pk, Origin(source="api", actor_name="ann"))
        time_passes(2)
        assert not watch()
        time_passes(20)
        assert not watch()
        tally.cancelled = True

    engine(cancelled)
    answer = post({"mode": "all", "dry_run": False})

    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    run = PurgeRun.objects.get()
    assert (run.error, run.cancelled_by) == ("", "ann")


def test_a_database_in_trouble_at_the_end_is_not_waited_for_much_longer(
    post: Post, engine: Callable[..., None], time_passes: TimePasses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "GRACE_SECONDS", 0.1)
    monkeypatch.setattr(retry, "RETRY_FOR_SECONDS", LONG)

    with ExitStack() as lock:

        def out_of_reach(tally: Tally, watch: Callable[[], bool]) -> None:
            lock.enter_context(locked_database())
            tally.deleted = 3
            time_passes(20)
            assert not watch()
            tally.cancelled = True

        engine(out_of_reach)
        answer = post({"mode": "all", "dry_run": False})

    body = answer.json()
    assert (answer.status_code, body["deleted"], body["report"]["status"]) == (503, 3, "cancelled")
    assert PurgeRun.objects.get(pk=body["run_id"]).status == "running"


def test_a_queued_run_is_told_of_also_where_nobody_knows_what_became_of_it(
    post: Post, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_the_database(run_id: str) -> None:
        monkeypatch.setattr(services, "stored", Mock(side_effect=OperationalError("silent")))

    settings.DEALPURGE_ENQUEUE = lose_the_database

    answer = post({"mode": "all"}, Prefer="respond-async")

    assert (answer.status_code, answer.json()["status"]) == (202, "queued")
    assert PurgeRun.objects.get().pk == UUID(answer.json()["run_id"])


def test_the_schema_knows_the_answer(post: Post, serve: Serve, time_passes: TimePasses) -> None:
    serve(lambda words: time_passes(20))
    schema = document()
    described = operations(schema)["purge_deals"]["responses"]["503"]
    content = described["content"]["application/json"]

    answer = post({"mode": "all", "dry_run": False})

    assert refusals(schema, content["schema"], answer.json()) == []
    assert "DEALPURGE_REQUEST_TIMEOUT" in described["description"]
    examples = [example["value"] for example in content["examples"].values()]
    assert answer.json()["detail"] in [example["detail"] for example in examples]


def test_the_console_blames_nobody(
    post: Post, serve: Serve, time_passes: TimePasses, superuser: User, client_of: Callable[[User], Client]
) -> None:
    serve(lambda words: time_passes(20))
    run = assert_out_of_time(post({"mode": "all", "dry_run": False}))

    page = client_of(superuser).get(f"/admin/dealpurge/purgerun/{run.pk}/change/").content.decode()

    assert "A request may take 20 s" in page
    assert "Asked to stop by" not in page
