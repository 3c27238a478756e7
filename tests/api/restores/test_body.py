"""The body of a restore: what is taken, as what, and the whole error where it is not."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dealpurge.api.serializers import MAX_DEALS
from dealpurge.scope import RestoreScope

from .conftest import Restore

pytestmark = pytest.mark.django_db

OBJECT = "Input should be a valid dictionary or object to extract fields from"
LONG = "x" * 1001


class Deal(BaseModel):
    model_config = ConfigDict(extra="forbid")

    deal_id: str
    org_id: str | None = None


class Reference(BaseModel):
    """The body as a pydantic service has it."""

    model_config = ConfigDict(extra="forbid")

    deals: Annotated[list[Deal], Field(max_length=MAX_DEALS)] | None = None
    families: list[str] | None = None
    leave_mixed: bool = False
    skip_damaged: bool = False
    dry_run: bool = True


def of_pydantic(body: Any) -> list[dict[str, Any]]:
    with pytest.raises(ValidationError) as caught:
        Reference.model_validate(body)
    names = ("type", "loc", "msg", "input", "ctx")
    items: list[dict[str, Any]] = [
        {name: error[name] for name in names if name in error}  # type: ignore[literal-required]
        for error in caught.value.errors()
    ]
    return [item | {"loc": ["body", *item["loc"]]} for item in items]


def refused(restore: Restore, body: object) -> list[dict[str, Any]]:
    answer = restore(body)
    assert answer.status_code == 422
    items: list[dict[str, Any]] = answer.json()["detail"]
    return items


# What pydantic refuses likewise

SAME: list[dict[str, Any]] = [
    {"deals": "deal-1"}, {"deals": {}}, {"deals": 1}, {"deals": True}, {"deals": {"deal_id": "a"}},
    {"deals": [{}]}, {"deals": [{"org_id": "acme"}]}, {"deals": [{"deal_id": None}]}, {"deals": [{"deal_id": 7}]},
    {"deals": [{"deal_id": "a", "org_id": 7}]}, {"deals": [{"deal_id": ["a"], "org_id": {}}]},
    {"deals": [{"deal_id": "a"}, {"deal_id": True}]}, {"deals": [{"deal_id": 1}, {}, {"deal_id": "a", "org_id": 1}]},
    {"deals": [{"deal_id": "a", "colour": 1}]}, {"deals": [{"colour": 1}]},
    {"families": "locks"}, {"families": {}}, {"families": 1}, {"families": [1]}, {"families": ["locks", None, "a", []]},
    {"leave_mixed": None}, {"leave_mixed": 2}, {"leave_mixed": "maybe"}, {"skip_damaged": []}, {"skip_damaged": 0.5},
    {"dry_run": None}, {"dry_run": "ye"}, {"dry_run": -1}, {"dry_run": {}},
    {"mode": "all"}, {"dryRun": False}, {"deals": 1, "families": 1, "leave_mixed": None, "dry_run": [], "x": 1},
]  # fmt: skip


@pytest.mark.parametrize("body", SAME, ids=lambda body: json.dumps(body)[:60])
def test_it_is_refused_as_pydantic_refuses_it(restore: Restore, told: list[RestoreScope], body: dict[str, Any]) -> None:
    assert refused(restore, body) == of_pydantic(body)
    assert told == []


@pytest.mark.parametrize("deal", ["deal-1", 7, None, [], ["deal_id", "a"], True, 1.5], ids=str)
def test_a_deal_is_an_object(restore: Restore, told: list[RestoreScope], deal: object) -> None:
    (item,) = refused(restore, {"deals": [{"deal_id": "a"}, deal]})

    assert item == {"type": "model_attributes_type", "loc": ["body", "deals", 1], "msg": OBJECT, "input": deal}
    assert told == []


def test_too_many_deals(restore: Restore, told: list[RestoreScope]) -> None:
    deals = [{"deal_id": f"d{number}"} for number in range(MAX_DEALS + 1)]

    (item,) = refused(restore, {"deals": deals})

    (reference,) = of_pydantic({"deals": deals})
    reference["input"] = json.dumps(reference["input"])[:1000]
    assert item == reference
    assert restore({"deals": deals[:-1]}).status_code == 200
    assert len(told[0].deals) == MAX_DEALS


# What is stricter

IDS = {
    "string_too_short": [""],
    "string_too_long": ["a" * 256, "é" * 128],
    "string_pattern_mismatch": ["a:b", "a b", "{a}", "\n", "\x00", "\ud800"],
}


@pytest.mark.parametrize("name", ["deal_id", "org_id"])
@pytest.mark.parametrize(
    ("code", "value"), [(code, value) for code, values in IDS.items() for value in values], ids=ascii
)
def test_what_is_no_id(restore: Restore, told: list[RestoreScope], name: str, code: str, value: str) -> None:
    (item,) = refused(restore, {"deals": [{"deal_id": "a", name: value}]})

    assert (item["type"], item["loc"], item["input"]) == (code, ["body", "deals", 0, name], value)
    assert told == []


@pytest.mark.parametrize(
    ("raw", "loc", "sent"),
    [
        (b'{"dry_run": true, "dry_run": false}', ["dry_run"], False),
        (b'{"deals": [], "deals": [{"deal_id": "a"}]}', ["deals"], [{"deal_id": "a"}]),
        (b'{"deals": [{"deal_id": "a", "deal_id": "b"}]}', ["deals", 0, "deal_id"], "b"),
    ],
    ids=["a field", "deals", "within a deal"],
)
def test_a_name_twice(restore: Restore, told: list[RestoreScope], raw: bytes, loc: list[Any], sent: object) -> None:
    (item,) = refused(restore, raw)

    assert (item["type"], item["loc"], item["input"]) == ("value_error", ["body", *loc], sent)
    assert told == []


@pytest.mark.parametrize(
    ("raw", "code", "loc"),
    [
        (b"", "missing", ["body"]),
        (b"null", "model_attributes_type", ["body"]),
        (b"[]", "model_attributes_type", ["body"]),
        (b'"all"', "model_attributes_type", ["body"]),
        (b"{", "json_invalid", ["body", 1]),
        (b'{"deals": [NaN]}', "model_attributes_type", ["body", "deals", 0]),
        (b'{"families": [1e400]}', "string_type", ["body", "families", 0]),
    ],
)
def test_what_is_no_body(restore: Restore, told: list[RestoreScope], raw: bytes, code: str, loc: list[object]) -> None:
    (item,) = refused(restore, raw)

    assert (item["type"], item["loc"]) == (code, loc)
    assert told == []


@pytest.mark.parametrize(
    "raw",
    [b"\xff", b"[" * 100_000, b'{"deals": ' + b"[" * 100_000, b'{"deals": ' + b"9" * 5000 + b"}"],
    ids=["no text", "nested", "nested within", "digits"],
)
def test_what_cannot_be_read(restore: Restore, told: list[RestoreScope], raw: bytes) -> None:
    assert restore(raw).status_code == 400
    assert told == []


def test_another_media_type(restore: Restore, told: list[RestoreScope]) -> None:
    answer = restore(b"{}", content_type="text/plain")

    assert (answer.status_code, answer.json()["detail"][0]["type"]) == (422, "model_attributes_type")
    assert restore(b"{}", content_type="application/vnd.deals+json").status_code == 200


# Bounds of what is echoed


def test_an_echo_is_cut(restore: Restore, told: list[RestoreScope]) -> None:
    items = refused(restore, {"deals": [{"deal_id": LONG, LONG: LONG}], "families": LONG, "dry_run": LONG})

    assert [item["type"] for item in items] == ["string_too_long", "extra_forbidden", "list_type", "bool_parsing"]
    assert [len(item["input"]) for item in items] == [1000] * 4
    assert items[1]["loc"] == ["body", "deals", 0, LONG[:1000]]


def test_so_are_errors(restore: Restore, told: list[RestoreScope]) -> None:
    names = dict.fromkeys(map(str, range(1000)), 1)

    assert len(refused(restore, {"deals": [1] * MAX_DEALS})) == 100
    assert len(refused(restore, {"families": [1] * MAX_DEALS})) == 100
    assert len(refused(restore, {"deals": [names] * 50})) == 105
    assert len(refused(restore, names)) == 105


# What is taken

TAKEN: list[tuple[dict[str, Any], RestoreScope]] = [
    ({}, RestoreScope()),
    ({"deals": None, "families": None}, RestoreScope()),
    ({"deals": [], "families": []}, RestoreScope()),
    ({"deals": [{"deal_id": "a"}, {"deal_id": "a", "org_id": None}]}, RestoreScope(deals=((None, "a"),))),
    ({"deals": [{"org_id": "acme", "deal_id": "*"}]}, RestoreScope(deals=(("acme", "*"),))),
    ({"families": ["locks", "events", "locks"]}, RestoreScope(families=("locks", "events"))),
    ({"leave_mixed": "ON", "skip_damaged": 1, "dry_run": "off"},
     RestoreScope(leave_mixed=True, skip_damaged=True, dry_run=False)),
]  # fmt: skip


@pytest.mark.parametrize(("body", "scope"), TAKEN, ids=lambda value: str(value)[:60])
def test_it_is_taken_as(restore: Restore, told: list[RestoreScope], body: dict[str, Any], scope: RestoreScope) -> None:
    answer = restore(body)

    assert (answer.status_code, told) == (200, [scope])
    assert answer.json()["dry_run"] is scope.dry_run
