"""Ids: taken as they are or refused, never trimmed, never made of something else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dealpurge.scope import PurgeScope

from .conftest import Post

pytestmark = pytest.mark.django_db

LEGAL = [
    "a", "0", "12", "-", "_", "a b".replace(" ", "\u00a0"), "A", "é", "e\u0301", "日本", "🦊", "\u0080",
    "\u200b", "\u2028",
    "\ufeff", "\uffff", "\u202e", "ẞ", "*", "?", "[a-z]", "[", "]", "\\", "\\*", "^", "$", "/", "..",
    "../x", "%00", "%s",
    "a.b", "a,b", "a;b", "a=b", "a&b", "'", '"', "<script>", "--", "null", "true", "all", "None", "1e3",
    "+5", "#", "@", "|",
    "~", "!", "`", "a" * 255, "é" * 127, "é" * 127 + "a", "日" * 85, "🦊" * 63,
]  # fmt: skip

REFUSED: dict[str, list[str]] = {
    "string_too_short": [""],
    "string_too_long": ["a" * 256, "é" * 128, "日" * 86, "🦊" * 64, "é" * 127 + "ab", "a" * 5000],
    "string_pattern_mismatch": [
        *(chr(code) for code in range(0x21)), "\x7f", ":", "{", "}", " a", "a ", "a b", "a\tb", "a\n",
        "\na", "a:b", ":a",
        "a:", "{a}", "{deal_id}", "a\x00", "\x00a", "a\x7f", "\ud800", "\udfff", "a\udc80b", ":" * 256,
    ],
}  # fmt: skip

NO_STRINGS = [
    "0",
    "1",
    "1.5",
    "-1",
    "true",
    "false",
    "[]",
    '["a"]',
    "{}",
    '{"a": 1}',
    "1e19",
    "NaN",
    "-Infinity",
    "1e400",
]

IDS = ("deal_id", "org_id")


def named(field: str, value: Any) -> bytes:
    """A body whose other fields are right."""
    return json.dumps({"mode": "by_deal", "deal_id": "deal-1"} | {field: value}).encode()


def short(value: str) -> str:
    return ascii(value if len(value) < 20 else f"{value[0]}*{len(value)}")


@pytest.mark.parametrize("deal_id", LEGAL, ids=short)
def test_a_deal_id(post: Post, asked: list[PurgeScope], deal_id: str) -> None:
    answer = post(named("deal_id", deal_id))

    assert answer.status_code == 200
    assert asked == [PurgeScope(mode="by_deal", deals=((None, deal_id),))]


@pytest.mark.parametrize("org_id", LEGAL, ids=short)
def test_an_organisation(post: Post, asked: list[PurgeScope], org_id: str) -> None:
    all_of_it = post({"mode": "all", "org_id": org_id})
    one_deal = post(named("org_id", org_id))

    assert (all_of_it.status_code, one_deal.status_code) == (200, 200)
    assert asked == [PurgeScope(mode="all", org_id=org_id), PurgeScope(mode="by_deal", deals=((org_id, "deal-1"),))]


@pytest.mark.parametrize("field", IDS)
@pytest.mark.parametrize(
    ("value", "code"),
    [pytest.param(value, code, id=short(value)) for code, listed in REFUSED.items() for value in listed],
)
def test_no_id(post: Post, asked: list[PurgeScope], field: str, value: str, code: str) -> None:
    answer = post(named(field, value))

    (item,) = answer.json()["detail"]
    assert answer.status_code == 422
    assert (item["type"], item["loc"], item["input"]) == (code, ["body", field], value[:1000])
    assert asked == []


@pytest.mark.parametrize("field", IDS)
@pytest.mark.parametrize("text", NO_STRINGS)
def test_no_string(post: Post, asked: list[PurgeScope], field: str, text: str) -> None:
    answer = post(named(field, "@").replace(b'"@"', text.encode()))

    (item,) = answer.json()["detail"]
    assert answer.status_code == 422
    assert (item["type"], item["loc"], item["msg"]) == (
        "string_type",
        ["body", field],
        "Input should be a valid string",
    )
    assert json.dumps(item["input"]).strip('"') == json.dumps(json.loads(text))
    assert asked == []


STRICTER: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({"mode": "by_deal"}, [("missing", "deal_id")]),
    ({"mode": "by_deal", "deal_id": None}, [("missing", "deal_id")]),
    ({"mode": "by_deal", "org_id": "acme"}, [("missing", "deal_id")]),
    ({"mode": "by_deal", "org_id": "a:b"}, [("missing", "deal_id"), ("string_pattern_mismatch", "org_id")]),
    ({"mode": "by_deal", "dry_run": "?"}, [("missing", "deal_id"), ("bool_parsing", "dry_run")]),
    ({"mode": "by_deal", "dealId": "a"}, [("missing", "deal_id"), ("extra_forbidden", "dealId")]),
    ({"mode": "all", "deal_id": "a"}, [("value_error", "deal_id")]),
    ({"mode": "all", "deal_id": "a", "org_id": "b"}, [("value_error", "deal_id")]),
    ({"mode": "all", "deal_id": ""}, [("string_too_short", "deal_id")]),
    ({"mode": "all", "deal_id": "a", "dry_run": 3}, [("value_error", "deal_id"), ("bool_parsing", "dry_run")]),
    ({"deal_id": "a"}, [("missing", "mode")]),
    ({"deal_id": "a:"}, [("missing", "mode"), ("string_pattern_mismatch", "deal_id")]),
    ({}, [("missing", "mode")]),
    ({"mode": "some"}, [("literal_error", "mode")]),
]


@pytest.mark.parametrize(("body", "errors"), STRICTER, ids=[json.dumps(body) for body, _ in STRICTER])
def test_mode_and_deal_go_together(
    post: Post, asked: list[PurgeScope], body: dict[str, Any], errors: list[tuple[str, str]]
) -> None:
    answer = post(body)

    assert answer.status_code == 422
    assert [(item["type"], item["loc"]) for item in answer.json()["detail"]] == [
        (code, ["body", field]) for code, field in errors
    ]
    assert asked == []


def test_what_is_missing_echoes_the_whole_object(post: Post, asked: list[PurgeScope]) -> None:
    body = {"mode": "by_deal", "dry_run": False}

    assert post(body).json()["detail"] == [
        {"type": "missing", "loc": ["body", "deal_id"], "msg": "Field required", "input": body}
    ]
    assert asked == []
