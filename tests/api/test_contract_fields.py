"""Every field with every kind of value: what is taken, as what, and the whole error where it is not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import pytest

from dealpurge.scope import MAX_SECONDS, PurgeScope

from .conftest import Post

pytestmark = pytest.mark.django_db

BOOLEANS = ("include_checkpoints", "dry_run")
SECONDS = "exclude_active_within_secs"

MESSAGES = {
    "literal_error": "Input should be 'all' or 'by_deal'",
    "bool_type": "Input should be a valid boolean",
    "bool_parsing": "Input should be a valid boolean, unable to interpret input",
    "int_type": "Input should be a valid integer",
    "int_parsing": "Input should be a valid integer, unable to parse string as an integer",
    "int_parsing_size": "Unable to parse input string as an integer, exceeded maximum size",
    "int_from_float": "Input should be a valid integer, got a number with a fractional part",
    "finite_number": "Input should be a finite number",
    "greater_than_equal": "Input should be greater than or equal to 0",
}
CONTEXTS = {"literal_error": {"expected": "'all' or 'by_deal'"}, "greater_than_equal": {"ge": 0}}

#: Values as they stand in the body, by the type of the error.
MODES_REFUSED = """ null true false 0 1 1.5 [] ["all"] {} {"all": 1} "" "ALL" "All" " all" "all " "all\\n" "by_deal "
    "by-deal" "BY_DEAL" "by_org" "bydeal" "by_deal,all" "*" "\\u0430ll" "al\\u006c\\u0000" NaN -Infinity "\\ud800" """

TRUE = """ true 1 1.0 1e0 10e-1 "true" "True" "TRUE" "tRuE" "1" "yes" "YES" "Yes" "on" "On" "oN" "t" "T" "y" "Y"
    "\\u0074rue" """
FALSE = """ false 0 0.0 -0 -0.0 0e9 "false" "False" "FALSE" "fAlSe" "0" "no" "NO" "No" "off" "Off" "oFF" "f" "F" "n"
    "N" """
BOOLEANS_REFUSED = {
    "bool_parsing": """ 2 -1 2.0 -1.0 1e3 9223372036854775807 -9223372036854775808 "" " " "2" "-1" "+1" "00" "01" "1.0"
        "0.0" " true" "true " "true\\n" "tru" "truee" "enabled" "disabled" "null" "none" "ja" "\\u0660" "\\u0661" "oui"
        "ye" "yess" "ok" "tr\\u0000ue" "\\uff54\\uff52\\uff55\\uff45" "\\ud800" """,
    "bool_type": """ null [] [true] {} {"dry_run": false} 0.5 1.5 -0.1 1e19 -1e19 1e400 NaN Infinity -Infinity
        9223372036854775808 -9223372036854775809 99999999999999999999999999 """,
}

NUMBERS = {
    0: '0 -0 0.0 -0.0 0e5 "0" "-0" "+0" "00" "0.0" "-0.0" "0_0" 1e-400',
    5: """5 5.0 5e0 50e-1 0.5E1 "5" " 5 " "+5" "05" "005" "5.0" "5.00" "5.0 " "\\t5\\n" "0_5"
        "\\u00a05" "\\u20035\\u3000" """,
    1000: '1000 1e3 1E+3 1000.0 "1000" "1_000" "1_0_0_0" "001_000" "1_000.0"',
    MAX_SECONDS: '10000000000 10000000001 9223372036854775807 9223372036854775808 1e18 "99999999999999999999"',
}
NUMBERS_REFUSED = {
    "int_parsing": """ "" " " "1.5" "5." ".5" "1e3" "5s" "5 5" "- 5" "--5" "+-5" "0x10" "0b1" "1,000" "_5" "5_"
        "5__0" "5.0_0" "\\u0665" "\\uff15" "\\u096b" "\\u22125" "\\u001c5" "\\u200b5" "5\\u0000" "true" "null"
        "inf" "nan" "Infinity" "5.01" "0-5x" "1/2" "\\ud800" """,
    "int_parsing_size": "1e19 -1e19 1e308 9.3e18 -9.3e18",
    "int_from_float": "1.5 0.1 -0.5 1e-1 4.999999999 -1e-300",
    "int_type": '[] [5] {} {"a": 5} true false',
    "finite_number": "NaN Infinity -Infinity 1e400 -1e400",
    "greater_than_equal": '-1 -1.0 -5 -1e3 "-1" " -5 " "-5.0" "-1_0" -9223372036854775809 "-99999999999999999999"',
}


def values(texts: str) -> list[str]:
    """The JSON values of a row, one after another."""
    decoder, found, rest = json.JSONDecoder(), [], texts.strip()
    while rest:
        _, end = decoder.raw_decode(rest)
        found.append(rest[:end])
        rest = rest[end:].strip()
    return found


def rows(table: Mapping[Any, str], fields: Sequence[str]) -> list[Any]:
    """A row for each field, value and verdict."""
    return [
        pytest.param(field, text, verdict, id=f"{field}-{text}")
        for verdict, texts in table.items()
        for text in values(texts)
        for field in fields
    ]


def body(field: str, text: str) -> bytes:
    return f'{{"{field}": {text}}}'.encode() if field == "mode" else f'{{"mode": "all", "{field}": {text}}}'.encode()


def echoed(text: str) -> Any:
    """The value as JSON can say it."""
    value = json.loads(text)
    return json.dumps(value) if isinstance(value, float) and not isfinite(value) else value


@pytest.mark.parametrize(("field", "text", "value"), rows({True: TRUE, False: FALSE}, BOOLEANS))
def test_a_boolean(post: Post, asked: list[PurgeScope], field: str, text: str, value: bool) -> None:
    answer = post(body(field, text))

    assert answer.status_code == 200
    assert answer.json()[field] is value
    assert asked == [PurgeScope(mode="all", **{field: value})]


@pytest.mark.parametrize(("field", "text", "value"), rows(NUMBERS, [SECONDS]))
def test_a_number_of_seconds(post: Post, asked: list[PurgeScope], field: str, text: str, value: int) -> None:
    answer = post(body(field, text))

    assert answer.status_code == 200
    assert answer.json()[field] == value
    assert asked == [PurgeScope(mode="all", exclude_active_within_secs=value)]


REFUSED = [
    *rows({"literal_error": MODES_REFUSED}, ["mode"]),
    *rows(BOOLEANS_REFUSED, BOOLEANS),
    *rows(NUMBERS_REFUSED, [SECONDS]),
]


@pytest.mark.parametrize(("field", "text", "code"), REFUSED)
def test_a_refused_value(post: Post, asked: list[PurgeScope], field: str, text: str, code: str) -> None:
    answer = post(body(field, text))

    item = {"type": code, "loc": ["body", field], "msg": MESSAGES[code], "input": echoed(text)}
    assert answer.status_code == 422
    assert answer.json() == {"detail": [item | ({"ctx": CONTEXTS[code]} if code in CONTEXTS else {})]}
    assert asked == []


@pytest.mark.parametrize(
    ("text", "code"),
    [('"' + "9" * 4301 + '"', "int_parsing_size"), ('"-' + "9" * 5000 + '"', "int_parsing_size")],
    ids=["4,301 digits", "minus 5,000 digits"],
)
def test_a_text_of_too_many_digits_is_cut_in_the_answer(
    post: Post, asked: list[PurgeScope], text: str, code: str
) -> None:
    answer = post(body(SECONDS, text))

    (item,) = answer.json()["detail"]
    assert (answer.status_code, item["type"], item["loc"]) == (422, code, ["body", SECONDS])
    assert item["input"] == text[1:1001]
    assert asked == []


@pytest.mark.parametrize(
    "text", ["9" * 4300, '"' + "9" * 4300 + '"', '"' + "0" * 5000 + '"'], ids=["number", "text", "zeros"]
)
def test_many_digits_are_many_seconds(post: Post, asked: list[PurgeScope], text: str) -> None:
    answer = post(body(SECONDS, text))

    assert answer.status_code == 200
    assert [scope.exclude_active_within_secs for scope in asked] == [0 if "0" in text else MAX_SECONDS]


@pytest.mark.parametrize("field", ["deal_id", "org_id", SECONDS])
def test_null_is_as_good_as_nothing(post: Post, asked: list[PurgeScope], field: str) -> None:
    answer = post(body(field, "null"))

    assert answer.status_code == 200
    assert asked == [PurgeScope(mode="all")]


def test_errors_stand_in_the_order_of_the_fields(post: Post, asked: list[PurgeScope]) -> None:
    answer = post(
        b'{"zz": 1, "dry_run": 2, "exclude_active_within_secs": -1, "aa": 2, "include_checkpoints": null,'
        b' "org_id": 1, "deal_id": [], "mode": "ALL"}'
    )

    assert [(item["type"], item["loc"]) for item in answer.json()["detail"]] == [
        ("literal_error", ["body", "mode"]),
        ("string_type", ["body", "deal_id"]),
        ("string_type", ["body", "org_id"]),
        ("bool_type", ["body", "include_checkpoints"]),
        ("greater_than_equal", ["body", SECONDS]),
        ("bool_parsing", ["body", "dry_run"]),
        ("extra_forbidden", ["body", "zz"]),
        ("extra_forbidden", ["body", "aa"]),
    ]
    assert asked == []
