"""The body compared with a pydantic model of it, as the service before had one, over generated bodies."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dealpurge.api.body import JsonObject
from dealpurge.api.serializers import PurgeDealsBody
from dealpurge.scope import MAX_SECONDS
from tests.support.reference import Reference
from tests.support.samples import sample

FIELDS = ("mode", "deal_id", "org_id", "include_checkpoints", "exclude_active_within_secs", "dry_run")
TEXTS = ("true", "TRUE", "Yes", "no", "oFF", "on", "t", "F", "y", "N", "1", "0", "2", " true", "1.0", "", "all", "x")
NUMERALS = ("5", " 5 ", "5.0", "1e3", "1.5", "5s", "-1", "+5", "-0", "05", "0-5", "1_000", "1__0", "_1", "5.", ".5")
NUMBERS = (0, 1, 2, -1, 0.0, 1.0, -0.0, 2.0, 0.5, -1.5, 1e18, 1e19, -1e19, 2**63 - 1, 2**63, -(2**63) - 1, 10**30)

#: What we refuse and pydantic takes: an error of ours that it does not have must be one of these.
STRICTER: dict[str, Callable[[dict[str, Any]], bool]] = {
    "a boolean is no number of seconds": lambda item: item["type"] == "int_type" and isinstance(item["input"], bool),
    "no id has that character": lambda item: item["type"] == "string_pattern_mismatch",
    "an id is not empty": lambda item: item["type"] == "string_too_short",
    "an id has 255 bytes": lambda item: item["type"] == "string_too_long",
    "by_deal needs deal_id": lambda item: item["type"] == "missing" and item["loc"] == ["body", "deal_id"],
    "all refuses deal_id": lambda item: item["type"] == "value_error" and item["loc"] == ["body", "deal_id"],
    "an unknown field": lambda item: item["type"] == "extra_forbidden" and item["loc"][1] not in FIELDS,
}


def expected(body: dict[str, Any]) -> tuple[list[tuple[Any, ...]], Reference | None]:
    try:
        return [], Reference.model_validate(body)
    except ValidationError as exc:
        return [(e["type"], ["body", *e["loc"]], e["msg"], e.get("ctx"), e["input"]) for e in exc.errors()], None


def ours(body: dict[str, Any]) -> tuple[list[dict[str, Any]], PurgeDealsBody]:
    serializer = PurgeDealsBody(data=JsonObject(body))
    items = [] if serializer.is_valid() else [item.as_dict() for item in serializer.error_items()]
    return items, serializer


def compare(body: dict[str, Any]) -> None:
    """Same errors in the same order but for those stricter on purpose; the same values where both take it."""
    reference, model = expected(body)
    items, serializer = ours(body)
    shared = [item for item in items if not any(is_stricter(item) for is_stricter in STRICTER.values())]

    assert [(i["type"], i["loc"], i["msg"], i.get("ctx"), i["input"]) for i in shared] == reference
    if not items and model is not None:
        scope = serializer.scope()
        seconds = model.exclude_active_within_secs
        assert scope.dry_run is model.dry_run
        assert scope.include_checkpoints is model.include_checkpoints
        assert scope.exclude_active_within_secs == (None if seconds is None else min(seconds, MAX_SECONDS))


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(TEXTS + NUMERALS),
    st.sampled_from(NUMBERS),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.text("0123456789+-_. \t", max_size=8),
    st.sampled_from(["9" * 4300, "9" * 4301, "0" * 5000 + "7", "1_" * 2200 + "1", "5." + "0" * 900]),
)
values = st.one_of(scalars, st.lists(scalars, max_size=2), st.dictionaries(st.text(max_size=3), scalars, max_size=2))
modes = st.one_of(st.sampled_from(["all", "by_deal"]), values)
bodies = st.fixed_dictionaries(
    {}, optional={"mode": modes, **dict.fromkeys(FIELDS[1:], values), "dryRun": values, "": values}
).filter(lambda body: len(json.dumps(body)) <= 1000 or "mode" in body)


@settings(max_examples=sample(150, 6000), suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(bodies.map(lambda body: {name: short(value) for name, value in body.items()}))
@example({})
@example({"dry_run": "no", "mode": "all", "exclude_active_within_secs": " 5.0 "})
@example({"mode": "by_deal", "dry_run": 2, "deal_id": None, "org_id": 7})
def test_pydantic_says_the_same(body: dict[str, Any]) -> None:
    compare(body)


def short(value: Any) -> Any:
    """``input`` is cut where it is long; that has a test of its own."""
    return value if len(json.dumps(value)) <= 900 else "x" * 900


@settings(max_examples=sample(200, 8000))
@given(st.one_of(st.text("0123456789+-_. \t\n", max_size=9), st.from_regex(r"\A[ +]?-?[0-9_]{1,6}(\.0*)?\s?\Z")))
@example("0-5")
@example("0__5")
@example("0_0")
@example("-05")
@example("-_1")
@example("+-5")
@example("\u20035\x85")
@example("\x1f5")
@example("\u0665")
@example("9" * 4300)
@example("9" * 4301)
@example("-" + "9" * 4301)
@example("0" * 4301)
@example("x" * 4301)
def test_a_string_is_the_integer_that_pydantic_reads(text: str) -> None:
    body = {"mode": "all", "exclude_active_within_secs": text}
    reference, model = expected(body)
    items, serializer = ours(body)
    assume(not re.search("0[0_]*-[0_]", text))  # pydantic reads 0-_5 and not 0-05; nobody writes either

    assert [item["type"] for item in items] == [error[0] for error in reference]
    if model is not None:
        assert model.exclude_active_within_secs is not None
        assert serializer.scope().exclude_active_within_secs == min(model.exclude_active_within_secs, MAX_SECONDS)


@settings(max_examples=sample(100, 3000))
@given(st.one_of(st.sampled_from(TEXTS), st.sampled_from(NUMBERS), st.text(max_size=5), st.integers(), st.floats()))
@example(float("nan"))
@example(float("inf"))
@example("\u0130")
@example(9223372036854774784.0)
def test_a_value_is_the_boolean_that_pydantic_reads(value: object) -> None:
    body = {"mode": "all", "include_checkpoints": value}
    reference, model = expected(body)
    items, serializer = ours(body)

    assert [item["type"] for item in items] == [error[0] for error in reference]
    if model is not None:
        assert serializer.scope().include_checkpoints is model.include_checkpoints


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"mode": "all", "dryRun": True}, "extra_forbidden"),
        ({"mode": "all", "exclude_active_within_secs": True}, "int_type"),
        ({"mode": "all", "exclude_active_within_secs": False}, "int_type"),
        ({"mode": "by_deal", "deal_id": "a:b"}, "string_pattern_mismatch"),
        ({"mode": "by_deal", "deal_id": "a b"}, "string_pattern_mismatch"),
        ({"mode": "by_deal", "deal_id": "\ud800"}, "string_pattern_mismatch"),
        ({"mode": "by_deal", "deal_id": ""}, "string_too_short"),
        ({"mode": "by_deal", "deal_id": "é" * 128}, "string_too_long"),
        ({"mode": "all", "org_id": "{a}"}, "string_pattern_mismatch"),
        ({"mode": "by_deal"}, "missing"),
        ({"mode": "by_deal", "deal_id": None}, "missing"),
        ({"mode": "all", "deal_id": "a"}, "value_error"),
    ],
)
def test_stricter_on_purpose(body: dict[str, Any], code: str) -> None:
    items, _ = ours(body)

    assert [item["type"] for item in items] == [code]
