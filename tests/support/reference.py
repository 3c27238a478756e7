"""The body as a pydantic model, as the service before had one: what the contract's types come from."""

from __future__ import annotations

import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class Reference(BaseModel):
    """The body as that service took it."""

    mode: Literal["all", "by_deal"]
    deal_id: str | None = None
    org_id: str | None = None
    include_checkpoints: bool = False
    exclude_active_within_secs: int | None = Field(default=None, ge=0)
    dry_run: bool = True


class Stricter(Reference):
    """Without further names, as the contract has it now."""

    model_config = ConfigDict(extra="forbid")


def is_taken(raw: bytes) -> bool:
    """Whether the contract has the endpoint take this body, by the model and the contract's own rules."""
    try:
        body = json.loads(raw)
        model = Stricter.model_validate(body)
    except (ValueError, ValidationError, RecursionError):
        return False
    ids = [value for value in (model.deal_id, model.org_id) if value is not None]
    return (
        isinstance(body, dict)
        and not isinstance(body.get("exclude_active_within_secs"), bool)
        and (model.mode == "by_deal") is (model.deal_id is not None)
        and all(map(is_id, ids))
    )


def is_id(value: object) -> bool:
    """Whether it is an id as it stands in a key."""
    try:
        size = len(value.encode()) if isinstance(value, str) else 0
    except UnicodeEncodeError:
        return False
    return 0 < size <= 255 and not any(char in ":{}\x7f" or char <= " " for char in str(value))
