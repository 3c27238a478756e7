"""What a Redis may refuse, and how soon and in which words that is told. What will not pass is not waited for."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis
from pytest_django.fixtures import Settings

from dealpurge.engine.transaction import Opening
from dealpurge.servers.commands import Command
from dealpurge.servers.connection import ServerConnection
from tests.conftest import PointCacheAt
from tests.support.purging import Outcome, run
from tests.support.seeding import HOUR, event_id, key_of, seed_scene
from tests.support.servers import RedisServer, ServerMissingError, free_port, missing, wait_until

pytestmark = pytest.mark.faults

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
#: The line of the README that makes the user.
ACL = re.search(r"^ACL SETUSER purger .*$", README, re.MULTILINE)
COMMANDS = re.findall(r"\+(\w+)", ACL[0]) if ACL else []
#: Nothing is purged without these; without the others of the README's line some things are not known, or not counted.
NEEDED_BY_ALL = {"scan", "unlink"}
NEEDED_BY_GUARD = {*NEEDED_BY_ALL, "type", "time", "xinfo", "zrange", "watch", "multi", "exec"}


def assert_told_at_once(outcome: Outcome, reason: str, words: str, since: float) -> None:
    assert outcome.error is not None
    assert (outcome.error.reason, words in str(outcome.error)) == (reason, True), str(outcome.error)
    assert time.monotonic() - since < 15
    assert outcome.report.keys.deleted == 0


# Permissions


@pytest.fixture
def user(redis_server: RedisServer, redis_client: redis.Redis, cache_at: PointCacheAt) -> Iterator[redis.Redis]:
    """The README's user is there, and the app is that user; a client that may do everything."""
    assert ACL
    let(redis_client, *ACL[0].split()[3:])
    cache_at(f"redis://purger:password@127.0.0.1:{redis_server.port}/0")
    yield redis_client
    redis_client.acl_deluser("purger")


def let(client: redis.Redis, *rules: str) -> None:
    client.execute_command("ACL", "SETUSER", "purger", *rules)  # type: ignore[no-untyped-call]


def seed_all_kinds(client: redis.Redis) -> int:
    """Ten deals each whose activity stands in a stream, a sorted set and a string; how many keys they have."""
    seed_scene(client, deals=10)
    for number in range(10):
        client.zadd(f"canvas:events:zset:{number}", {"edit": time.time() - 10_000})
        client.set(f"canvas:events:string:{number}", "x")
    return 80


@pytest.mark.parametrize("guarded", [False, True])
def test_the_user_of_the_readme_can_purge(user: redis.Redis, guarded: bool) -> None:
    matched = seed_all_kinds(user)

    outcome = run(guarded=guarded)

    assert outcome.error is None
    assert outcome.report.warnings == ()
    assert outcome.report.keys.matched == matched
    assert outcome.report.keys.deleted == (matched - 10 if guarded else matched)  # just written strings are active


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize("command", COMMANDS)
def test_without_one_command(user: redis.Redis, command: str, guarded: bool) -> None:
    matched, started = seed_all_kinds(user), time.monotonic()
    let(user, f"-{command}")
    keys = user.dbsize()

    outcome = run(guarded=guarded)

    if command in (NEEDED_BY_GUARD if guarded else NEEDED_BY_ALL):
        assert_told_at_once(outcome, "permission", f"may not run {command.upper()}", started)
        assert user.dbsize() == keys
    else:
        assert outcome.error is None
        assert outcome.report.keys.deleted == (matched - 10 if guarded else matched)
        assert outcome.warned("INFO is refused") == (command == "info")
        assert outcome.warned("The activity of some deals could not be told") == (command == "object" and guarded)


@pytest.mark.parametrize("missing", ["discard", "multi unwatch"])
def test_a_transaction_that_cannot_be_left_ends_the_run(
    user: redis.Redis, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a connection that still watches or queues, nothing that follows would mean what it says."""
    seed_scene(user, deals=10)
    let(user, *(f"-{command}" for command in missing.split()))

    send = Opening.send

    def wake_all_before(connection: ServerConnection, events: list[bytes], questions: list[Command]) -> object:
        for key in events:
            user.xadd(key, {"kind": "edit"})
        return send(connection, events, questions)

    monkeypatch.setattr(Opening, "send", wake_all_before)
    outcome = run(guarded=True)

    assert outcome.error is not None
    assert outcome.error.reason == "permission"
    assert (outcome.report.keys.deleted, user.dbsize()) == (0, 80)


@pytest.mark.parametrize("guarded", [False, True])
def test_keys_that_the_user_may_not_delete_stay_and_are_counted(user: redis.Redis, guarded: bool) -> None:
    seed_scene(user, deals=10)
    let(user, "resetkeys", "~canvas:*", "~digitization:*", "~intake:*")

    outcome = run(guarded=guarded)

    left = {key for key in user.scan_iter() if key.startswith(b"doc:")}
    assert (outcome.report.status, len(left)) == ("partial", 10)
    assert (outcome.report.keys.deleted, outcome.report.keys.not_removed) == (50, 10)
    assert outcome.report.families["doc_readiness"] == 0


@pytest.mark.parametrize("guarded", [False, True])
def test_a_user_who_may_not_delete_the_keys_of_the_first_family(user: redis.Redis, guarded: bool) -> None:
    seed_scene(user, deals=10)
    let(user, "resetkeys", "~canvas:events:*", "~canvas:image_crop:*", "~doc:*")

    outcome = run(guarded=guarded)

    assert outcome.error is None
    assert (outcome.report.keys.deleted, outcome.report.keys.not_removed) == (30, 30)
    assert user.dbsize() == 20 + 30


def test_a_user_who_may_delete_keys_of_no_family(user: redis.Redis) -> None:
    seed_scene(user, deals=10)
    let(user, "resetkeys", "~session:*")

    outcome = run()

    assert (outcome.error, outcome.report.status) == (None, "partial")
    assert (outcome.report.keys.deleted, outcome.report.keys.not_removed) == (0, 60)


def test_deals_whose_events_the_user_may_not_read_count_as_active(user: redis.Redis) -> None:
    seed_scene(user, deals=14)
    let(user, "resetkeys", "~*:org0:*", "~*:org1:*")

    outcome = run(guarded=True)

    assert outcome.error is None
    assert (outcome.report.deals.purged, outcome.report.deals.skipped_active) == (4, 10)
    assert outcome.report.keys.deleted == 4 * 6
    assert outcome.warned("The activity of some deals could not be told")


# What a server is set to refuse


@pytest.mark.parametrize(
    ("directive", "value", "reason", "words"),
    [
        ("requirepass", "another", "authentication", "password"),
        ("maxclients", "1", "unreachable", "maxclients"),
    ],
)
def test_a_directive(
    redis_server: RedisServer,
    redis_client: redis.Redis,
    cache_at: PointCacheAt,
    directive: str,
    value: str,
    reason: str,
    words: str,
) -> None:
    cache_at(redis_server.url)
    before, started = redis_client.config_get(directive)[directive] or "", time.monotonic()

    redis_client.config_set(directive, value)
    try:
        outcome = run()
    finally:
        redis_client.config_set(directive, before)

    assert_told_at_once(outcome, reason, words, started)


def test_a_server_that_cannot_save(server: RedisServer, client: redis.Redis) -> None:
    scene = seed_scene(client, deals=10)
    shutil.rmtree(server.directory)
    client.config_set("save", "3600 1")
    client.bgsave()
    wait_until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", what="a failed save")
    started = time.monotonic()

    outcome = run()

    client.config_set("save", "")  # or it would refuse to end
    assert_told_at_once(outcome, "refused", "MISCONF", started)
    assert client.dbsize() == len(scene.all)


def test_too_few_replicas_may_pass(client: redis.Redis, settings: Settings) -> None:
    scene = seed_scene(client)

    outcome = run(lambda: refuse_for_a_second(client))

    scene.assert_purged(client)
    assert client.info("errorstats")["errorstat_NOREPLICAS"]["count"] > 0
    assert outcome.report.keys.deleted == len(scene.mine)


def refuse_for_a_second(client: redis.Redis) -> None:
    client.config_set("min-replicas-to-write", 1)
    threading.Timer(1, lambda: client.config_set("min-replicas-to-write", 0)).start()


def test_too_few_replicas_for_good(client: redis.Redis, settings: Settings) -> None:
    settings.DEALPURGE_RETRY_SECONDS = 1
    client.config_set("min-replicas-to-write", 1)
    started = time.monotonic()

    assert_told_at_once(run(), "refused", "NOREPLICAS", started)


# What may stand at the address


@contextmanager
def answering(reply: bytes) -> Iterator[str]:
    """Something that says the same to everybody; its address."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                peer.recv(1000)
                peer.sendall(reply)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


PROTECTED = b"-DENIED Redis is running in protected mode because protected mode is enabled and no password is set\r\n"


@pytest.mark.parametrize(
    ("reply", "reason", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "unreachable", "is no Redis"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", "unreachable", "is no Redis"),
        (b"", "unreachable", "takes connections and drops them"),
        (PROTECTED * 5, "refused", "protected mode"),
    ],
)
def test_something_else_at_the_address(cache_at: PointCacheAt, reply: bytes, reason: str, words: str) -> None:
    with answering(reply) as address:
        cache_at(f"redis://{address}/0")
        started = time.monotonic()
        outcome = run()

    assert_told_at_once(outcome, reason, words, started)


def test_a_port_that_never_answers(cache_at: PointCacheAt) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        cache_at(f"redis://127.0.0.1:{listener.getsockname()[1]}/0", SOCKET_TIMEOUT=3)
        started = time.monotonic()
        outcome = run()

    assert_told_at_once(outcome, "unreachable", "cannot be reached", started)


def test_a_database_that_is_not_there(redis_server: RedisServer, cache_at: PointCacheAt) -> None:
    cache_at(f"redis://127.0.0.1:{redis_server.port}/99")

    assert_told_at_once(run(), "refused", "no database of the number", time.monotonic())


# TLS, which Debian's server speaks and Valkey's wheel does not


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that nobody trusts, with its key beside it."""
    directory = tmp_path_factory.mktemp("tls")
    options = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=redis -addext subjectAltName=IP:127.0.0.1"
    command = ["openssl", *options.split(), "-keyout", "key.pem", "-out", "cert.pem"]
    try:
        subprocess.run(command, cwd=directory, check=True, capture_output=True)
    except FileNotFoundError:
        missing("openssl is not installed (apt-get install openssl)")
    return directory / "cert.pem"


@pytest.fixture(scope="module")
def tls_server(certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """It speaks TLS on another port than the one that the test uses."""
    server = RedisServer(kind="redis", directory=tmp_path_factory.mktemp("server"))
    server.options |= {
        "tls-port": str(free_port()),
        "tls-cert-file": str(certificate),
        "tls-key-file": str(certificate.with_name("key.pem")),
        "tls-auth-clients": "no",
        "tls-ca-cert-file": str(certificate),
    }
    try:
        server.start()
    except ServerMissingError as absent:
        missing(str(absent))
    yield server
    server.stop()


def test_a_purge_over_tls(tls_server: RedisServer, certificate: Path, cache_at: PointCacheAt) -> None:
    cache_at(
        f"rediss://127.0.0.1:{tls_server.options['tls-port']}/0",
        CONNECTION_POOL_KWARGS={"ssl_ca_certs": str(certificate)},
    )
    with tls_server.client() as client:
        scene = seed_scene(client, deals=300, active_every=5)
        for age, keys in ((2 * HOUR, scene.mine), (0, scene.active)):  # large looks go over the same connection
            key = key_of("events", "large", f"seen-{age}")
            client.xadd(key, {"kind": b"x" * 3_000_000}, id=event_id(age))
            keys.add(key)

        outcome = run(guarded=True)

        scene.assert_purged(client)
    assert outcome.report.warnings == ()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("rediss://127.0.0.1:{tls}/0", "certificate of Redis is not trusted"),
        ("redis://127.0.0.1:{tls}/0", "wants TLS"),
        ("rediss://127.0.0.1:{plain}/0", "may speak none"),
    ],
)
def test_tls_on_one_side_only(tls_server: RedisServer, cache_at: PointCacheAt, url: str, words: str) -> None:
    address = url.format(tls=tls_server.options["tls-port"], plain=tls_server.port)
    cache_at(address, SOCKET_TIMEOUT=2)
    started = time.monotonic()

    assert_told_at_once(run(), "unreachable", words, started)
