from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import fakeredis
import pytest
import redis
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.db import connections
from django.test import Client
from django_redis import get_redis_connection
from django_redis.pool import ConnectionFactory
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from knox.models import AuthToken
from pytest_django.fixtures import Settings

from dealpurge.management.commands.purge_deals import Command
from project.settings import DJANGO_6
from tests.postgresql.server import postgresql
from tests.support import samples
from tests.support.commands import Outcome, Purge
from tests.support.samples import sample
from tests.support.servers import EXECUTABLES, RedisServer, ServerMissingError, missing

DEFAULT_SERVERS = ("valkey", "redis")
IMMEDIATE_TASKS = f"{'django.tasks' if DJANGO_6 else 'django_tasks'}.backends.immediate.ImmediateBackend"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--server",
        choices=[*EXECUTABLES, "all"],
        help=f"the server that tests of the engine and of faults run on (default: {' and '.join(DEFAULT_SERVERS)})",
    )
    parser.addoption(
        "--long",
        action="store_true",
        help="large samples: thousands of generated keyspaces, a million keys to measure on, as in .ci/long",
    )


def pytest_configure(config: pytest.Config) -> None:
    samples.choose(long=config.getoption("--long"))
    # How long an example takes says more about what else the machine does than about the code.
    hypothesis_settings.register_profile(
        "dealpurge",
        deadline=None,
        max_examples=sample(50, 1000),
        suppress_health_check=[HealthCheck.too_slow],
        derandomize=bool(os.environ.get("CI")),  # there the same examples each time, new ones at a developer's desk
    )
    hypothesis_settings.load_profile("dealpurge")
    _hear_signals()


def _hear_signals() -> None:
    """Ctrl-C and a terminal that goes away mean something here, even where the tests run under nohup or as a job in the
    background, which ignore them and hand that down to every process that a test starts."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, lambda number, frame: None)  # not handed down, and the tests go on


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    chosen = metafunc.config.getoption("--server")
    kinds = tuple(EXECUTABLES) if chosen == "all" else (chosen,) if chosen else DEFAULT_SERVERS
    if "redis_server" in metafunc.fixturenames:
        metafunc.parametrize("redis_server", kinds, indirect=True)
    if "server_kind" in metafunc.fixturenames:
        metafunc.parametrize("server_kind", kinds)


def pytest_collection_finish() -> None:
    """All that was imported stays until the end: the garbage collector need not look through it again and again."""
    gc.freeze()


# The host


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """The test database is a file, or on a PostgreSQL of the run's own where --ds names the settings for that: threads
    and second connections see it as they would in production."""
    database = connections["default"].settings_dict
    if connections["default"].vendor == "sqlite":
        database["TEST"]["NAME"] = str(tmp_path_factory.mktemp("database") / "test.sqlite3")
        yield
        return
    with ExitStack() as ending:
        try:
            database["HOST"] = ending.enter_context(postgresql())
        except ServerMissingError as absent:
            missing(str(absent))
        yield


@pytest.fixture(autouse=True)
def _tasks_at_once(settings: Settings) -> None:
    settings.TASKS = {"default": {"BACKEND": IMMEDIATE_TASKS}}


@pytest.fixture(autouse=True)
def _quick_passwords(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _no_redis_by_default(request: pytest.FixtureRequest, settings: Settings) -> None:
    """A test that has not asked for a Redis finds none, least of all the developer's own."""
    settings.CACHES = cache_settings("redis://127.0.0.1:1/0")


# Redis servers


def start_server(kind: str, directory: Path, **directives: str) -> RedisServer:
    """Start a server of a kind, or skip the test where there is none."""
    try:
        return RedisServer(kind=kind, directory=directory, options=directives).start()
    except ServerMissingError as absent:
        missing(str(absent))


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], RedisServer]]:
    """The server of a kind that tests use one after the other; it starts when the first one asks for it."""
    running: dict[str, RedisServer] = {}

    def of(kind: str) -> RedisServer:
        if kind not in running:
            running[kind] = start_server(kind, tmp_path_factory.mktemp(kind))
        return running[kind]

    yield of
    for server in running.values():
        server.stop()


@pytest.fixture
def valkey_server(shared_server: Callable[[str], RedisServer]) -> RedisServer:
    return shared_server("valkey")


@pytest.fixture
def redis_server(request: pytest.FixtureRequest, shared_server: Callable[[str], RedisServer]) -> RedisServer:
    """Each kind that --server names: the test runs once on each."""
    return shared_server(request.param)


def emptied(server: RedisServer) -> Iterator[redis.Redis]:
    with server.client() as client:
        client.flushall()
        yield client
        client.flushall()


@pytest.fixture
def redis_client(redis_server: RedisServer) -> Iterator[redis.Redis]:
    """A client of the emptied `redis_server`."""
    yield from emptied(redis_server)


@pytest.fixture
def valkey_client(valkey_server: RedisServer) -> Iterator[redis.Redis]:
    """A client of the emptied `valkey_server`."""
    yield from emptied(valkey_server)


# Django's cache on one of them


class PointCacheAt(Protocol):
    def __call__(self, url: str, **options: Any) -> redis.Redis: ...


def cache_settings(url: str, **options: Any) -> dict[str, Any]:
    return {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": url, "OPTIONS": options}}


@pytest.fixture
def cache_at(settings: Settings, _no_redis_by_default: None) -> Iterator[PointCacheAt]:
    """Point Django's default cache at a URL, with django-redis OPTIONS; returns the client that the app will get.

    django-redis keeps pools for the life of the process by URL alone, so an earlier test's would be found again.
    """

    def point(url: str, **options: Any) -> redis.Redis:
        ConnectionFactory._pools.clear()
        settings.CACHES = cache_settings(url, **options)
        client: redis.Redis = get_redis_connection("default")
        return client

    yield point
    for pool in ConnectionFactory._pools.values():
        pool.disconnect()
    ConnectionFactory._pools.clear()


@pytest.fixture
def deal_settings(
    settings: Settings, redis_server: RedisServer, redis_client: redis.Redis, cache_at: PointCacheAt
) -> Settings:
    """Settings whose default cache is the emptied `redis_server`."""
    cache_at(redis_server.url)
    return settings


@pytest.fixture
def valkey_settings(
    settings: Settings, valkey_server: RedisServer, valkey_client: redis.Redis, cache_at: PointCacheAt
) -> Settings:
    """Settings whose default cache is the emptied `valkey_server`."""
    cache_at(valkey_server.url)
    return settings


@pytest.fixture
def archive(settings: Settings, tmp_path: Path) -> Path:
    """The folder of a storage that keeps what purges delete."""
    folder = tmp_path / "archive"
    options = {"location": str(folder), "file_permissions_mode": 0o600}
    storage = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options}
    settings.STORAGES = {**settings.STORAGES, "archive": storage}
    settings.DEALPURGE_ARCHIVE = "archive"
    return folder


@pytest.fixture
def fake_server() -> fakeredis.FakeServer:
    """What stands behind `fake_redis`; `fake_server.connected = False` is an outage."""
    return fakeredis.FakeServer()


@pytest.fixture
def fake_redis(cache_at: PointCacheAt, fake_server: fakeredis.FakeServer) -> redis.Redis:
    """Django's default cache on a fakeredis of this test alone, and the client that the app gets."""
    connection = {"connection_class": fakeredis.FakeRedisConnection, "server": fake_server}
    return cache_at("redis://127.0.0.1:1/0", CONNECTION_POOL_KWARGS=connection)


# People


@pytest.fixture
def anonymous() -> AnonymousUser:
    return AnonymousUser()


@pytest.fixture
def staff(db: None) -> User:
    """May see and change deals in the admin, and may not purge."""
    user = User.objects.create_user("staff", password="staff", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="deals"))
    return user


@pytest.fixture
def purger(db: None) -> User:
    """Staff who holds `dealpurge.purge_deals` besides."""
    user = User.objects.create_user("purger", password="purger", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="deals"))
    user.user_permissions.add(Permission.objects.get(content_type__app_label="dealpurge", codename="purge_deals"))
    return user


@pytest.fixture
def superuser(db: None) -> User:
    return User.objects.create_superuser("root", password="root")


@pytest.fixture
def client_of() -> Callable[[User | AnonymousUser], Client]:
    """A browser session of somebody."""

    def log_in(user: User | AnonymousUser) -> Client:
        client = Client()
        if isinstance(user, User):
            client.force_login(user)
        return client

    return log_in


@pytest.fixture
def bearer() -> Callable[[User], dict[str, str]]:
    """The headers of a request with a fresh token of a user."""

    def headers(user: User) -> dict[str, str]:
        return {"Authorization": f"Bearer {AuthToken.objects.create(user=user)[1]}"}

    return headers


# Commands


@pytest.fixture
def purge(capsys: pytest.CaptureFixture[str]) -> Purge:
    """Run the command as ``manage.py`` does."""

    def run(*options: str) -> Outcome:
        code = 0
        try:
            Command().run_from_argv(["manage.py", "purge_deals", *options])
        except SystemExit as end:
            code = int(end.code or 0)
        return Outcome(code, *capsys.readouterr())

    return run
