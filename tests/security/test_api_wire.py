"""The endpoint behind a real web server, asked by somebody who speaks HTTP by hand."""

from __future__ import annotations

import json
import socket
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from knox.models import AuthToken
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from dealpurge.models import PurgeRun
from dealpurge.scope import PurgeScope

from .conftest import PURGE

pytestmark = pytest.mark.django_db(transaction=True)

JSON = "Content-Type: application/json"
DRY = b'{"mode": "all"}'


class Answer(NamedTuple):
    status: int
    head: str
    body: Any


class Wire:
    """Sends bytes, and reads the answer to them without having sent anything more."""

    def __init__(self, url: str, token: str) -> None:
        self.address = (urlsplit(url).hostname, urlsplit(url).port)
        self.token = token

    def __call__(self, *headers: str, body: bytes = DRY, length: int | None = None, path: str = PURGE) -> Answer:
        given = [f"Content-Length: {len(body) if length is None else length}"] if length != -1 else []
        lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Connection: close", JSON, *given, *headers, "", ""]
        with socket.create_connection(self.address, timeout=30) as sock:
            sock.sendall("\r\n".join(lines).encode("latin-1") + body)
            return read(sock)

    @property
    def authorization(self) -> str:
        return f"Authorization: Bearer {self.token}"


def read(sock: socket.socket) -> Answer:
    raw = b""
    while b"\r\n\r\n" not in raw or len(raw.partition(b"\r\n\r\n")[2]) < length_of(raw):
        chunk = sock.recv(65536)
        if not chunk:
            break
        raw += chunk
    head, _, body = raw.decode().partition("\r\n\r\n")
    return Answer(int(head.split()[1]), head, json.loads(body))


def length_of(raw: bytes) -> int:
    lines = raw.partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
    return next(int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:"))


@pytest.fixture
def wire(live_server: LiveServer, superuser: User, engine_calls: list[PurgeScope]) -> Wire:
    """A client with the token of a superuser, which it sends if told to."""
    return Wire(live_server.url, AuthToken.objects.create(user=superuser)[1])


def test_a_good_request_is_answered(wire: Wire) -> None:
    assert wire(wire.authorization).status == 200


# Credentials


def test_two_authorization_headers_are_none(wire: Wire) -> None:
    first, second = wire.authorization, wire.authorization.replace("Authorization", "authorization")

    assert wire(first, second).status == 401
    assert wire("Authorization: Basic cm9vdDpyb290", first).status == 401
    assert wire(first, "Authorization: Bearer x").status == 401


def test_a_folded_header_is_none(wire: Wire) -> None:
    assert wire("Authorization: Bearer", f"\t{wire.token}").status in (400, 401)


def test_an_underscore_is_no_hyphen(wire: Wire) -> None:
    """``X_Foo`` and ``X-Foo`` are one to WSGI, so servers drop the former."""
    assert wire(f"HTTP_AUTHORIZATION: Bearer {wire.token}", f"Http-Authorization: Bearer {wire.token}").status == 401


# Before the body


def test_a_stranger_is_answered_before_the_body(wire: Wire) -> None:
    """Nothing of what is announced was sent by the time of the answer."""
    assert wire(body=b"", length=500).status == 401
    assert wire(body=b"", length=10**12).status == 401
    assert wire("Transfer-Encoding: chunked", body=b"", length=-1).status == 401


def test_a_body_announced_as_too_long_is_not_waited_for(wire: Wire, settings: Settings) -> None:
    settings.DEALPURGE_MAX_BODY_BYTES = 100

    answer = wire(wire.authorization, body=b"", length=101)

    assert (answer.status, answer.body) == (413, {"detail": "Content Too Large"})


def test_a_body_of_the_longest_length_is_read(wire: Wire, settings: Settings) -> None:
    settings.DEALPURGE_MAX_BODY_BYTES = 100

    assert wire(wire.authorization, body=DRY.ljust(100)).status == 200
    assert wire(wire.authorization, body=DRY.ljust(101)).status == 413


def test_a_body_of_unknown_length_is_411(wire: Wire, engine_calls: list[PurgeScope]) -> None:
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(DRY), DRY)

    answer = wire(wire.authorization, "Transfer-Encoding: chunked", body=chunked, length=-1)

    assert (answer.status, answer.body) == (411, {"detail": "Length Required"})
    assert engine_calls == []


@pytest.mark.parametrize("length", ["-5", "1e3", "x", "15, 15"])
def test_a_length_that_is_none_purges_nothing(wire: Wire, engine_calls: list[PurgeScope], length: str) -> None:
    assert wire(wire.authorization, f"Content-Length: {length}", length=-1).status in (400, 422)
    assert engine_calls == []


# The request's own id


GOOD_IDS = ["7f3c", "0194-ab.c:d/e+f=g@h~i", "Root=1-67891233-abcdef012345678912345678", "a" * 200]
BAD_IDS = [
    "",
    "a b",
    "a" * 201,
    "a\tb",
    "a\x1b[31mb",
    "a\x85b",
    "é",
    "<script>",
    'a"b',
    "a;b",
    "a%0d%0aSet-Cookie: x=1",
    "a,b",
    "a\\r\\nb",
    "${jndi:x}",
    "-x",
]


def request_id_of(answer: Answer) -> str | None:
    found = [line.partition(": ")[2] for line in answer.head.split("\r\n") if line.lower().startswith("x-request-id:")]
    return found[0] if found else None


@pytest.mark.parametrize("request_id", GOOD_IDS)
def test_the_requests_own_id_comes_back_with_every_answer(wire: Wire, request_id: str) -> None:
    header = f"X-Request-ID: {request_id}"

    answers = [wire(wire.authorization, header), wire(wire.authorization, header, body=b"{"), wire(header)]

    assert [answer.status for answer in answers] == [200, 422, 401]
    assert [request_id_of(answer) for answer in answers] == [request_id] * 3


@pytest.mark.parametrize("request_id", BAD_IDS)
def test_an_id_that_is_none_is_dropped(wire: Wire, request_id: str) -> None:
    answer = wire(wire.authorization, f"X-Request-ID: {request_id}")

    assert answer.status == 200
    assert request_id_of(answer) is None


def test_two_ids_are_none(wire: Wire) -> None:
    assert request_id_of(wire(wire.authorization, "X-Request-ID: a", "X-Request-ID: b")) is None


@pytest.mark.parametrize("separator", ["\r", "\n", "\r\n ", "\r\n\t", "\u2028".encode().decode("latin-1")])
def test_no_header_can_be_split(wire: Wire, separator: str) -> None:
    try:
        answer = wire(wire.authorization, f"X-Request-ID: a{separator}Set-Cookie: stolen=1")
    except json.JSONDecodeError:  # the web server refused it by itself
        return

    assert "set-cookie" not in answer.head.lower()
    assert answer.head.count("HTTP/1.") == 1


def test_the_run_is_named_by_every_answer_about_one(wire: Wire) -> None:
    answer = wire(wire.authorization)

    assert f"X-Purge-Run-ID: {PurgeRun.objects.get().pk}" in answer.head
