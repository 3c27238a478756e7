"""Bodies that are no object, no JSON, no text, too long, too deep, or say a thing twice."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dealpurge.scope import PurgeScope

from .conftest import Answer, Post

pytestmark = pytest.mark.django_db

ALL = [PurgeScope(mode="all")]
LIMIT = 1_048_576

#: Of malformed JSON: the position in characters, and Python's own words.
MALFORMED: list[tuple[str, int, str]] = [
    ("{", 1, "Expecting property name enclosed in double quotes"),
    ("}", 0, "Expecting value"),
    ("[", 1, "Expecting value"),
    ("]", 0, "Expecting value"),
    (",", 0, "Expecting value"),
    ('"', 0, "Unterminated string starting at"),
    ('"all', 0, "Unterminated string starting at"),
    ("'all'", 0, "Expecting value"),
    (" ", 1, "Expecting value"),
    ("\r\n\t ", 4, "Expecting value"),
    ("nul", 0, "Expecting value"),
    ("undefined", 0, "Expecting value"),
    ("None", 0, "Expecting value"),
    ("True", 0, "Expecting value"),
    ("nan", 0, "Expecting value"),
    ("-", 0, "Expecting value"),
    ("+1", 0, "Expecting value"),
    (".5", 0, "Expecting value"),
    ("01", 1, "Extra data"),
    ("1.", 1, "Extra data"),
    ("1e", 1, "Extra data"),
    ("0x1", 1, "Extra data"),
    ("1 2", 2, "Extra data"),
    ("null null", 5, "Extra data"),
    ("mode=all&dry_run=false", 0, "Expecting value"),
    ("<mode>all</mode>", 0, "Expecting value"),
    ("# mode\n{}", 0, "Expecting value"),
    ("é", 0, "Expecting value"),
    ("\x00", 0, "Expecting value"),
    ('\x0b{"mode": "all"}', 0, "Expecting value"),
    ('\x0c{"mode": "all"}', 0, "Expecting value"),
    ('\u00a0{"mode": "all"}', 0, "Expecting value"),
    ('\u2028{"mode": "all"}', 0, "Expecting value"),
    ('{"mode": "all"}\u00a0', 15, "Extra data"),
    ('{"mode": "all"}\x00', 15, "Extra data"),
    ('{"mode": "all"} x', 16, "Extra data"),
    ('{"mode": "all"}{}', 15, "Extra data"),
    ('{"mode": "all"}}', 15, "Extra data"),
    ('{"mode": "all"},', 15, "Extra data"),
    ('{"mode": "all"};', 15, "Extra data"),
    ('{"mode": "all"} // all', 16, "Extra data"),
    ('{"mode": "all"}\n{"mode": "all"}', 16, "Extra data"),
    ('{"mode"', 7, "Expecting ':' delimiter"),
    ('{"mode" "all"}', 8, "Expecting ':' delimiter"),
    ('{"mode": ', 9, "Expecting value"),
    ('{"mode": }', 9, "Expecting value"),
    ('{"mode": all}', 9, "Expecting value"),
    ("{\"mode\": 'all'}", 9, "Expecting value"),
    ('{"mode": "all"', 14, "Expecting ',' delimiter"),
    ('{"mode": "all" "dry_run": true}', 15, "Expecting ',' delimiter"),
    ('{"mode": "all"; "dry_run": true}', 14, "Expecting ',' delimiter"),
    ('{"mode": "all" /* all */}', 15, "Expecting ',' delimiter"),
    ('{"mode": "all",, "dry_run": true}', 15, "Expecting property name enclosed in double quotes"),
    ('{mode: "all"}', 1, "Expecting property name enclosed in double quotes"),
    ("{'mode': \"all\"}", 1, "Expecting property name enclosed in double quotes"),
    ('{1: "all"}', 1, "Expecting property name enclosed in double quotes"),
    ('{"mode": "all}', 9, "Unterminated string starting at"),
    ('{"mode: "all"}', 9, "Expecting ':' delimiter"),
    ('{"mode": "al\nl"}', 12, "Invalid control character at"),
    ('{"mode": "al\tl"}', 12, "Invalid control character at"),
    ('{"mode": "al\x00l"}', 12, "Invalid control character at"),
    ('{"mode": "al\x1fl"}', 12, "Invalid control character at"),
    ('{"mode": "\\x61ll"}', 10, "Invalid \\escape"),
    ('{"mode": "\\\'all"}', 10, "Invalid \\escape"),
    ('{"mode": "\\u12"}', 11, "Invalid \\uXXXX escape"),
    ('{"mode": "\\u00zz"}', 11, "Invalid \\uXXXX escape"),
    ('{"mode": "all", "dry_run": tru}', 27, "Expecting value"),
    ('{"mode": "all", "dry_run": True}', 27, "Expecting value"),
    ('{"mode": "all", "exclude_active_within_secs": +5}', 46, "Expecting value"),
    ('{"mode": "all", "exclude_active_within_secs": .5}', 46, "Expecting value"),
    ('{"mode": "all", "exclude_active_within_secs": 05}', 47, "Expecting ',' delimiter"),
    ('{"mode": "all", "exclude_active_within_secs": 5.}', 47, "Expecting ',' delimiter"),
    ('{"mode": "all", "exclude_active_within_secs": 5_000}', 47, "Expecting ',' delimiter"),
    ('{"mode": "all", "exclude_active_within_secs": 0x5}', 47, "Expecting ',' delimiter"),
    ('{"mode": "all", "exclude_active_within_secs": --5}', 46, "Expecting value"),
    ('{"mode": "all", "deal_id": "日本" x}', 32, "Expecting ',' delimiter"),
    ('{"mode": "all", "🦊": 1 x}', 23, "Expecting ',' delimiter"),
]

NO_OBJECTS = ["null", "true", "false", "0", "1.5", '"all"', '""', "[]", '[{"mode": "all"}]',
              '["mode", "all"]', "[[[]]]",
              "NaN", "Infinity", "1e400", ' "\\u0000" ', '["\\ud800"]']  # fmt: skip

UNREADABLE = [
    b"\xff", b"\x80", b"\xff\xfe\x00", b"\xfe\xff\x00", b'\xff{"mode": "all"}', b'{"mode": "all"}\xff',
    b'{"mode": "\xff"}',
    b'{"mode": "\xc3\x28"}', b'{"mode": "\xe9"}', b'{"mode": "\xc0\x80"}', b'{"mode": "\xe0\x80\x80"}',
    b'{"mode": "\xf4\x90\x80\x80"}', b'{"mode": "\xed\xa0\x80"}', b'{"mode": "\xf0\x9f\xa6"}',
    b'{"\xff": 1, "mode": "all"}',
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00", '{"mode": "\ud800"}'.encode("utf-16-le", "surrogatepass"),
    ("9" * 5000).encode(), b'{"mode": "all", "exclude_active_within_secs": ' + b"9" * 4301 + b"}",
    b'{"mode": "all", "exclude_active_within_secs": -' + b"9" * 5000 + b"}", b"[" + b"9" * 5000 + b"]",
    b"[" * 100_000, b"[" * 100_000 + b"]" * 100_000, b'{"mode":' * 100_000, b'{"mode": "all", "x": ' + b"[" * 100_000,
    b'{"mode": "all", "deal_id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
]  # fmt: skip

SPACED = ['{s}{{"mode": "all"}}', '{{"mode": "all"}}{s}', '{{{s}"mode": "all"}}', '{{"mode"{s}: "all"}}',
          '{{"mode":{s}"all"}}', '{{"mode": "all"{s}}}']  # fmt: skip

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]


def short(body: object) -> str:
    text = ascii(body)
    return text if len(text) < 60 else f"{text[:40]}...{len(text)}"


def the_error(answer: Answer) -> dict[str, Any]:
    assert answer.status_code == 422
    (item,) = answer.json()["detail"]
    return dict(item)


@pytest.mark.parametrize(("text", "position", "words"), MALFORMED, ids=[short(text) for text, *_ in MALFORMED])
def test_malformed(post: Post, asked: list[PurgeScope], text: str, position: int, words: str) -> None:
    assert the_error(post(text.encode())) == {
        "type": "json_invalid",
        "loc": ["body", position],
        "msg": "JSON decode error",
        "input": {},
        "ctx": {"error": words},
    }
    assert asked == []


@pytest.mark.parametrize("text", ['{"mode": "all",}', '{"mode": "by_deal", "deal_id": "a",}', "[1,]", "{,}"])
def test_a_comma_too_many(post: Post, asked: list[PurgeScope], text: str) -> None:
    """Python 3.13 has other words for it, and another position."""
    with pytest.raises(json.JSONDecodeError) as raised:
        json.loads(text)

    item = the_error(post(text.encode()))

    assert (item["type"], item["loc"]) == ("json_invalid", ["body", raised.value.pos])
    assert item["ctx"] == {"error": raised.value.msg}
    assert asked == []


@pytest.mark.parametrize("text", NO_OBJECTS)
def test_no_object(post: Post, asked: list[PurgeScope], text: str) -> None:
    item = the_error(post(text.encode()))

    assert (item["type"], item["loc"]) == ("model_attributes_type", ["body"])
    assert item["msg"] == "Input should be a valid dictionary or object to extract fields from"
    assert json.dumps(item["input"]).strip('"') == json.dumps(json.loads(text)).strip('"')
    assert asked == []


@pytest.mark.parametrize("raw", UNREADABLE, ids=short)
def test_unreadable(post: Post, asked: list[PurgeScope], raw: bytes) -> None:
    answer = post(raw)

    assert answer.status_code == 400
    assert answer.json() == {"detail": "There was an error parsing the body"}
    assert asked == []


def test_an_empty_body(post: Post, asked: list[PurgeScope]) -> None:
    assert the_error(post(b"")) == {"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}
    assert asked == []


@pytest.mark.parametrize("template", SPACED)
@pytest.mark.parametrize("space", [" ", "\t", "\n", "\r", "\r\n", " \t\r\n" * 3], ids=ascii)
def test_white_space_of_json(post: Post, asked: list[PurgeScope], template: str, space: str) -> None:
    assert post(template.format(s=space).encode()).status_code == 200
    assert asked == ALL


@pytest.mark.parametrize("template", SPACED)
@pytest.mark.parametrize(
    "space", ["\x0b", "\x0c", "\x1c", "\x85", "\u00a0", "\u2003", "\u2029", "\u3000", "\0"], ids=ascii
)
def test_other_white_space(post: Post, asked: list[PurgeScope], template: str, space: str) -> None:
    answer = post(template.format(s=space).encode())

    assert the_error(answer)["type"] == "json_invalid"
    assert asked == []


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings_of_json(post: Post, asked: list[PurgeScope], encoding: str) -> None:
    answer = post('{"mode": "by_deal", "deal_id": "日本🦊"}'.encode(encoding))

    assert answer.status_code == 200
    assert asked == [PurgeScope(mode="by_deal", deals=((None, "日本🦊"),))]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_positions_count_characters(post: Post, asked: list[PurgeScope], encoding: str) -> None:
    assert the_error(post('{"mode": "日本🦊" x'.encode(encoding)))["loc"] == ["body", 15]
    assert asked == []


UNKNOWN = ["dryRun", "dry-run", "DRY_RUN", "dry_run ", " mode", "Mode", "", "*", "body", "self",
           "__class__", "__proto__",
           "dry_run\u200b", "dry_run\0", "é", "🦊", "a.b", "0", "data", "run_id", "deal_ids", "deals",
           "force", "reason"]  # fmt: skip


@pytest.mark.parametrize("name", UNKNOWN, ids=ascii)
@pytest.mark.parametrize("value", [None, False, {"mode": "all"}], ids=str)
def test_an_unknown_field(post: Post, asked: list[PurgeScope], name: str, value: object) -> None:
    assert the_error(post({"mode": "all", name: value})) == {
        "type": "extra_forbidden",
        "loc": ["body", name],
        "msg": "Extra inputs are not permitted",
        "input": value,
    }
    assert asked == []


REPEATED: list[tuple[str, list[tuple[str, str]]]] = [
    ('{"mode": "all", "mode": "all"}', [("value_error", "mode")]),
    ('{"mode": "by_deal", "deal_id": "a", "mode": "all"}', [("value_error", "mode"), ("value_error", "deal_id")]),
    ('{"mode": "all", "m\\u006fde": "all"}', [("value_error", "mode")]),
    ('{"mode": 1, "mode": "all"}', [("value_error", "mode")]),
    ('{"mode": "all", "dry_run": true, "dry_run": true}', [("value_error", "dry_run")]),
    ('{"mode": "all", "dry_run": true, "dry_run": false}', [("value_error", "dry_run")]),
    ('{"mode": "all", "dry_run": false, "dry_run": true}', [("value_error", "dry_run")]),
    ('{"mode": "all", "dry_run": 1, "dry_run": 1, "dry_run": 1}', [("value_error", "dry_run")]),
    ('{"mode": "by_deal", "deal_id": "a", "deal_id": "b"}', [("value_error", "deal_id")]),
    ('{"dry_run": 0, "mode": "all", "org_id": "", "dry_run": 0}', [("string_too_short", "org_id"),
    ("value_error", "dry_run")]),
    ('{"mode": "all", "x": 1, "x": 2}', [("value_error", "x")]),
    ('{"mode": "all", "x": {"a": 1, "a": 2}}', [("extra_forbidden", "x")]),
    ('{"mode": "all", "org_id": {"a": 1, "a": 2}}', [("string_type", "org_id")]),
    ('{"mode": "all", "": 1, "": 1}', [("value_error", "")]),
    ('{"mode": "all", "\\ud83e\\udd8a": 1, "🦊": 1}', [("value_error", "🦊")]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "errors"), REPEATED, ids=[text for text, _ in REPEATED])
def test_the_same_key_twice(post: Post, asked: list[PurgeScope], text: str, errors: list[tuple[str, str]]) -> None:
    answer = post(text.encode())

    assert answer.status_code == 422
    assert [(item["type"], item["loc"]) for item in answer.json()["detail"]] == [
        (code, ["body", name]) for code, name in errors
    ]
    assert asked == []


@pytest.mark.parametrize("depth", [10, 400, 480, 700, 900, 990, 3000, 10_000])
def test_deep_but_not_too_deep_to_read(post: Post, asked: list[PurgeScope], depth: int) -> None:
    """Where the line is depends on the Python."""
    answer = post(b'{"mode": "all", "org_id": ' + b"[" * depth + b"]" * depth + b"}")

    assert answer.status_code in ((422,) if depth < 500 else (400, 422))
    assert len(answer.content) < 3000
    assert asked == []


def test_a_thousand_unknown_fields_are_not_all_listed(post: Post, asked: list[PurgeScope]) -> None:
    answer = post({f"field{number}": 1 for number in range(50_000)})

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "mode"]
    assert 100 <= len(answer.json()["detail"]) <= 106
    assert len(answer.content) < 20_000
    assert asked == []


def test_a_long_name_is_cut(post: Post, asked: list[PurgeScope]) -> None:
    item = the_error(post({"mode": "all", "x" * 5000: "y" * 5000}))

    assert (item["loc"], item["input"]) == (["body", "x" * 1000], "y" * 1000)
    assert asked == []


@pytest.mark.parametrize("fill", ["space", "text"])
def test_the_longest_body(post: Post, asked: list[PurgeScope], fill: str) -> None:
    whole = b'{"mode": "all"}' if fill == "space" else b'{"mode": "all", "deal_id": ""}'
    whole = whole.replace(b'""', b'"%s"' % (b"a" * (LIMIT - len(whole)))) + b" " * (LIMIT - len(whole))

    answer, over = post(whole[:LIMIT]), post(whole[:LIMIT] + b" ")

    assert answer.status_code == (200 if fill == "space" else 422)
    assert (over.status_code, over.json()) == (413, {"detail": "Content Too Large"})
    assert asked == (ALL if fill == "space" else [])
