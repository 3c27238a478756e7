"""What schemathesis is told besides the document: whether a body is taken needs more words than a schema has."""

from __future__ import annotations

import json
from typing import Any
from zlib import crc32

import schemathesis

from tests.support.reference import is_id, is_taken


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Three of four bodies keep to the rules between the fields, which random ones seldom do; one of them purges."""
    chosen = crc32(json.dumps(body, default=str).encode()) % 4
    if not isinstance(body, dict) or chosen == 3:
        return body
    made = {name: value for name, value in body.items() if name not in ("deal_id", "org_id") or is_id(value)}
    if made.get("mode") == "all":
        made.pop("deal_id", None)
    elif made.get("mode") == "by_deal":
        made.setdefault("deal_id", "deal-1")
    return made | {"dry_run": False} if chosen == 0 else made


@schemathesis.check
def bodies_are_taken_by_the_contract(ctx: Any, response: Any, case: Any) -> None:
    """Refused with a 422 is what the model of the contract refuses, and nothing else."""
    if case.operation.definition.raw.get("operationId") != "purge_deals" or response.request.method != "POST":
        return
    raw, media_type = response.request.body or b"", response.request.headers.get("Content-Type", "")
    if isinstance(media_type, bytes):
        media_type = media_type.decode("latin-1")
    taken = media_type == "application/json" and is_taken(raw if isinstance(raw, bytes) else raw.encode())
    if response.status_code == 422 and response.json()["detail"][0]["loc"][0] == "header":
        return
    if response.status_code == 422:
        assert not taken, f"refused, and by the contract it is taken: {raw!r}"
    elif response.status_code in (200, 202, 409, 429, 503):
        assert taken, f"taken, and by the contract it is refused: {raw!r}"
