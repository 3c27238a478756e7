"""Methods, paths, media types and what else stands around a body."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dealpurge.scope import PurgeScope

from .conftest import JSON, PATH, Bearer, Post

pytestmark = pytest.mark.django_db

ALL = [PurgeScope(mode="all")]
BODY = b'{"mode": "all"}'

JSON_TYPES = [
    "application/json", "APPLICATION/JSON", "Application/Json", "application/json; charset=utf-8",
    "application/json;charset=x",
    'application/json; charset="utf-8"', "application/json ; a=b", " application/json", "application/json ",
    "application/json;",
    "application/json;;", "application/json; charset", "application/json; a=application/xml", "application/json\t; a=b",
    "application/problem+json", "application/vnd.api+json", "application/vnd.x+JSON", "application/x.y-z+json; v=1",
    "application/json-patch+json", "application/+json", "application/a+b+json", "",
]  # fmt: skip

OTHER_TYPES = [
    "text/plain", "text/json", "text/html", "text/x+json", "image/png", "application/x-www-form-urlencoded",
    "application/xml",
    "multipart/form-data", "multipart/form-data; boundary=x", "application/octet-stream",
    "application/jsonp", "application/x-json",
    "application/json-seq", "application/x-ndjson", "application/json+xml", "application/*", "*/*",
    "application", "json", "/json",
    "application/", "application/json/", "application/json, text/plain", "text/plain; a=application/json",
    '"application/json"',
    "application/json,application/json", "None", ";", ",", "; application/json", "application/jsoné",
]  # fmt: skip

METHODS = [
    "GET",
    "HEAD",
    "OPTIONS",
    "TRACE",
    "PUT",
    "PATCH",
    "DELETE",
    "CONNECT",
    "PURGE",
    "PROPFIND",
    "LOCK",
    "GETS",
    "X",
]

ELSEWHERE = [
    f"{PATH}/", f"{PATH}//", f"{PATH}/all", f"{PATH}/..", f"{PATH}%0A", f"{PATH}%20", f"{PATH}%00",
    f"{PATH}%2F", f"{PATH}.json",
    f"{PATH};a=b", "/api/superadmin/purge_deal", "/api/superadmin/PURGE_DEALS", "/api/superadmin/purge-deals",
    "/api/superadmin//purge_deals", "/api/superadmin", "/api/superadmin/", "/api/superadmin/purge_runs",
    "/api/superadmin/purge_runs/", "/api/superadmin/purge_runs/1", "/api/superadmin/purge_runs/%0A", "/api/purge_deals",
    "/api/superadmin/purge_runs/6f9d2c1e-3c54-4b7e-9d3c-0d9a6c3f2b11/", "/api/", "/api/v1/superadmin/purge_deals",
    "/api/superadmin/purge_runs/6f9d2c1e-3c54-4b7e-9d3c-0d9a6c3f2b11/cancel/", "/api/superadmin/%E9",
]  # fmt: skip


@pytest.mark.parametrize("content_type", JSON_TYPES)
def test_a_type_that_is_json(post: Post, asked: list[PurgeScope], content_type: str) -> None:
    assert post(BODY, content_type=content_type).status_code == 200
    assert post(b"x", content_type=content_type).json()["detail"][0]["type"] == "json_invalid"
    assert asked == ALL


@pytest.mark.parametrize("content_type", OTHER_TYPES)
@pytest.mark.parametrize("raw", [BODY, b"x", b"null", b'{"mode": "all", "dry_run": false}', b"mode=all&dry_run=false"])
def test_a_type_that_is_not(post: Post, asked: list[PurgeScope], content_type: str, raw: bytes) -> None:
    answer = post(raw, content_type=content_type)

    assert answer.status_code == 422
    assert answer.json()["detail"] == [
        {
            "type": "model_attributes_type",
            "loc": ["body"],
            "msg": "Input should be a valid dictionary or object to extract fields from",
            "input": raw.decode(),
        }
    ]
    assert asked == []


@pytest.mark.parametrize("content_type", [JSON, "text/plain", "", "multipart/form-data; boundary=x", "é"])
def test_nothing_is_missing_whatever_its_type(post: Post, asked: list[PurgeScope], content_type: str) -> None:
    answer = post(b"", content_type=content_type)

    assert answer.status_code == 422
    assert answer.json()["detail"][0] == {"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}
    assert asked == []


@pytest.mark.parametrize("raw", [b"\xff", b"\x00\xff", b"a" * 5000])
def test_text_of_another_type_is_echoed_as_well_as_can_be(post: Post, asked: list[PurgeScope], raw: bytes) -> None:
    item = post(raw, content_type="text/plain").json()["detail"][0]

    assert item["input"] == raw.decode(errors="backslashreplace")[:1000]
    assert asked == []


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("with_token", [True, False])
def test_another_method(
    http: Client, superuser: User, bearer: Bearer, asked: list[PurgeScope], method: str, with_token: bool
) -> None:
    """Before the token is looked at, as routers do."""
    headers = bearer(superuser) if with_token else {}
    answer = http.generic(method, PATH, BODY, content_type=JSON, headers=headers)

    assert (answer.status_code, answer.headers["Allow"], answer.headers["Content-Type"]) == (405, "POST", JSON)
    assert answer.content == (b"" if method == "HEAD" else b'{"detail": "Method Not Allowed"}')
    assert asked == []


@pytest.mark.parametrize("path", ELSEWHERE)
@pytest.mark.parametrize("method", ["POST", "GET", "OPTIONS"])
def test_another_path(
    http: Client, superuser: User, bearer: Bearer, asked: list[PurgeScope], path: str, method: str
) -> None:
    answer = http.generic(method, path, BODY, content_type=JSON, headers=bearer(superuser))

    assert (answer.status_code, answer.headers["Content-Type"]) == (404, JSON)
    assert answer.content == b'{"detail": "Not Found"}'
    assert asked == []


@pytest.mark.parametrize("path", [f"{PATH}/", "/api/superadmin/nothing"])
def test_another_path_while_developing(http: Client, settings: Any, path: str) -> None:
    """Django's own page would be HTML, and show the settings."""
    settings.DEBUG = True

    assert http.post(path).json() == {"detail": "Not Found"}


@pytest.mark.parametrize(
    "accept",
    ["*/*", "", "text/html", "application/xml", "image/png", "application/json;q=0", "text/html,*/*;q=0.1",
    "x", "/", ";;",
     "application/json; version=2", "a" * 5000],
)  # fmt: skip
@pytest.mark.parametrize("body", [BODY, b""])
def test_what_is_accepted_makes_no_difference(post: Post, asked: list[PurgeScope], accept: str, body: bytes) -> None:
    assert post(body, Accept=accept).status_code == (200 if body else 422)
    assert asked == (ALL if body else [])


@pytest.mark.parametrize(
    "query",
    ["?mode=by_deal&deal_id=a", "?dry_run=false", "?format=api", "?format=html", "?_method=GET", "?",
    "?%00", "?a=\u00e9",
     "?mode=%FF", "?" + "a=b&" * 2000, "?access_token=x", "?__debug__=1"],
)  # fmt: skip
def test_a_query_says_nothing(
    http: Client, superuser: User, bearer: Bearer, asked: list[PurgeScope], query: str
) -> None:
    answer = http.generic("POST", PATH + query, BODY, content_type=JSON, headers=bearer(superuser))

    assert answer.status_code == 200
    assert asked == ALL


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-HTTP-Method-Override", "GET"), ("X-HTTP-Method", "DELETE"), ("X-Method-Override", "PUT"),
        ("Origin", "https://evil"),
        ("Accept-Language", "de"), ("Accept-Charset", "utf-7"), ("Accept-Encoding", "identity;q=0"), ("If-Match", "x"),
        ("If-None-Match", "*"), ("Range", "bytes=0-1"), ("X-Forwarded-Host", "evil"), ("X-Original-URL", "/admin/"),
        ("X-Requested-With", "XMLHttpRequest"), ("Content-Language", "x"), ("Idempotency-Key", "1"),
        ("Referer", "https://evil"),
        ("Prefer", ""), ("Prefer", "wait=10"), ("Prefer", "respond-asynchronously"), ("Prefer", "x=respond-async"),
        ("Cookie", "sessionid=x; csrftoken=y"), ("X-Dry-Run", "false"), ("Content-Encoding", "identity"),
    ],
)  # fmt: skip
def test_a_header_says_nothing(post: Post, asked: list[PurgeScope], name: str, value: str) -> None:
    assert post(BODY, **{name: value}).status_code == 200
    assert asked == ALL


@pytest.mark.parametrize("raw", [BODY, b"", b"\xff", b'{"mode": 1}'])
def test_no_answer_is_kept_by_a_cache(post: Post, asked: list[PurgeScope], raw: bytes) -> None:
    answer = post(raw)

    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
    assert int(answer.headers["Content-Length"]) == len(answer.content)


@pytest.mark.parametrize("raw", ['{"mode": "<script>alert(1)</script>"}', '{"mode": "é\u2028\U0001f98a"}'])
def test_an_echo_is_json_and_nothing_else(post: Post, asked: list[PurgeScope], raw: str) -> None:
    answer = post(raw.encode())

    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.content.isascii()
    assert answer.json()["detail"][0]["input"] == json.loads(raw)["mode"]
    assert asked == []
