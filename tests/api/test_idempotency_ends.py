"""How a run ended, and what that means for who asks again with its key: the same answer, or another run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.db.models import F
from pytest_django.fixtures import Settings

from dealpurge import clock, services
from dealpurge.engine import purging
from dealpurge.engine.sweep.tally import Tally
from dealpurge.exceptions import RedisUnavailable
from dealpurge.models import PurgeRun
from dealpurge.runs import messages, store
from dealpurge.runs.idempotency import digest
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from tests.conftest import PointCacheAt
from tests.support.scripted import Script, ScriptedServer
from tests.support.seeding import seed_deal

from .conftest import Answer, Post

pytestmark = pytest.mark.django_db(transaction=True)

KEY = {"Idempotency-Key": "k-1"}
ASYNC = {"Prefer": "respond-async"}
ALL: dict[str, Any] = {"mode": "all", "dry_run": False}

Ask = Callable[..., Answer]
Engine = Callable[[Tally, Callable[[], bool]], None]
Serve = Callable[..., ScriptedServer]


@pytest.fixture
def ask(post: Post) -> Ask:
    def send(body: dict[str, Any] = ALL, **headers: str) -> Answer:
        return post(body, **KEY, **headers)

    return send


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Callable[[Engine], None]:
    """Put a function of the counts, and of what asks whether to go on, in the engine's place."""

    def put(function: Engine) -> None:
        monkeypatch.setattr(purging, "purge", lambda scope, keyspace, tally, watch, *rest: function(tally, watch))

    return put


@pytest.fixture
def serve(cache_at: PointCacheAt) -> Iterator[Serve]:
    """Start the purge's server."""
    started: list[ScriptedServer] = []

    def start(keys: list[str], script: Script = lambda words: None) -> ScriptedServer:
        started.append(ScriptedServer(keys, script).__enter__())
        cache_at(started[-1].url)
        return started[-1]

    yield start
    for server in started:
        server.__exit__()


def assert_the_same(again: Answer, first: Answer) -> None:
    """The first answer, but for when to ask again: that helps no more."""
    expected = {name: value for name, value in first.headers.items() if name != "Retry-After"}
    assert (again.status_code, again.json(), dict(again.headers.items())) == (first.status_code, first.json(), expected)
    assert PurgeRun.objects.count() == 1


def assert_another(again: Answer, first: Answer) -> None:
    """Carried out, with a run of its own that has the key now."""
    assert (again.status_code, again.json()["status"]) == (200, "completed")
    assert again.json()["run_id"] != first.json()["run_id"]
    keys = dict(PurgeRun.objects.values_list("pk", "idempotency_key"))
    assert [str(pk) for pk, key in keys.items() if key] == [again.json()["run_id"]]
    assert len(keys) == 2


def age(**time: float) -> None:
    """As if everything had been so long ago."""
    back = timedelta(**time)
    PurgeRun.objects.update(created_at=F("created_at") - back, heartbeat_at=F("heartbeat_at") - back)


# Another run


@pytest.mark.parametrize("guarded", [False, True], ids=["sweep", "guarded"])
def test_redis_was_down(ask: Ask, request: pytest.FixtureRequest, guarded: bool) -> None:
    body = ALL | {"exclude_active_within_secs": 60 if guarded else None}
    first = ask(body)
    assert (first.status_code, first.json()["deleted"]) == (503, 0)
    request.getfixturevalue("fake_redis")

    assert_another(ask(body), first)


def test_the_time_was_over_before_anything_was_deleted(ask: Ask, settings: Settings, fake_redis: redis.Redis) -> None:
    seed_deal(fake_redis, "acme", "deal-1")
    settings.DEALPURGE_REQUEST_TIMEOUT = 1e-9
    first = ask()
    assert (first.status_code, first.json()["report"]["status"]) == (503, "cancelled")
    del settings.DEALPURGE_REQUEST_TIMEOUT

    assert_another(ask(), first)
    assert fake_redis.dbsize() == 0


def test_a_freed_key_may_have_another_body(ask: Ask, request: pytest.FixtureRequest) -> None:
    first = ask()
    request.getfixturevalue("fake_redis")

    assert_another(ask({"mode": "by_deal", "deal_id": "deal-1", "dry_run": False}), first)


def test_the_queue_was_out_of_reach(ask: Ask, settings: Settings, fake_redis: redis.Redis) -> None:
    def refuse(run_id: str) -> None:
        raise ConnectionError("no broker")

    settings.DEALPURGE_ENQUEUE = refuse
    first = ask(**ASYNC)
    assert first.status_code == 503
    settings.DEALPURGE_ENQUEUE = lambda run_id: services.run(run_id)

    again = ask(**ASYNC)

    assert (again.status_code, again.json()["status"]) == (202, "completed")
    assert again.json()["run_id"] != first.json()["run_id"]


def test_nobody_took_it_from_the_queue(ask: Ask, settings: Settings, fake_redis: redis.Redis) -> None:
    settings.DEALPURGE_ENQUEUE = lambda run_id: None
    first = ask(**ASYNC)
    age(minutes=16)

    assert_another(ask(), first)


def test_its_worker_found_redis_down(ask: Ask, settings: Settings, request: pytest.FixtureRequest) -> None:
    settings.DEALPURGE_ENQUEUE = None
    first = ask(**ASYNC)
    assert (first.status_code, first.json()["status"]) == (202, "failed")
    request.getfixturevalue("fake_redis")

    assert_another(ask(), first)


def test_it_was_more_than_a_day_ago(ask: Ask, purged: list[PurgeScope]) -> None:
    first = ask()
    age(hours=23)
    assert_the_same(ask(), first)
    age(hours=2)

    assert_another(ask(), first)
    assert len(purged) == 2


def test_another_run_counts(ask: Ask, settings: Settings) -> None:
    settings.DEALPURGE_RATE_LIMIT = "2/day"

    assert [ask().status_code for _ in range(4)] == [503, 503, 429, 429]


# The same answer


def test_nothing_was_found(ask: Ask, fake_redis: redis.Redis) -> None:
    first = ask()
    assert (first.status_code, first.json()["keys"]["matched"]) == (200, 0)
    seed_deal(fake_redis, "acme", "deal-1")

    assert_the_same(ask(), first)
    assert fake_redis.dbsize() > 0


def test_some_could_not_be_removed(ask: Ask, engine: Callable[[Engine], None]) -> None:
    def leave_one(tally: Tally, watch: Callable[[], bool]) -> None:
        tally.deleted, tally.not_removed = 2, 1

    engine(leave_one)
    first = ask()
    assert (first.status_code, first.json()["status"]) == (200, "partial")

    assert_the_same(ask(), first)


def test_the_time_was_over_in_the_middle(
    ask: Ask, engine: Callable[[Engine], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = clock.seconds

    def take_long(tally: Tally, watch: Callable[[], bool]) -> None:
        tally.deleted = 3
        with monkeypatch.context() as patch:
            patch.setattr(clock, "seconds", lambda: seconds() + 20)
            tally.cancelled = not watch()

    engine(take_long)
    first = ask()
    assert (first.status_code, first.json()["deleted"], first.json()["report"]["status"]) == (503, 3, "cancelled")

    assert_the_same(ask(), first)


def test_redis_went_away_in_the_middle(ask: Ask, engine: Callable[[Engine], None]) -> None:
    def fail(tally: Tally, watch: Callable[[], bool]) -> None:
        tally.deleted = 3
        raise RedisUnavailable("unreachable", "Redis cannot be reached.")

    engine(fail)
    first = ask()
    assert (first.status_code, first.json()["deleted"], first.headers["Retry-After"]) == (503, 3, "30")

    assert_the_same(ask(), first)


def test_what_nobody_expected_in_the_middle(ask: Ask, engine: Callable[[Engine], None]) -> None:
    def fail(tally: Tally, watch: Callable[[], bool]) -> None:
        tally.deleted = 3
        raise ValueError("hunter2")

    engine(fail)
    first = ask()
    again = ask()

    assert (first.status_code, again.status_code) == (500, 503)
    assert again.json() == first.json() | {"detail": "Unexpected error: ValueError."}


@pytest.mark.parametrize("goes", [True, False], ids=["the server goes", "the reply is nonsense"])
@pytest.mark.parametrize("org_id", ["acme", None], ids=["with an organisation", "without"])
@pytest.mark.parametrize("seconds", [None, 60], ids=["sweep", "guarded"])
def test_replies_were_lost(
    ask: Ask, serve: Serve, settings: Settings, seconds: int | None, org_id: str | None, goes: bool
) -> None:
    """Keys have gone, and none is in the counts."""
    settings.DEALPURGE_RETRY_SECONDS = 0.1
    settings.DEALPURGE_KEY_FAMILIES = {} if org_id else {"image_crops": "canvas:image_crop:{deal_id}"}
    organisation = f"{org_id}:" if org_id else ""
    keys = [f"canvas:image_crop:{organisation}deal-1:{number}" for number in range(20)]

    def lose(words: list[bytes]) -> bytes | None:
        if goes and not server.keys:
            raise ConnectionError
        if words[0] == b"EXEC" or (words[0] == b"UNLINK" and not seconds and words[1] in server.keys):
            server.keys.clear()
            if goes:
                raise ConnectionError
            return b":1000000\r\n"
        return None

    server = serve(keys, lose)
    body = ALL | {"exclude_active_within_secs": seconds}
    first = ask(body)
    report = first.json()["report"]
    assert (first.status_code, first.json()["deleted"], report["keys"]["vanished"], len(server.keys)) == (503, 0, 0, 0)
    assert report["deals"]["interrupted"] == 1

    assert_the_same(ask(body), first)


@pytest.mark.parametrize("begun", [False, True], ids=["queued", "running"])
def test_somebody_cancelled_it(ask: Ask, settings: Settings, engine: Callable[[Engine], None], begun: bool) -> None:
    def stop(tally: Tally, watch: Callable[[], bool]) -> None:
        tally.cancelled = True

    engine(stop)
    waiting: list[str] = []
    settings.DEALPURGE_ENQUEUE = waiting.append
    ask(**ASYNC)
    run = store.claim(PurgeRun.objects.get().pk) if begun else PurgeRun.objects.get()
    services.cancel(run.pk, Origin(source="api", actor_name="ben"))
    if begun:
        PurgeRun.objects.update(status="queued")
        services.run(run.pk)

    answer = ask()

    report = answer.json()
    assert (answer.status_code, report["status"], report["run_id"]) == (200, "cancelled", str(run.pk))
    assert (report["keys"]["deleted"], report["mode"], set(report["families"].values())) == (0, "all", {0})
    assert answer.headers["X-Purge-Run-ID"] == str(run.pk)
    assert_the_same(ask(), answer)
    assert ask(**ASYNC).json()["cancel_requested"] is True


def test_its_process_was_lost(ask: Ask, superuser: Any) -> None:
    scope = PurgeScope(mode="all", dry_run=False)
    origin = Origin(source="api", actor=superuser, idempotency_key=digest(KEY["Idempotency-Key"], superuser, ""))
    run = store.create(scope, origin)
    PurgeRun.objects.update(keys_deleted=7)
    assert ask().status_code == 409
    age(seconds=61)

    answer = ask()

    told = {"detail": messages.PROCESS_LOST, "run_id": str(run.pk), "deleted": 7}
    assert (answer.status_code, answer.json()) == (503, told)
    assert answer.headers["X-Purge-Run-ID"] == str(run.pk)
    assert_the_same(ask(), answer)


@pytest.mark.parametrize("ends", ["failed", "cancelled"])
def test_somebody_wanted_it_cancelled_when_it_ended_by_itself(
    ask: Ask, engine: Callable[[Engine], None], monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    """They were told that it stops; that it had no time left to see that is no reason to carry it out anew."""
    seconds = clock.seconds

    def end(tally: Tally, watch: Callable[[], bool]) -> None:
        services.cancel(PurgeRun.objects.get().pk, Origin(source="api", actor_name="ben"))
        if ends == "failed":
            raise RedisUnavailable("unreachable", "Redis cannot be reached.")
        with monkeypatch.context() as patch:
            patch.setattr(clock, "seconds", lambda: seconds() + 20)
            tally.cancelled = not watch()

    engine(end)
    first = ask()
    assert (first.status_code, first.json()["report"]["status"], first.json()["deleted"]) == (503, ends, 0)

    assert_the_same(ask(), first)
