"""Bytes on a socket, against the server of the demo; and chunks, as an ASGI server hands them on."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.asgi import get_asgi_application
from pytest_django.fixtures import Settings
from rest_framework.authentication import TokenAuthentication

from dealpurge.scope import PurgeScope
from project.deals.serving import web_server

from .conftest import PATH

BODY = b'{"mode": "all"}'
TOKEN = "Authorization: Bearer good"
LINE = f"POST {PATH} HTTP/1.1"
ALL = [PurgeScope(mode="all")]
LIMIT = 1_048_576
SECONDS = 30

Reply = tuple[int, dict[str, str], bytes]
Talk = Callable[..., list[Reply]]


class OneGoodToken(TokenAuthentication):
    """So that no database is needed to tell bytes from bytes."""

    keyword = "Bearer"

    def authenticate_credentials(self, key: str) -> tuple[User, str] | None:  # type: ignore[override]
        return (User(username="root", is_superuser=True), key) if key == "good" else None


@pytest.fixture(autouse=True)
def _one_good_token(settings: Settings) -> None:
    settings.DEALPURGE_AUTHENTICATION_CLASSES = [f"{__name__}.OneGoodToken"]


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    with web_server(0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield ("127.0.0.1", server.server_port)
        server.shutdown()
        thread.join(SECONDS)


@pytest.fixture
def talk(address: tuple[str, int]) -> Talk:
    """Say this, then nothing more, and listen until the server hangs up."""

    def talk(*pieces: bytes) -> list[Reply]:
        with socket.create_connection(address, SECONDS) as line:
            for piece in pieces:
                line.sendall(piece)
            line.shutdown(socket.SHUT_WR)
            heard = b"".join(iter(lambda: line.recv(65536), b""))
        return list(replies(heard))

    return talk


def replies(heard: bytes) -> Iterator[Reply]:
    stream = BytesIO(heard)
    while line := stream.readline():
        head = list(iter(lambda: stream.readline().strip().decode("latin-1"), ""))
        headers = {name.lower(): value for name, _, value in (text.partition(": ") for text in head)}
        yield int(line.split()[1]), headers, stream.read(int(headers.get("content-length", 0)))


def request(*headers: str, body: bytes = BODY, line: str = LINE, length: str | None = None) -> bytes:
    """A request with the token and the right length, or another one, or with "none" none."""
    sized = [] if length == "none" else [f"Content-Length: {len(body) if length is None else length}"]
    lines = [line, "Host: 127.0.0.1", TOKEN, *sized, *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


JSON_TYPE = "Content-Type: application/json"


def the_type(reply: Reply) -> str:
    detail = json.loads(reply[2])["detail"]
    return str(detail if isinstance(detail, str) else detail[0]["type"])


#: Lengths that are right, those that are wrong, and what comes of them.
LENGTHS = [
    ("15", 200, ""),
    ("015", 200, ""),
    ("none", 422, "missing"),
    ("", 422, "missing"),
    ("0", 422, "missing"),
    ("10", 422, "json_invalid"),
    ("14", 422, "json_invalid"),
    ("16", 400, "There was an error parsing the body"),
    ("1000000", 400, "There was an error parsing the body"),
    ("1048576", 400, "There was an error parsing the body"),
    ("1048577", 413, "Content Too Large"),
    ("99999999999", 413, "Content Too Large"),
    *[
        (text, 400, "There was an error parsing the body")
        for text in ("-1", "-15", "+15", "1_5", "15abc", "abc", "0x0f", "15.0", "1e1", "15, 15", "15,0", "1 5", "\xb2")
    ],
]


@pytest.mark.parametrize(("length", "status", "words"), LENGTHS)
def test_a_length(talk: Talk, asked: list[PurgeScope], length: str, status: int, words: str) -> None:
    reply, *_ = talk(request(JSON_TYPE, "Connection: close", length=length))

    assert (reply[0], reply[1]["content-type"]) == (status, "application/json")
    assert status == 200 or the_type(reply) == words
    assert asked == (ALL if status == 200 else [])


@pytest.mark.parametrize(("first", "second"), [("15", "15"), ("0", "15"), ("10", "15"), ("-1", "15"), ("abc", "15")])
def test_two_lengths(talk: Talk, asked: list[PurgeScope], first: str, second: str) -> None:
    """The server goes by the first one; a body that is cut by it is no body."""
    reply, *_ = talk(request(JSON_TYPE, f"Content-Length: {second}", "Connection: close", length=first))

    assert reply[0] == (200 if first == "15" else 400 if first in ("-1", "abc") else 422)
    assert asked == (ALL if first == "15" else [])


CHUNKED = b"f\r\n" + BODY + b"\r\n0\r\n\r\n"


@pytest.mark.parametrize("length", ["none", "15", "0"])
@pytest.mark.parametrize("coding", ["chunked", "Chunked", "identity", "gzip, chunked", "x"])
def test_a_body_that_the_server_cannot_find_the_end_of(
    talk: Talk, asked: list[PurgeScope], coding: str, length: str
) -> None:
    coded = request(JSON_TYPE, f"Transfer-Encoding: {coding}", "Connection: close", body=CHUNKED, length=length)

    reply, *_ = talk(coded)

    assert (reply[0], the_type(reply)) == (411, "Length Required")
    assert asked == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([JSON_TYPE], 200),
        ([], 200),
        (["Content-Type: text/plain"], 422),
        (["Content-Type:"], 200),
        ([JSON_TYPE, "Expect: 100-continue"], 200),
        ([JSON_TYPE, "expect: 100-CONTINUE"], 200),
        ([JSON_TYPE, "Accept: text/html", "Accept: image/png"], 200),
        ([JSON_TYPE, TOKEN], 401),
        ([JSON_TYPE, "Authorization: Bearer bad"], 401),
        ([JSON_TYPE, "Prefer: wait=1", "Prefer: x"], 200),
        ([JSON_TYPE, "X-Noise: \xff\xfe"], 200),
        ([JSON_TYPE, "X-Folded: a\r\n b"], 200),
        ([JSON_TYPE, "Cookie: \xe9"], 200),
        (["Content-Type: application/json; a=\xff"], 200),
    ],
    ids=str,
)
def test_headers(talk: Talk, asked: list[PurgeScope], headers: list[str], status: int) -> None:
    final = [reply for reply in talk(request(*headers)) if reply[0] != 100]

    assert [(reply[0], reply[1]["content-type"]) for reply in final] == [(status, "application/json")]
    assert asked == (ALL if status == 200 else [])


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (f"POST {PATH} HTTP/1.0", 200),
        (f"POST {PATH}?dry_run=false HTTP/1.1", 200),
        (f"POST {PATH}/ HTTP/1.1", 404),
        (f"POST {PATH}%20 HTTP/1.1", 404),
        (f"POST {PATH}%FF HTTP/1.1", 404),
        (f"TRACE {PATH} HTTP/1.1", 405),
        (f"OPTIONS {PATH} HTTP/1.1", 405),
        (f"HEAD {PATH} HTTP/1.1", 405),
        (f"CONNECT {PATH} HTTP/1.1", 405),
        (f"PRI {PATH} HTTP/1.1", 405),
        (f"X-Y {PATH} HTTP/1.1", 405),
    ],
)
def test_lines(talk: Talk, asked: list[PurgeScope], line: str, status: int) -> None:
    reply, *_ = talk(request(JSON_TYPE, "Connection: close", line=line))

    assert (reply[0], reply[1]["content-type"]) == (status, "application/json")
    assert asked == (ALL if status == 200 else [])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"\xff", 400),
        (b"\x00" * 100, 422),
        (b"\xef\xbb\xbf" + BODY, 200),
        (b'{"mode": "all"}'.decode().encode("utf-16"), 200),
        (b'{"mode": "all"}'.decode().encode("utf-32"), 200),
        (BODY + b" " * (LIMIT - len(BODY)), 200),
        (BODY + b" " * (LIMIT + 1 - len(BODY)), 413),
        (b"[" * LIMIT, 400),
        (b"9" * LIMIT, 400),
        (b'"' * LIMIT, 422),
        (b'{"a":' * (LIMIT // 5), 400),
    ],
    ids=lambda value: f"{value[:12]!r}{len(value)}" if isinstance(value, bytes) else str(value),
)
def test_the_next_request_on_the_line_is_read_for_itself(
    talk: Talk, asked: list[PurgeScope], body: bytes, status: int
) -> None:
    last = request(JSON_TYPE, body=b'{"mode": "by_deal", "deal_id": "a"}')

    answers = talk(request(JSON_TYPE, body=body), last)

    assert [reply[0] for reply in answers] == [status, 200]
    assert [scope.mode for scope in asked] == (["all", "by_deal"] if status == 200 else ["by_deal"])


def test_a_body_in_pieces(talk: Talk, asked: list[PurgeScope]) -> None:
    whole = request(JSON_TYPE)

    assert [reply[0] for reply in talk(*(whole[i : i + 7] for i in range(0, len(whole), 7)))] == [200]
    assert asked == ALL


# Without Content-Length, in as many messages as the server likes.


def through_asgi(*chunks: bytes, whole: bool = True, **headers: str) -> tuple[int, Any] | None:
    """What the ASGI application answers; None for nothing."""
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append({"type": "http.request", "body": b"", "more_body": False} if whole else {"type": "http.disconnect"})
    sent: list[dict[str, Any]] = []
    named = {"host": "127.0.0.1", "authorization": "Bearer good", "content-type": "application/json"} | headers

    async def receive() -> dict[str, Any]:
        if not messages:
            await asyncio.sleep(SECONDS)  # the client stays and says nothing, until it is not asked any more
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": PATH,
        "query_string": b"",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in named.items()],
    }
    asyncio.run(get_asgi_application()(scope, receive, send))
    if not sent:
        return None
    return sent[0]["status"], json.loads(b"".join(message.get("body", b"") for message in sent[1:]))


@pytest.mark.parametrize(
    ("chunks", "status"),
    [
        ([BODY], 200),
        ([BODY[:5], BODY[5:]], 200),
        ([BODY[i : i + 1] for i in range(len(BODY))], 200),
        ([], 422),
        ([b"", b""], 422),
        ([BODY[:5]], 422),
        ([b"\xff"], 400),
        ([BODY, b" " * (LIMIT - len(BODY))], 200),
        ([BODY, b" " * (LIMIT - len(BODY)), b" "], 413),
        ([b" " * 65536] * 100, 413),
    ],
    ids=lambda value: f"{len(value)} chunks, {sum(map(len, value))}" if isinstance(value, list) else str(value),
)
def test_chunks(asked: list[PurgeScope], chunks: list[bytes], status: int) -> None:
    answered = through_asgi(*chunks, transfer_encoding="chunked")

    assert answered is not None
    assert answered[0] == status
    assert asked == (ALL if status == 200 else [])


@pytest.mark.parametrize("chunks", [[], [BODY[:5]], [BODY]])
def test_a_client_that_goes_away_gets_nothing_done(asked: list[PurgeScope], chunks: list[bytes]) -> None:
    assert through_asgi(*chunks, whole=False, transfer_encoding="chunked") is None
    assert asked == []


@pytest.mark.parametrize(
    ("length", "status"), [("15", 200), ("16", 400), ("15,15", 400), ("-1", 400), ("x", 400), ("9" * 17, 413)]
)
def test_lengths_that_an_asgi_server_lets_through(asked: list[PurgeScope], length: str, status: int) -> None:
    answered = through_asgi(BODY, content_length=length)

    assert answered is not None
    assert answered[0] == status
    assert asked == (ALL if status == 200 else [])
