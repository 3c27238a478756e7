"""The bodies as the contract prints them.

What else a body may be is spelt out in ``test_contract_*``, and compared with pydantic in ``test_reference``.
"""

from __future__ import annotations

from typing import Any

import pytest

from dealpurge.scope import PurgeScope

from .conftest import Post

pytestmark = pytest.mark.django_db

OBJECT = "Input should be a valid dictionary or object to extract fields from"

PRINTED: list[tuple[bytes, dict[str, Any]]] = [
    (
        b'{"dry_run": true}',
        {"type": "missing", "loc": ["body", "mode"], "msg": "Field required", "input": {"dry_run": True}},
    ),
    (b"", {"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}),
    (
        b'[{"mode": "all"}]',
        {"type": "model_attributes_type", "loc": ["body"], "msg": OBJECT, "input": [{"mode": "all"}]},
    ),
    (b"null", {"type": "model_attributes_type", "loc": ["body"], "msg": OBJECT, "input": None}),
    (
        b'{"mode": "all"',
        {
            "type": "json_invalid",
            "loc": ["body", 14],
            "msg": "JSON decode error",
            "input": {},
            "ctx": {"error": "Expecting ',' delimiter"},
        },
    ),
    (
        b'{"mode": "by_org", "dry_run": true}',
        {
            "type": "literal_error",
            "loc": ["body", "mode"],
            "msg": "Input should be 'all' or 'by_deal'",
            "input": "by_org",
            "ctx": {"expected": "'all' or 'by_deal'"},
        },
    ),
    (
        b'{"mode": "all", "dry_run": null}',
        {"type": "bool_type", "loc": ["body", "dry_run"], "msg": "Input should be a valid boolean", "input": None},
    ),
    (
        b'{"mode": "all", "dry_run": 2}',
        {
            "type": "bool_parsing",
            "loc": ["body", "dry_run"],
            "msg": "Input should be a valid boolean, unable to interpret input",
            "input": 2,
        },
    ),
    (
        b'{"mode": "all", "exclude_active_within_secs": -1}',
        {
            "type": "greater_than_equal",
            "loc": ["body", "exclude_active_within_secs"],
            "msg": "Input should be greater than or equal to 0",
            "input": -1,
            "ctx": {"ge": 0},
        },
    ),
    (
        b'{"mode": "by_deal", "deal_id": 1}',
        {"type": "string_type", "loc": ["body", "deal_id"], "msg": "Input should be a valid string", "input": 1},
    ),
]


@pytest.mark.parametrize(("body", "item"), PRINTED, ids=[body.decode() or "empty" for body, _ in PRINTED])
def test_an_error_is_as_printed(post: Post, asked: list[PurgeScope], body: bytes, item: dict[str, Any]) -> None:
    answer = post(body)

    assert answer.status_code == 422
    assert answer.json() == {"detail": [item]}
    assert asked == []


@pytest.mark.django_db(transaction=True)
def test_a_dry_run_unless_told_otherwise(post: Post, purged: list[PurgeScope]) -> None:
    answer = post({"mode": "all"})

    assert answer.status_code == 200
    assert answer.json()["dry_run"] is True
    assert purged == [PurgeScope(mode="all")]
