"""Answers as JSON, and what is wrong with a body in the shape that the contract gives it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from django.http import JsonResponse
from rest_framework.exceptions import APIException

from dealpurge.report import PurgeReport
from dealpurge.restore_report import RestoreReport
from dealpurge.scope import ID_MAX_BYTES

#: ``input`` echoes at most so many characters of what was sent.
ECHO_LIMIT = 1000

MESSAGES: Mapping[str, str] = {
    "missing": "Field required",
    "model_attributes_type": "Input should be a valid dictionary or object to extract fields from",
    "json_invalid": "JSON decode error",
    "extra_forbidden": "Extra inputs are not permitted",
    "bool_type": "Input should be a valid boolean",
    "bool_parsing": "Input should be a valid boolean, unable to interpret input",
    "int_type": "Input should be a valid integer",
    "int_parsing": "Input should be a valid integer, unable to parse string as an integer",
    "int_parsing_size": "Unable to parse input string as an integer, exceeded maximum size",
    "int_from_float": "Input should be a valid integer, got a number with a fractional part",
    "list_type": "Input should be a valid list",
    "finite_number": "Input should be a finite number",
}
CONTEXTS: Mapping[str, Mapping[str, Any]] = {
    "literal_error": {"expected": "'all' or 'by_deal'"},
    "greater_than_equal": {"ge": 0},
    "string_too_short": {"min_length": 1},
    "string_too_long": {"max_length": ID_MAX_BYTES},
}

#: Seconds after which the same request may succeed.
RETRY_HEADER = "Retry-After"
#: Names the run beside the request's own id, so that the host's logs lead to the record.
RUN_HEADER = "X-Purge-Run-ID"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorItem:
    """One thing wrong with a request; ``loc`` without the leading ``place``."""

    code: str
    input: Any
    place: Literal["body", "header"] = "body"
    loc: tuple[str | int, ...] = ()
    message: str = ""
    ctx: Mapping[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The item as the contract shows it."""
        item: dict[str, Any] = {
            "type": self.code,
            "loc": [self.place, *(part[:ECHO_LIMIT] if isinstance(part, str) else part for part in self.loc)],
            "msg": self.message or MESSAGES[self.code],
            "input": echo(self.input),
        }
        ctx = self.ctx or CONTEXTS.get(self.code)
        return item | ({"ctx": dict(ctx)} if ctx else {})


class InvalidBody(APIException):
    """422: the body, or a header, is refused for these reasons."""

    status_code = 422

    def __init__(self, *items: ErrorItem) -> None:
        super().__init__()
        self.items = items


class BodyUnreadable(APIException):
    """400: the bytes are no JSON text at all, or not all of them came."""

    status_code = 400
    default_detail = "There was an error parsing the body"


class BodyTooLarge(APIException):
    """413: the body is longer than ``DEALPURGE_MAX_BODY_BYTES``."""

    status_code = 413
    default_detail = "Content Too Large"


class LengthRequired(APIException):
    """411: the body is chunked, and this server does not say where it ends."""

    status_code = 411
    default_detail = "Length Required"


#: The ``code`` of a 409 that no waiting helps.
LIMIT_EXCEEDED = "limit_exceeded"
#: And of one of a restore, where its archive is gone, of another place, damaged or too large.
RESTORE_REFUSED = "restore_refused"


class RunOver(APIException):
    """409: there is nothing left to cancel."""

    status_code = 409
    default_detail = "The run is over."

    def __init__(self, run_id: UUID) -> None:
        super().__init__()
        self.run_id = run_id


def echo(value: Any) -> Any:
    """What was sent, fit for an answer: cut where it is long, as text where JSON has no word for it."""
    if isinstance(value, str):
        return value[:ECHO_LIMIT]
    try:
        text = json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(value)[:ECHO_LIMIT]  # NaN and Infinity
    except RecursionError:
        return "(nested too deeply)"
    return value if len(text) <= ECHO_LIMIT else text[:ECHO_LIMIT]


def answer(
    status: int,
    detail: object,
    *,
    code: str = "",
    run_id: UUID | None = None,
    report: PurgeReport | RestoreReport | None = None,
    headers: Mapping[str, str] | None = None,
) -> JsonResponse:
    """An error as JSON; with ``run_id`` and what was done so far where there was a run, and a ``code`` where the status
    alone does not tell what it is."""
    body: dict[str, Any] = {"detail": detail} | ({"code": code} if code else {})
    if run_id is not None:
        body["run_id"] = str(run_id)
    if report is not None:
        restored = isinstance(report, RestoreReport)
        body |= done(report.columns["keys_restored" if restored else "keys_deleted"], restored=restored)
        body["report"] = report.as_dict()
    return JsonResponse(body, status=status, headers=_run_header(run_id) | dict(headers or {}))


def done(keys: int, *, restored: bool) -> dict[str, int]:
    """What was done by then, in the word of what it was."""
    return {"restored" if restored else "deleted": keys}


def run_answer(
    run_id: UUID | None, body: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> JsonResponse:
    """What became of a run, its id among the headers."""
    return JsonResponse(body, status=status, headers=_run_header(run_id) | dict(headers or {}))


def _run_header(run_id: UUID | None) -> dict[str, str]:
    return {RUN_HEADER: str(run_id)} if run_id else {}
