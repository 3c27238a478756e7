"""``Idempotency-Key``: who asks for a live purge or restore again with the key of the first time is told of the run
there is."""

from __future__ import annotations

import re
from dataclasses import replace

from django.http import JsonResponse
from rest_framework.request import Request

from dealpurge import services
from dealpurge.api.errors import LIMIT_EXCEEDED, RESTORE_REFUSED, ErrorItem, InvalidBody, done, run_answer
from dealpurge.models import PurgeRun
from dealpurge.report import PurgeReport
from dealpurge.restore_report import RestoreReport
from dealpurge.runs.archive import restores
from dealpurge.runs.idempotency import digest, ended_in_error, stopped_at_limit
from dealpurge.runs.store import Origin

HEADER = "Idempotency-Key"
MAX_LENGTH = 255
#: Visible ASCII. Servers join a header that was sent twice with a comma, and which of the two is meant is not known.
KEY = re.compile(r"[!-+\--~]+")
OTHER_BODY = "Value error, this key was used with another body"


def key_of(request: Request) -> str | None:
    """The key that came with the request, if one did. Raises ``InvalidBody``."""
    key: str | None = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if key is None:
        return None
    key = key.strip(" \t")  # what stands around a value is not of it, and uvicorn leaves what stands behind
    if not key:
        raise _refusal("string_too_short", "String should have at least 1 character", key)
    if len(key) > MAX_LENGTH:
        raise _refusal("string_too_long", f"String should have at most {MAX_LENGTH} characters", key)
    if not KEY.fullmatch(key):
        raise _refusal("string_pattern_mismatch", "String should be visible ASCII without spaces and commas", key)
    return key


def with_key(origin: Origin, key: str) -> Origin:
    """Who asked, with that key of theirs."""
    return replace(origin, idempotency_key=digest(key, origin.actor, origin.actor_name))


def check_same(request: Request, same: bool) -> None:
    """That the run of the key is the one that is asked for again. Raises ``InvalidBody``."""
    if not same:
        raise _refusal("value_error", OTHER_BODY, key_of(request) or "")


def answer_again(run: PurgeRun) -> JsonResponse:
    """What the first request was answered, or would have been: the report of a run that is over, or the error that
    ended it."""
    if ended_in_error(run):
        code = _code_of(run)
        keys = done(run.keys_restored if run.is_restore else run.keys_deleted, restored=run.is_restore)
        body = {"detail": run.error} | ({"code": code} if code else {}) | {"run_id": str(run.pk), **keys}
        return run_answer(run.pk, body | ({"report": run.report} if run.report else {}), status=409 if code else 503)
    return run_answer(run.pk, run.report or _never_begun(run).as_dict())


def _code_of(run: PurgeRun) -> str:
    """Of what no waiting helps."""
    if stopped_at_limit(run):
        return LIMIT_EXCEEDED
    return RESTORE_REFUSED if restores.was_refused(run) else ""


def _never_begun(run: PurgeRun) -> PurgeReport | RestoreReport:
    """The report of a run that was cancelled while it waited for a worker."""
    moment = run.finished_at or run.created_at
    if run.is_restore:
        return RestoreReport(
            run_id=run.pk,
            purge_id=run.restored_run_id,
            status="cancelled",
            scope=run.restore_scope,
            environment=run.environment or None,
            started_at=moment,
        )
    families = dict.fromkeys(services.check(run.scope).names, 0)
    return PurgeReport(run_id=run.pk, status="cancelled", scope=run.scope, families=families, started_at=moment)


def _refusal(code: str, message: str, key: str) -> InvalidBody:
    ctx = {"max_length": MAX_LENGTH} if code == "string_too_long" else None
    return InvalidBody(ErrorItem(code=code, place="header", loc=(HEADER,), message=message, input=key, ctx=ctx))
