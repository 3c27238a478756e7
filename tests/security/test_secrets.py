"""A password of Redis, in whatever setting it stands and whatever goes wrong, is read nowhere again."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from knox.models import AuthToken
from pytest_django.fixtures import Settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from dealpurge import services, tasks
from dealpurge.checks import check_settings
from dealpurge.exceptions import DealPurgeError
from dealpurge.execution.purge import Purge
from dealpurge.models import PurgeRun
from dealpurge.runs import store
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from dealpurge.servers import connection
from dealpurge.signals import purge_finished
from tests.conftest import PointCacheAt, start_server
from tests.support.seeding import seed_deal
from tests.support.servers import RedisServer

from .conftest import API, Call

pytestmark = pytest.mark.django_db

CANARY = "canary-7h1s-1s-s3cr3t"
HOST = "127.0.0.1"
PLACE = "/admin/dealpurge/purgerun/"
SCOPE = PurgeScope(mode="all", dry_run=False)


class Ears:
    """Everything that was said while the test ran, apart by who may hear it."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        caplog.set_level(logging.DEBUG, "dealpurge")
        self.caplog = caplog
        self.clients: list[str] = []
        self.operators: list[str] = []

    def hear_answer(self, response: Any) -> None:
        body = b"".join(response.streaming_content) if response.streaming else response.content
        self.clients.append(f"{body.decode()} {response.headers}")

    def hear_exception(self, exc: BaseException) -> None:
        """Itself, and its whole chain as a log would show it."""
        self.operators += ["".join(traceback.format_exception(exc)), repr(exc), str(exc), str(vars(exc))]

    @property
    def log(self) -> str:
        formatter = logging.Formatter("%(name)s %(message)s")
        return "\n".join(f"{formatter.format(record)} {vars(record)}" for record in self.caplog.records)

    @property
    def log_of_ours(self) -> str:
        return "\n".join(str(vars(record)) for record in self.caplog.records if record.name.startswith("dealpurge"))

    @property
    def record_but_addresses(self) -> str:
        """Without the column that keeps what a run is bound to."""
        rows = [vars(run) | {"redis_address": ""} for run in PurgeRun.objects.all()]
        return "\n".join(map(str, rows))

    @property
    def record(self) -> str:
        return "\n".join(str(vars(run)) for run in PurgeRun.objects.all())


@pytest.fixture
def ears(caplog: pytest.LogCaptureFixture) -> Iterator[Ears]:
    ears = Ears(caplog)

    def listener(**kwargs: Any) -> None:
        ears.operators.append(f"{kwargs} {vars(kwargs['run'])} {kwargs['report'].as_dict()}")

    purge_finished.connect(listener)
    yield ears
    purge_finished.disconnect(listener)


# What goes wrong

Trouble = Callable[[pytest.FixtureRequest, Any], None]


def serve(request: pytest.FixtureRequest, **options: str) -> RedisServer:
    """A server of this test, which dies with it."""
    server = start_server("valkey", request.getfixturevalue("tmp_path") / "server")
    request.addfinalizer(server.stop)
    with server.client() as client:
        seed_deal(client, "acme", "deal-1", image_crops=3000)
        for name, value in options.items():
            client.config_set(name, value)
    return server


def down(request: pytest.FixtureRequest, cache_at: Any) -> None:
    cache_at(f"redis://:{CANARY}@{HOST}:1/0")


def a_name_that_is_none(request: pytest.FixtureRequest, cache_at: Any) -> None:
    cache_at("redis://redis.invalid:6379/0", PASSWORD=CANARY)


def no_socket(request: pytest.FixtureRequest, cache_at: Any) -> None:
    cache_at(f"unix://:{CANARY}@/nowhere/redis.sock?db=0")


def wrong_password(request: pytest.FixtureRequest, cache_at: Any) -> None:
    server = serve(request, requirepass="right")
    cache_at(f"redis://:{CANARY}@{HOST}:{server.port}/0")


def wrong_password_as_an_option(request: pytest.FixtureRequest, cache_at: Any) -> None:
    server = serve(request, requirepass="right")
    cache_at(server.url, PASSWORD=CANARY)


def wrong_password_of_the_pool(request: pytest.FixtureRequest, cache_at: Any) -> None:
    server = serve(request, requirepass="right")
    cache_at(server.url, CONNECTION_POOL_KWARGS={"password": CANARY})


def unknown_user(request: pytest.FixtureRequest, cache_at: Any) -> None:
    server = serve(request)
    cache_at(f"redis://operator:{CANARY}@{HOST}:{server.port}/0")


def forbidden(request: pytest.FixtureRequest, cache_at: Any) -> None:
    server = serve(request)
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "operator", "on", f">{CANARY}", "~*", "+@read", "+@connection")
    cache_at(f"redis://operator:{CANARY}@{HOST}:{server.port}/0")


def dying_in_the_middle(request: pytest.FixtureRequest, cache_at: Any) -> None:
    server = serve(request, requirepass=CANARY)
    cache_at(f"redis://:{CANARY}@{HOST}:{server.port}/0")
    watch = Purge.watch

    def kill(execution: Purge) -> bool:
        if execution.tally.progress()[0]:
            server.kill()
        return watch(execution)

    request.getfixturevalue("monkeypatch").setattr(Purge, "watch", kill)


def sentinels_down(request: pytest.FixtureRequest, cache_at: Any) -> None:
    cache_at(
        "redis://primary/0",
        CLIENT_CLASS="django_redis.client.SentinelClient",
        CONNECTION_FACTORY="django_redis.pool.SentinelConnectionFactory",
        SENTINELS=[(HOST, 1)],
        SENTINEL_KWARGS={"password": CANARY, "retry": Retry(NoBackoff(), 0)},
        PASSWORD=CANARY,
    )


def a_callable_of_the_host(request: pytest.FixtureRequest, cache_at: Any) -> None:
    settings = request.getfixturevalue("settings")
    settings.DEALPURGE_REDIS_CLIENT = lambda: redis.Redis(host=HOST, port=1, password=CANARY)


def a_slash_in_the_password(request: pytest.FixtureRequest, cache_at: Any) -> None:
    """Not percent-encoded, so that what stands before it is taken for a port."""
    request.getfixturevalue("settings").CACHES["default"]["LOCATION"] = f"redis://:{CANARY}/2@{HOST}:6379/0"


def brackets_in_the_password(request: pytest.FixtureRequest, cache_at: Any) -> None:
    request.getfixturevalue("settings").CACHES["default"]["LOCATION"] = f"redis://:a[{CANARY}]@{HOST}:6379/0"


def an_address_for_an_alias(request: pytest.FixtureRequest, cache_at: Any) -> None:
    request.getfixturevalue("settings").DEALPURGE_CACHE_ALIAS = f"redis://:{CANARY}@{HOST}:6379/0"


def an_address_for_the_client(request: pytest.FixtureRequest, cache_at: Any) -> None:
    request.getfixturevalue("settings").DEALPURGE_REDIS_CLIENT = f"redis://:{CANARY}@{HOST}:6379/0"


TROUBLES: list[Trouble] = [
    down,
    a_name_that_is_none,
    no_socket,
    wrong_password,
    wrong_password_as_an_option,
    wrong_password_of_the_pool,
    unknown_user,
    forbidden,
    dying_in_the_middle,
    sentinels_down,
    a_callable_of_the_host,
    a_slash_in_the_password,
    brackets_in_the_password,
    an_address_for_an_alias,
    an_address_for_the_client,
]

# The doors


def by_api(ears: Ears, superuser: User, **headers: str) -> None:
    header = {"Authorization": f"Bearer {AuthToken.objects.create(user=superuser)[1]}"} | headers
    client = Client(raise_request_exception=False)
    body = {"mode": "all", "dry_run": False}
    answer = client.post(f"{API}purge_deals", body, content_type="application/json", headers=header)
    ears.hear_answer(answer)
    ears.hear_answer(client.get(f"{API}purge_runs/{PurgeRun.objects.get().pk}", headers=header))


def by_api_in_the_background(ears: Ears, superuser: User) -> None:
    by_api(ears, superuser, Prefer="respond-async")


def by_command(ears: Ears, superuser: User) -> None:
    out, err = StringIO(), StringIO()
    try:
        call_command("purge_deals", "--mode=all", "--no-dry-run", "--no-input", "--verbosity=3", stdout=out, stderr=err)
    except CommandError as exc:  # with its chain, as --traceback prints it
        ears.hear_exception(exc)
    ears.operators += [out.getvalue(), err.getvalue()]


def by_admin(ears: Ears, superuser: User) -> None:
    browser = Client(raise_request_exception=False)
    browser.force_login(superuser)
    for path in ("purge/", "inventory/scan/"):
        ears.hear_answer(browser.post(PLACE + path, {"mode": "all"}, follow=True))
    for path in ("", "export/", f"{PurgeRun.objects.earliest('created_at').pk}/progress/"):
        ears.hear_answer(browser.get(PLACE + path))


def by_worker(ears: Ears, superuser: User) -> None:
    origin = Origin(source="admin", actor=superuser)
    for carry_out in (tasks.carry_out.func, services.run):
        try:
            carry_out(str(store.create(SCOPE, origin, queued=True).pk))
        except DealPurgeError as exc:  # with its chain, as a backend of tasks keeps it
            ears.hear_exception(exc)


DOORS = [by_api, by_api_in_the_background, by_command, by_admin, by_worker]


@pytest.mark.parametrize("door", DOORS, ids=[door.__name__ for door in DOORS])
@pytest.mark.parametrize("trouble", TROUBLES, ids=[trouble.__name__ for trouble in TROUBLES])
def test_the_canary_is_never_heard(
    trouble: Trouble,
    door: Callable[[Ears, User], None],
    request: pytest.FixtureRequest,
    cache_at: PointCacheAt,
    settings: Settings,
    superuser: User,
    ears: Ears,
) -> None:
    settings.DEALPURGE_RETRY_SECONDS = 0.1
    settings.DEALPURGE_SERVER_LABEL = "the-label"  # which pages show in place of the address
    trouble(request, cache_at)

    door(ears, superuser)

    assert PurgeRun.objects.filter(status="failed").exclude(error="").exists()
    assert CANARY not in "\n".join([*ears.clients, *ears.operators, ears.record, ears.log])
    assert "operator" not in ears.record
    for name in (HOST, "redis.invalid", "nowhere", "operator", "Traceback"):
        assert name not in "\n".join([*ears.clients, ears.record_but_addresses])


@pytest.mark.parametrize("door", DOORS, ids=[door.__name__ for door in DOORS])
def test_an_error_that_quotes_it_is_told_to_nobody(
    door: Callable[[Ears, User], None],
    fake_redis: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    superuser: User,
    ears: Ears,
) -> None:
    """A bug deep in a library: who debugs gets it from the web server or the queue, and nobody from us."""

    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError(f"cannot log in with {CANARY}")

    monkeypatch.setattr(connection, "new_connection", broken)

    try:
        door(ears, superuser)
    except RuntimeError:
        assert door in (by_command, by_worker)

    assert CANARY not in "\n".join([*ears.clients, *ears.operators, ears.record, ears.log_of_ours])
    assert PurgeRun.objects.latest("created_at").error == "Unexpected error: RuntimeError."


@pytest.mark.parametrize("late", [False, True])
def test_a_queue_that_fails_is_logged_without_its_password(settings: Settings, ears: Ears, late: bool) -> None:
    def enqueue(run_id: str) -> None:
        if late:
            PurgeRun.objects.update(status="running")
        raise OSError(f"amqp://user:{CANARY}/x@broker:5672\x1b[2J is down")

    settings.DEALPURGE_ENQUEUE = enqueue

    try:
        services.queue(SCOPE, Origin(source="api"))
    except DealPurgeError as exc:
        ears.operators += [str(exc), repr(exc)]

    assert r"the queue failed: OSError: amqp://***@broker:5672\x1b[2J is down" in ears.caplog.messages
    assert CANARY not in "\n".join([*ears.operators, ears.record, ears.log])


SETTINGS: dict[str, Any] = {
    "DEALPURGE_CACHE_ALIAS": f"redis://:{CANARY}@{HOST}:6379/0",
    "DEALPURGE_REDIS_CLIENT": f"redis://:{CANARY}@{HOST}:6379/0",
    "DEALPURGE_ENQUEUE": f"amqp://user:{CANARY}@{HOST}/",
    "DEALPURGE_REDIS_URL": f"redis://:{CANARY}@{HOST}:6379/0",
    "CACHES": {"default": {"BACKEND": "no.such.Cache", "LOCATION": f"redis://:{CANARY}@{HOST}"}},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_check_names_no_password(settings: Settings, name: str) -> None:
    setattr(settings, name, SETTINGS[name])

    messages = check_settings()

    assert messages
    assert CANARY not in " ".join(f"{message} {message!r} {message.hint}" for message in messages)


# Tokens


def test_a_token_is_in_no_answer_row_or_log(
    engine_calls: list[PurgeScope], purge: Call, superuser: User, ears: Ears
) -> None:
    token = AuthToken.objects.create(user=superuser)[1]
    header = {"Authorization": f"Bearer {token}"}

    for body in ({"mode": "all"}, b"{", {"mode": "all", "token": 1}, b"\xff"):
        ears.hear_answer(purge(header, body))
    ears.hear_answer(purge({"Authorization": f"Bearer {token}x"}))
    ears.hear_answer(purge({"Authorization": f"Token {token}"}))

    assert token not in "\n".join([*ears.clients, ears.record, ears.log])


def test_a_token_is_not_in_the_log_of_an_error(
    purge: Call, superuser: User, ears: Ears, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = AuthToken.objects.create(user=superuser)[1]

    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(services, "start", broken)

    answer = purge({"Authorization": f"Bearer {token}"})

    ears.hear_answer(answer)
    assert answer.json() == {"detail": "Internal Server Error"}
    assert "a bug" in ears.caplog.text
    assert token not in "\n".join([*ears.clients, ears.log])
