"""Bytes compared with what FastAPI makes of them: valid bodies, broken at random, under any media type."""

from __future__ import annotations

import json
from email.message import Message
from typing import Any

from django.test import RequestFactory
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from dealpurge.api.body import json_object
from dealpurge.api.errors import BodyUnreadable, InvalidBody
from dealpurge.api.serializers import PurgeDealsBody
from tests.support.reference import Reference
from tests.support.samples import sample

from .test_reference import STRICTER

Verdict = tuple[int, list[dict[str, Any]]]

WHOLE = (
    b'{"mode": "by_deal", "deal_id": "a1", "dry_run": false, "exclude_active_within_secs": 3600}',
    b'{"mode": "all", "include_checkpoints": true, "org_id": null}',
    '{"mode":"by_deal","deal_id":"\u65e5\u672c"}'.encode(),
    '{"mode": "all"}'.encode("utf-16"),
)
BREAKING = [bytes([code]) for code in b'{}[],:"\\ \n\t0159-+.eEtfnu\x00\xff\xc3_/'] + [
    b"",
    b"\\u00e9",
    b"null",
    b"1e400",
]
JSON_TYPES = ("application/json", "application/json; charset=x", "application/problem+json", "")
TYPES = (*JSON_TYPES, "text/plain", "application/jsonp", "multipart/form-data; boundary=x", "x")


def of_fastapi(raw: bytes, content_type: str) -> Verdict:
    """As ``fastapi.routing`` does it: nothing at all, then the media type, then JSON, then the model."""
    if not raw:
        return 422, [{"type": "missing", "loc": ["body"]}]
    message = Message()
    message["Content-Type"] = content_type or "application/json"
    subtype = message.get_content_subtype()
    body: Any = raw
    if message.get_content_maintype() == "application" and (subtype == "json" or subtype.endswith("+json")):
        try:
            raw.decode(json.detect_encoding(raw))  # deliberately stricter: json.loads lets surrogates through
            body = json.loads(raw)
        except json.JSONDecodeError as exc:
            return 422, [{"type": "json_invalid", "loc": ["body", exc.pos], "ctx": {"error": exc.msg}}]
        except (ValueError, RecursionError):
            return 400, []
    try:
        Reference.model_validate(body, from_attributes=True)
    except ValidationError as exc:
        return 422, [{"type": error["type"], "loc": ["body", *error["loc"]]} for error in exc.errors()]
    return 200, []


def of_ours(raw: bytes, content_type: str) -> tuple[Verdict, list[dict[str, Any]]]:
    """The same of ours, and the items that the contract has stricter on purpose."""
    request = RequestFactory().generic("POST", "/", raw, content_type=content_type)
    try:
        body = PurgeDealsBody(data=json_object(request))
        items = [] if body.is_valid() else [item.as_dict() for item in body.error_items()]
    except BodyUnreadable:
        return (400, []), []
    except InvalidBody as exc:
        items = [item.as_dict() for item in exc.items]
    stricter = [item for item in items if is_stricter(item)]
    kept = [{name: item[name] for name in _compared(item)} for item in items if item not in stricter]
    return (422 if kept else 200, kept), stricter


def is_stricter(item: dict[str, Any]) -> bool:
    return len(item["loc"]) == 2 and (item["type"] == "value_error" or any(rule(item) for rule in STRICTER.values()))


def _compared(item: dict[str, Any]) -> tuple[str, ...]:
    return ("type", "loc", "ctx") if item["type"] == "json_invalid" else ("type", "loc")


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    raw = draw(st.sampled_from(WHOLE))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(raw)))
        raw = raw[:start] + draw(st.sampled_from(BREAKING)) + raw[start + draw(st.integers(0, 2)) :]
    return raw[: draw(st.integers(0, len(raw)))] if draw(st.integers(0, 9)) == 0 else raw


@settings(max_examples=sample(200, 15_000))
@given(st.one_of(broken(), st.binary(max_size=20)), st.one_of(st.sampled_from(JSON_TYPES), st.sampled_from(TYPES)))
@example(b"", "text/plain")
@example(b"\xef\xbb\xbf\xef\xbb\xbf{}", "")
@example(b"[" * 100_000, "application/json")
@example(b"9" * 5000, "application/json")
def test_fastapi_says_the_same(raw: bytes, content_type: str) -> None:
    """Where a field is refused twice over, its one item may be the stricter one."""
    status, items = of_fastapi(raw, content_type)
    (our_status, ours), stricter = of_ours(raw, content_type)
    overruled = [item["loc"] for item in stricter]

    assert ours == [item for item in items if item["loc"] not in overruled]
    assert our_status == status or (overruled and not ours)
