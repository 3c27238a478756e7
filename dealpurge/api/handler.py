"""Exceptions into answers: whatever is raised, the client reads JSON and never a traceback."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.signals import got_request_exception
from django.http import Http404, HttpRequest, JsonResponse
from django.utils.log import log_response
from rest_framework.exceptions import APIException, MethodNotAllowed

from dealpurge.api.errors import LIMIT_EXCEEDED, RESTORE_REFUSED, RETRY_HEADER, InvalidBody, RunOver, answer
from dealpurge.exceptions import (
    ArchiveUnavailable,
    AuditUnavailable,
    DealPurgeError,
    LimitExceeded,
    OutOfTime,
    PreviewRefused,
    PurgeConfigurationError,
    PurgeInProgress,
    PurgeNotAllowed,
    QueueUnavailable,
    RedisUnavailable,
    RequestRepeated,
    RestoreRefused,
    RunLost,
    TooManyRequests,
    ended_run,
)


def handle(exc: Exception, context: dict[str, Any]) -> JsonResponse:
    """The exception handler of our views; the host's own stays what it is for the host's."""
    response = to_answer(exc)
    return _unexpected(exc, context["request"]._request) if response is None else response


@singledispatch
def to_answer(exc: Exception) -> JsonResponse | None:
    """The answer to an exception that is raised on purpose; None for any other."""
    return None


@to_answer.register
def _(exc: APIException) -> JsonResponse:
    # Some authentication classes raise a dictionary, and some of those hold the token.
    detail = str(exc.detail if isinstance(exc.detail, str) else exc.default_detail)
    challenge = getattr(exc, "auth_header", None)
    return answer(exc.status_code, detail, headers={"WWW-Authenticate": challenge} if challenge else None)


@to_answer.register
def _(exc: MethodNotAllowed) -> JsonResponse:
    return answer(405, "Method Not Allowed")


@to_answer.register
def _(exc: InvalidBody) -> JsonResponse:
    return answer(422, [item.as_dict() for item in exc.items])


@to_answer.register
def _(exc: Http404) -> JsonResponse:
    return answer(404, "Not Found")


@to_answer.register(PermissionDenied)
@to_answer.register(PurgeNotAllowed)
def _(exc: Exception) -> JsonResponse:
    return answer(403, "You do not have permission to perform this action.")


@to_answer.register
def _(exc: PurgeInProgress) -> JsonResponse:
    return answer(409, str(exc), run_id=exc.run_id, headers=_retry_after(exc))


@to_answer.register
def _(exc: RequestRepeated) -> JsonResponse:
    return answer(409, str(exc), run_id=exc.run.pk, headers=_retry_after(exc))


@to_answer.register
def _(exc: RunOver) -> JsonResponse:
    return answer(409, str(exc.detail), run_id=exc.run_id)


@to_answer.register
def _(exc: LimitExceeded) -> JsonResponse:
    run_id, report = ended_run(exc)
    return answer(409, str(exc), code=LIMIT_EXCEEDED, run_id=run_id, report=report)


@to_answer.register
def _(exc: RestoreRefused) -> JsonResponse:
    return answer(409, str(exc), code=RESTORE_REFUSED, run_id=exc.run_id, report=exc.report)


@to_answer.register
def _(exc: PreviewRefused) -> JsonResponse:
    return answer(409, str(exc))


@to_answer.register
def _(exc: TooManyRequests) -> JsonResponse:
    return answer(429, str(exc), headers=_retry_after(exc))


@to_answer.register(RedisUnavailable)
@to_answer.register(ArchiveUnavailable)
@to_answer.register(RunLost)
@to_answer.register(OutOfTime)
def _(exc: RedisUnavailable | ArchiveUnavailable | RunLost | OutOfTime) -> JsonResponse:
    return answer(503, str(exc), run_id=exc.run_id, report=exc.report, headers=_retry_after(exc))


@to_answer.register
def _(exc: QueueUnavailable) -> JsonResponse:
    return answer(503, str(exc), run_id=exc.run_id, headers=_retry_after(exc))


@to_answer.register
def _(exc: PurgeConfigurationError) -> JsonResponse:
    run_id, report = ended_run(exc)
    return answer(503, str(exc), run_id=run_id, report=report)


@to_answer.register
def _(exc: AuditUnavailable) -> JsonResponse:
    return answer(503, str(exc), headers=_retry_after(exc))


def _retry_after(exc: DealPurgeError) -> dict[str, str]:
    """Where waiting helps."""
    return {} if exc.retry_after is None else {RETRY_HEADER: str(exc.retry_after)}


def _unexpected(exc: Exception, request: HttpRequest) -> JsonResponse:
    """Tell whoever listens, as Django would have, and the client nothing."""
    got_request_exception.send(sender=None, request=request)
    run_id, report = ended_run(exc)
    response = answer(500, "Internal Server Error", run_id=run_id, report=report)
    log_response("%s: %s", response.reason_phrase, request.path, response=response, request=request, exception=exc)
    return response
