"""A Redis that speaks TLS, with a certificate of a CA that only the host knows, named as the README names it."""

from __future__ import annotations

import inspect
import shutil
import subprocess
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from packaging.version import Version
from redis.connection import SSLConnection
from redis.sentinel import SentinelManagedSSLConnection

from dealpurge import PurgeConfigurationError, RedisUnavailable
from dealpurge.servers.construction import new_connection
from tests.conftest import PointCacheAt, start_server
from tests.docs.test_readme_blocks import containing
from tests.support.purging import purge
from tests.support.seeding import HOUR, seed_deal
from tests.support.sentinel import readme_options
from tests.support.servers import RedisServer, free_port, missing

SHOWN_ADDRESS, SHOWN_CA = "10.0.0.1:6379", "/etc/ssl/private-ca.pem"
UNTRUSTED, UNREACHABLE = "The TLS certificate of Redis is not trusted", "Redis cannot be reached"
DROPPED = "Redis takes connections and drops them"
NEW_KEY = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass
class Certificates:
    """Of a CA made here: its own, and one that it gave to a server, and to a client; with the extensions that Python
    3.13 asks for (``VERIFY_X509_STRICT``)."""

    directory: Path

    def __post_init__(self) -> None:
        usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
        self._openssl(*NEW_KEY, "-x509", *usage, "-subj", "/CN=a private CA", "-keyout", "ca.key", "-out", "ca.pem")
        for name, extension in (("server", "subjectAltName=IP:127.0.0.1"), ("client", "extendedKeyUsage=clientAuth")):
            self.path(f"{name}.ext").write_text(f"{extension}\nauthorityKeyIdentifier=keyid\n")
            self._openssl(*NEW_KEY, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
            self._openssl(
                *("x509", "-req", "-in", f"{name}.csr", "-extfile", f"{name}.ext", "-out", f"{name}.pem"),
                *("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
            )

    def path(self, name: str) -> Path:
        return self.directory / name

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.directory, check=True, capture_output=True, timeout=60)


@dataclass
class Tls:
    """A server with a port that speaks TLS besides the plain one, and its certificates."""

    server: RedisServer
    port: int
    certificates: Certificates

    def settings(self) -> tuple[str, dict[str, Any]]:
        """LOCATION and OPTIONS of the README, this server and this CA in place of those that it shows."""
        names: dict[str, Any] = {}
        block = containing(f"ssl_ca_certs={SHOWN_CA}")
        text = block.text.replace(SHOWN_ADDRESS, f"127.0.0.1:{self.port}").replace(SHOWN_CA, str(self.ca))
        exec(compile(text, str(block), "exec"), names)  # noqa: S102 - our own README
        cache = names["CACHES"]["default"]
        return cache["LOCATION"], cache.get("OPTIONS", {})

    @property
    def ca(self) -> Path:
        return self.certificates.path("ca.pem")


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tls]:
    if shutil.which("openssl") is None:
        missing("openssl is not installed (apt-get install openssl)")
    certificates = Certificates(tmp_path_factory.mktemp("certificates"))
    directives = {
        "tls-port": str(port := free_port()),
        "tls-cert-file": str(certificates.path("server.pem")),
        "tls-key-file": str(certificates.path("server.key")),
        "tls-ca-cert-file": str(certificates.path("ca.pem")),
        "tls-auth-clients": "no",
    }
    server = start_server("redis", tmp_path_factory.mktemp("tls"), **directives)
    yield Tls(server, port, certificates)
    server.stop()


@pytest.fixture
def client(tls: Tls) -> Iterator[redis.Redis]:
    """Of the plain port, everything of earlier tests gone; in the end clients need no certificate again."""
    with tls.server.client() as client:
        client.flushall()
        yield client
        client.config_set("tls-auth-clients", "no")


@pytest.mark.parametrize("guard", [None, HOUR])
def test_a_ca_in_the_address(tls: Tls, client: redis.Redis, cache_at: PointCacheAt, guard: int | None) -> None:
    keys = seed_deal(client, "acme", "deal-1", age=2 * HOUR)
    location, options = tls.settings()
    cache_at(location, **options)

    report = purge(exclude_active_within_secs=guard)

    assert (report.keys.deleted, client.dbsize()) == (len(keys), 0)


def test_a_ca_next_to_the_address(tls: Tls, client: redis.Redis, cache_at: PointCacheAt) -> None:
    keys = seed_deal(client, "acme", "deal-1")
    cache_at(f"rediss://127.0.0.1:{tls.port}/0", CONNECTION_POOL_KWARGS={"ssl_ca_certs": str(tls.ca)})

    assert purge().keys.deleted == len(keys)


def test_a_certificate_of_the_client(tls: Tls, client: redis.Redis, cache_at: PointCacheAt) -> None:
    keys = seed_deal(client, "acme", "deal-1")
    client.config_set("tls-auth-clients", "yes")
    certificate, key = tls.certificates.path("client.pem"), tls.certificates.path("client.key")
    cache_at(f"{tls.settings()[0]}&ssl_certfile={certificate}&ssl_keyfile={key}")

    assert purge().keys.deleted == len(keys)


def test_a_primary_behind_sentinel_is_met_with_tls(cache_at: PointCacheAt) -> None:
    location, options = readme_options(("127.0.0.1", 1))

    pool: Any = cache_at(location, **options, CONNECTION_POOL_KWARGS={"ssl": True, "ssl_ca_certs": SHOWN_CA})

    connection = new_connection(pool.connection_pool, connection_pool=pool.connection_pool)
    assert isinstance(connection, SentinelManagedSSLConnection)
    assert connection.ca_certs == SHOWN_CA


@pytest.mark.parametrize(
    ("host", "query", "words"),
    [
        pytest.param("127.0.0.1", "", UNTRUSTED, id="a CA that is not named"),
        pytest.param("localhost", "?ssl_ca_certs={ca}&ssl_check_hostname=true", UNTRUSTED, id="another name"),
    ],
)
def test_what_is_read_otherwise(
    tls: Tls, client: redis.Redis, cache_at: PointCacheAt, host: str, query: str, words: str
) -> None:
    cache_at(f"rediss://{host}:{tls.port}/0{query.format(ca=tls.ca)}")

    with pytest.raises(RedisUnavailable, match=words):
        purge()


OTHERS = "?ssl_ca_certs={ca}&"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("?ssl_ca_certs=/nowhere.pem", "FileNotFoundError"),
        (f"{OTHERS}ssl_certfile=/nowhere.pem", "FileNotFoundError"),
        (f"{OTHERS}ssl_certfile={{ca}}&ssl_keyfile=/nowhere.key", "FileNotFoundError"),
        (f"{OTHERS}ssl_certfile={{ca}}&ssl_keyfile={{ca}}", "SSLError"),
        (f"{OTHERS}ssl_ciphers=none-of-them", "SSLError"),
        (f"{OTHERS}ssl_cert_reqs=CERT_NONE", "ssl_cert_reqs"),
        (f"{OTHERS}ssl_nonsense=1", "ssl_nonsense"),
        (f"{OTHERS}protocol=7", "protocol"),
    ],
)
def test_options_that_are_wrong_are_told_at_once(tls: Tls, cache_at: PointCacheAt, query: str, words: str) -> None:
    cache_at(f"rediss://:geheim@127.0.0.1:{tls.port}/0{query.format(ca=tls.ca)}")
    started = time.monotonic()

    with pytest.raises(PurgeConfigurationError, match=words) as refusal:
        purge()

    assert time.monotonic() - started < 2
    told = "".join(traceback.format_exception(refusal.value))
    assert "geheim" not in told


def test_tls_with_sentinel_is_asked_for_otherwise(cache_at: PointCacheAt) -> None:
    location, options = readme_options(("127.0.0.1", 1))
    cache_at(location.replace("redis://", "rediss://"), **options)

    with pytest.raises(PurgeConfigurationError, match="With Sentinel, TLS is no rediss://"):
        purge()


def test_options_for_sentinels_that_are_wrong(cache_at: PointCacheAt) -> None:
    location, options = readme_options(("127.0.0.1", 1))
    cache_at(location, **{**options, "SENTINEL_KWARGS": {"ssl": True, "ssl_cert_reqs": "CERT_NONE"}})

    with pytest.raises(PurgeConfigurationError, match="ssl_cert_reqs"):
        purge()


def test_what_is_read_without_a_certificate_of_the_client(
    tls: Tls, client: redis.Redis, cache_at: PointCacheAt
) -> None:
    client.config_set("tls-auth-clients", "yes")
    cache_at(tls.settings()[0])

    # The server refuses after the handshake, so either the answer or the end of the connection is read first.
    with pytest.raises(RedisUnavailable, match=f"{UNREACHABLE}|{DROPPED}"):
        purge()


def test_whose_names_are_compared_without_being_told_so() -> None:
    default = inspect.signature(SSLConnection).parameters["ssl_check_hostname"].default

    assert default is (Version(redis.__version__) >= Version("6"))
