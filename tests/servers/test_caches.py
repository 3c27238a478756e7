"""Whatever the host's django-redis cache is told about its connections: a purge takes the deals of its Redis alone."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from django_redis import get_redis_connection
from django_redis.pool import ConnectionFactory
from pytest_django.fixtures import Settings
from redis.credentials import UsernamePasswordCredentialProvider

from dealpurge.exceptions import RedisUnavailable
from dealpurge.servers import commands
from tests.conftest import PointCacheAt, start_server
from tests.support.purging import purge
from tests.support.seeding import HOUR, names, seed_deal
from tests.support.servers import RedisServer, free_port, missing

PASSWORD = "p@ss:/wörd"
QUOTED = "p%40ss%3A%2Fw%C3%B6rd"
OTHER_DATABASE = 3

#: What stands for itself in a URL: {port}, {tls}, {socket} and {certs}, a folder.
PLAIN = "redis://127.0.0.1:{port}/0"
TLS = "rediss://localhost:{tls}/0"


class OwnFactory(ConnectionFactory):  # type: ignore[misc]  # django-redis is not typed in all its versions
    """A host's factory that knows the password by itself."""

    def make_connection_params(self, url: str) -> dict[str, Any]:
        return {**super().make_connection_params(url), "username": "purger", "password": PASSWORD}


class ShieldedClient(redis.Redis):
    """A host's client that refuses to delete anything."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        if str(args[0]).upper() in ("DEL", "UNLINK", "FLUSHDB", "FLUSHALL"):
            raise AssertionError("this client is the host's")
        return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]


def own_key(key: str, prefix: str, version: int) -> str:
    return f"{prefix}/{version}/{key}"


def pool(**kwargs: Any) -> dict[str, Any]:
    return {"OPTIONS": {"CONNECTION_POOL_KWARGS": kwargs}}


def options(**kwargs: Any) -> dict[str, Any]:
    return {"OPTIONS": kwargs}


CA = {"ssl_ca_certs": "{certs}/ca.crt"}
CERTIFICATE = {**CA, "ssl_certfile": "{certs}/server.crt", "ssl_keyfile": "{certs}/server.key"}

#: LOCATION and what else stands in the cache's settings.
CACHES: dict[str, tuple[str | list[str], dict[str, Any]]] = {
    # The protocol
    "RESP2": (f"{PLAIN}?protocol=2", {}),
    "RESP3": (f"{PLAIN}?protocol=3", {}),
    "RESP3 and decoded": (PLAIN, pool(protocol=3, decode_responses=True)),
    "decoded": (PLAIN, pool(decode_responses=True)),
    "decoded as ASCII": (f"{PLAIN}?decode_responses=yes&encoding=ascii", {}),
    "Python's parser": (PLAIN, options(PARSER_CLASS="redis.connection._RESP2Parser")),
    # What the cache does to keys and values, and a purge does not
    "serializer and compressor": (
        PLAIN,
        options(
            SERIALIZER="django_redis.serializers.json.JSONSerializer",
            COMPRESSOR="django_redis.compressors.zlib.ZlibCompressor",
        ),
    ),
    "prefix and version": (PLAIN, {"KEY_PREFIX": "site", "VERSION": 7}),
    "key function": (PLAIN, {"KEY_FUNCTION": "tests.servers.test_caches.own_key"}),
    "exceptions ignored": (PLAIN, options(IGNORE_EXCEPTIONS=True)),
    "client of herds": (PLAIN, options(CLIENT_CLASS="django_redis.client.HerdClient")),
    # Pools, factories and clients
    "one connection": (PLAIN, pool(max_connections=1)),
    "blocking pool": (
        PLAIN,
        options(
            CONNECTION_POOL_CLASS="redis.connection.BlockingConnectionPool",
            CONNECTION_POOL_KWARGS={"max_connections": 1, "timeout": 1},
        ),
    ),
    "own factory": (PLAIN, options(CONNECTION_FACTORY="tests.servers.test_caches.OwnFactory")),
    "own client": (PLAIN, options(REDIS_CLIENT_CLASS="tests.servers.test_caches.ShieldedClient")),
    "single connection": (PLAIN, options(REDIS_CLIENT_KWARGS={"single_connection_client": True})),
    "health checks and retries": (PLAIN, pool(health_check_interval=1, retry_on_timeout=True, socket_keepalive=True)),
    "timeouts": (PLAIN, options(SOCKET_TIMEOUT=3, SOCKET_CONNECT_TIMEOUT=3)),
    "first is the primary": ([PLAIN, "redis://127.0.0.1:1/0"], {}),
    # Where it is, and who asks
    "no database named": ("redis://127.0.0.1:{port}", {}),
    "database in the path": (f"redis://127.0.0.1:{{port}}/{OTHER_DATABASE}", {}),
    "database in the query": (f"redis://127.0.0.1:{{port}}?db={OTHER_DATABASE}", {}),
    "database of the pool": ("redis://127.0.0.1:{port}", pool(db=OTHER_DATABASE)),
    "Unix socket": ("unix://{socket}", {}),
    "Unix socket, database": (f"unix://{{socket}}?db={OTHER_DATABASE}", {}),
    "Unix socket, user": (f"unix://purger:{QUOTED}@{{socket}}?db={OTHER_DATABASE}", {}),
    "user in the URL": (f"redis://purger:{QUOTED}@127.0.0.1:{{port}}/0", {}),
    "user of the pool": (PLAIN, pool(username="purger", password=PASSWORD)),
    "user of a provider": (PLAIN, pool(credential_provider=UsernamePasswordCredentialProvider("purger", PASSWORD))),
}
OTHERS = {"database in the path", "database in the query", "database of the pool", "Unix socket, database"}
OTHERS |= {"Unix socket, user"}
TLS_CACHES: dict[str, tuple[str, dict[str, Any]]] = {
    "authority in the URL": (f"{TLS}?ssl_ca_certs={{certs}}/ca.crt", {}),
    "authority of the pool": (TLS, pool(**CA)),
    "nothing verified": (f"{TLS}?ssl_cert_reqs=none", {}),
    "client's certificate": (TLS, pool(**CERTIFICATE)),
    "RESP3": (TLS, pool(**CA, protocol=3)),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server with a Unix socket besides."""
    directory = tmp_path_factory.mktemp("connections")
    server = start_server("valkey", directory, unixsocket=str(directory / "redis.sock"))
    with server.client() as client:
        client.acl_setuser("purger", enabled=True, passwords=[f"+{PASSWORD}"], categories=["+@all"], keys=["*"])
    yield server
    server.stop()


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server with a certificate of an authority of its own, for TLS besides plain TCP."""
    if shutil.which("openssl") is None:
        missing("openssl is not installed (apt-get install openssl)")
    directory = tmp_path_factory.mktemp("tls")
    certify(directory)
    files = {name: str(directory / file) for name, file in FILES.items()}
    server = start_server("redis", directory, **{"tls-port": str(free_port()), "tls-auth-clients": "optional", **files})
    yield server
    server.stop()


FILES = {"tls-cert-file": "server.crt", "tls-key-file": "server.key", "tls-ca-cert-file": "ca.crt"}


def certify(directory: Path) -> None:
    """An authority, another one, and a certificate of the first for localhost."""
    for name in ("ca", "stranger"):
        openssl(directory, "req", "-x509", "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.crt")
    signed = ("-CA", "ca.crt", "-CAkey", "ca.key", "-addext", "subjectAltName=DNS:localhost")
    openssl(directory, "req", "-x509", "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.crt", *signed)


def openssl(directory: Path, command: str, *words: str) -> None:
    # Python 3.13 asks for the usage of every key.
    usage = ("-addext", "keyUsage=critical,keyCertSign,digitalSignature")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    subprocess.run(
        ["openssl", command, *key, *usage, *words], cwd=directory, check=True, capture_output=True, timeout=30
    )


def filled(value: Any, places: dict[str, Any]) -> Any:
    """The value with the server's places wherever it names them."""
    if isinstance(value, dict):
        return {name: filled(item, places) for name, item in value.items()}
    if isinstance(value, list):
        return [filled(item, places) for item in value]
    return value.format(**places) if isinstance(value, str) else value


@pytest.fixture
def point(settings: Settings, cache_at: PointCacheAt) -> Any:
    """Point Django's cache at a server in one of the ways above; the client that the host gets."""

    def configure(server: RedisServer, location: Any, extra: dict[str, Any]) -> Any:
        places = {
            "port": server.port,
            "tls": server.options.get("tls-port"),
            "socket": server.options.get("unixsocket"),
            "certs": server.directory,
        }
        cache_at(server.url)
        settings.CACHES = {
            "default": {"BACKEND": "django_redis.cache.RedisCache", **filled({"LOCATION": location, **extra}, places)}
        }
        ConnectionFactory._pools.clear()
        return get_redis_connection("default")

    return configure


def assert_the_deals_go(client: redis.Redis) -> None:
    """A guarded purge takes the idle deal, another one the active, and neither what is nobody's."""
    client.flushall()
    idle = set(seed_deal(client, "acme", "deal-1", age=2 * HOUR))
    active = set(seed_deal(client, "acme", "deal-2", age=0))
    client.mset(dict.fromkeys(STRANGERS, "x"))

    report = purge(exclude_active_within_secs=HOUR)
    assert (report.keys.deleted, report.keys.matched, report.warnings) == (len(idle), len(idle | active), ())
    assert names(client) == active | STRANGERS

    assert purge(mode="by_deal", deals=(("acme", "deal-2"),)).keys.deleted == len(active)
    assert names(client) == STRANGERS


#: Keys that no family claims, some as the caches above would write them.
STRANGERS = {f"{head}canvas:lock:acme:deal-1" for head in (":1:", "site:7:", "/1/", "x")}


@pytest.mark.parametrize("name", CACHES)
def test_a_purge_takes_the_deals_and_leaves_the_host_its_connections(
    server: RedisServer, point: Any, name: str
) -> None:
    host = point(server, *CACHES[name])

    with server.client(db=OTHER_DATABASE if name in OTHERS else 0) as client:
        assert_the_deals_go(client)

    assert host.ping()
    host.connection_pool.disconnect()


@pytest.mark.parametrize(("location", "extra"), TLS_CACHES.values(), ids=TLS_CACHES.keys())
def test_over_tls(tls_server: RedisServer, point: Any, location: str, extra: dict[str, Any]) -> None:
    point(tls_server, location, extra)

    with tls_server.client() as client:
        assert_the_deals_go(client)


def test_without_hiredis(server: RedisServer, point: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_pack", None)
    point(server, *CACHES["Python's parser"])

    with server.client() as client:
        assert_the_deals_go(client)


def test_while_the_host_holds_every_connection_of_its_pool(server: RedisServer, point: Any) -> None:
    host = point(server, *CACHES["one connection"])
    with host.client() as held, server.client() as client:
        assert held.ping()
        assert_the_deals_go(client)


def test_keys_of_other_databases_stay(server: RedisServer, point: Any) -> None:
    point(server, *CACHES["database in the path"])
    with server.client(db=0) as client:
        client.flushall()
        keys = seed_deal(client, "acme", "deal-1")

        assert purge().keys.scanned == 0
        assert names(client) == set(keys)


@pytest.mark.parametrize(
    ("location", "extra"),
    [
        (f"{TLS}?ssl_ca_certs={{certs}}/stranger.crt", {}),
        (TLS, {}),
        (TLS.replace("localhost", "127.0.0.1"), pool(**CA, ssl_check_hostname=True)),
        (PLAIN.replace("{port}", "{tls}"), {}),
        (TLS.replace("{tls}", "{port}"), pool(**CA)),
    ],
    ids=["another authority", "no authority", "another name", "plain to TLS", "TLS to plain"],
)
def test_a_server_that_cannot_be_trusted_is_none(
    settings: Settings, tls_server: RedisServer, point: Any, location: str, extra: dict[str, Any]
) -> None:
    settings.DEALPURGE_RETRY_SECONDS = 0
    point(
        tls_server,
        location,
        {"OPTIONS": {**extra.get("OPTIONS", {}), "SOCKET_TIMEOUT": 0.5, "IGNORE_EXCEPTIONS": True}},
    )

    with tls_server.client() as client:
        client.flushall()
        keys = seed_deal(client, "acme", "deal-1")
        with pytest.raises(RedisUnavailable) as refusal:
            purge()
        assert refusal.value.reason == "unreachable"
        assert names(client) == set(keys)
