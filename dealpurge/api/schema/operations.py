"""What the published schema tells of each operation: imported only where drf-spectacular is installed."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiRequest, OpenApiResponse

from dealpurge.api import idempotency
from dealpurge.api.answers import bodies, examples, restore_bodies, restore_examples
from dealpurge.api.beginning import RESPOND_ASYNC
from dealpurge.api.body import MAX_DIGITS
from dealpurge.api.errors import RETRY_HEADER, RUN_HEADER, BodyTooLarge, BodyUnreadable, LengthRequired, RunOver
from dealpurge.api.schema.describe import describe
from dealpurge.api.serializers import PurgeDealsBody
from dealpurge.api.views import CancelRunView, PurgeDealsView, PurgeRunView
from dealpurge.exceptions import PurgeInProgress, TooManyRequests
from dealpurge.runs import database, messages

PURGE_DEALS = """\
Deletes what the platform keeps in Redis for one deal or for every deal, and no other key. For superadmins, when the \
state of a deal is stuck, stale or simply no longer wanted. The request waits for the purge and is answered with its \
report.

**What goes:** ten families of keys, namely Canvas sessions, locks, presence and events, image crops, the digitization \
cache, intake summaries, document readiness, the deal-intel cache and brush findings. A site may have families of its \
own: `families` in a report names them all.

**What stays:** LangGraph checkpoints, because without them synthesis runs in flight are aborted. They go with \
`include_checkpoints`. Deals that somebody is working on stay with `exclude_active_within_secs`: each is judged by its \
newest `canvas:events` entry, and again at the moment of its deletion. Without it no deal is spared.

**What is kept:** where the site has an archive, a copy of what went is there for some days: `archive` in the report \
says until when.

**Two modes:** `by_deal` purges the deal of `deal_id`, which is required then; `all` purges every deal in Redis and \
refuses a `deal_id`. `org_id` narrows either to one organisation.

**A dry run unless told otherwise:** it takes the same path, counts what a purge would delete, and deletes nothing. A \
purge happens only with `dry_run` false.

Besides what is described below, booleans may be `0`, `1` and, in any case, `"true"`, `"false"`, `"1"`, `"0"`, \
`"yes"`, `"no"`, `"on"`, `"off"`, `"t"`, `"f"`, `"y"` and `"n"`, and seconds may be written as `3600.0` or as text, \
such as `"3600"`, `"3600.0"`, `"+3_600"` or `" 3600 "`. Everything else is refused with a 422, names that are none of \
the six and names that stand there twice included.
"""
PURGE_RUN = (
    "How far a run is, and its report once it is over. Who may purge, restore or view runs may ask for any of them."
)
CANCEL_RUN = (
    "Ends a queued run at once, and a running one at its next page. What it did by then stands in its report. A "
    "restore takes the permission to restore, and a purge that to purge."
)

JSON = "application/json"


def response(description: str, serializer: Any, **examples: Any) -> OpenApiResponse:
    """An answer, with examples by name: ``_`` stands for a space."""
    named = [OpenApiExample(name.replace("_", " "), value) for name, value in examples.items()]
    return OpenApiResponse(serializer, description, named)


def refusal(description: str, detail: str, serializer: Any = bodies.PurgeError, **more: Any) -> OpenApiResponse:
    """``detail``, and ``more`` beside it."""
    return response(description, serializer, example={"detail": detail, **more})


def header(name: str, description: str, *statuses: int) -> OpenApiParameter:
    """Of the answers with these statuses; without any, of requests."""
    return OpenApiParameter(
        name, str, OpenApiParameter.HEADER, description=description, response=[*statuses] if statuses else False
    )


UNAUTHORIZED = refusal(
    "No token, or not a good one. Nothing of the body was read.", "Authentication credentials were not provided."
)
FORBIDDEN = refusal("The user may not purge.", "You do not have permission to perform this action.")
NOT_FOUND = refusal("There is no such run.", "Not Found")
UNAVAILABLE = refusal("The database of runs cannot be used.", database.WORDS)
REFUSALS = {401: UNAUTHORIZED, 403: FORBIDDEN, 503: UNAVAILABLE}
CHALLENGE = header("WWW-Authenticate", "`Bearer`", 401)
WAITING = "Seconds after which to ask again, where waiting may help."
RUN_ID = "The run, as the record knows it."

PURGE_RESPONSES = {
    200: response(
        "The report, also of a run that was cancelled or could not remove everything.",
        bodies.PurgeReport,
        a_dry_run=examples.PREVIEW.as_dict(),
        a_purge=examples.REPORT.as_dict(),
    ),
    202: response(
        "A worker will do it. `Location` says where to ask.", restore_bodies.PurgeRunAnswer, example=examples.QUEUED
    ),
    400: refusal(
        "The body cannot be read: it is no text, nested too deeply, shorter than it says, or has an integer of more "
        f"than {MAX_DIGITS} digits in it.",
        BodyUnreadable.default_detail,
    ),
    **REFUSALS,
    409: response(
        "Another live purge of all deals is under way, a live restore is, or the run of this `Idempotency-Key`. Or "
        "this purge would delete more deals or keys than the settings allow, and deleted none, unless there came more "
        "meanwhile.",
        bodies.PurgeConflict,
        another_purge={"detail": str(PurgeInProgress(examples.RUN)), "run_id": str(examples.RUN)},
        a_limit=examples.LIMIT_EXCEEDED,
    ),
    411: refusal(
        "The body is chunked, and the web server does not say where it ends, as Django's `runserver` does not.",
        LengthRequired.default_detail,
    ),
    413: refusal("The body is too long.", BodyTooLarge.default_detail),
    422: response(
        "The body is refused, or the `Idempotency-Key`.", bodies.HTTPValidationError, example=examples.NO_SUCH_MODE
    ),
    429: refusal("Too many purges.", str(TooManyRequests(10))),
    503: refusal(
        "Redis, the database or the archive cannot be used; or the request took `DEALPURGE_REQUEST_TIMEOUT` seconds "
        "and the run was stopped, its status `cancelled`. What was deleted by then stands in the report.",
        messages.OUT_OF_TIME.format(20),
        bodies.PurgeRedisError,
        run_id=str(examples.RUN),
        deleted=examples.OUT_OF_TIME.keys.deleted,
        report=examples.OUT_OF_TIME.as_dict(),
    ),
}
PURGE_HEADERS = [
    OpenApiParameter(
        "Prefer",
        str,
        OpenApiParameter.HEADER,
        enum=[RESPOND_ASYNC],
        description="`respond-async` leaves the purge to a worker, which has no time limit, and answers 202.",
    ),
    header(
        idempotency.HEADER,
        "For a client that may have to ask again: 1 to 255 characters of visible ASCII without a comma, such as a "
        "UUID, new for every purge. For a day the same key and body are answered from the run there is, and nothing is "
        "purged twice; another body is refused. A run that failed before it deleted anything frees its key. Without "
        "effect in a dry run.",
    ),
    CHALLENGE,
    header(RUN_HEADER, RUN_ID, 200, 202, 409, 503),
    header("Location", f"Such as `/api/superadmin/purge_runs/{examples.RUN}`.", 202),
    header("Preference-Applied", f"`{RESPOND_ASYNC}`", 202),
    header(RETRY_HEADER, WAITING, 409, 429, 503),
]


PURGE_BODY = {
    JSON: OpenApiRequest(
        request=PurgeDealsBody,
        examples=[
            OpenApiExample("what would go of one deal", examples.body(examples.ONE_DEAL)),
            OpenApiExample("all deals but the active ones", examples.body(examples.ALL_BUT_ACTIVE)),
        ],
    )
}
RUN_RESPONSES = {
    200: response("The run.", restore_bodies.PurgeRunAnswer, a_purge=examples.RUNNING, a_restore=restore_examples.OVER),
    **REFUSALS,
    404: NOT_FOUND,
}
CANCEL_RESPONSES = {
    200: response("It was asked to stop.", restore_bodies.PurgeRunAnswer, example=examples.CANCELLING),
    **REFUSALS,
    403: refusal("The user may not do what the run does.", "You do not have permission to perform this action."),
    404: NOT_FOUND,
    409: refusal(RunOver.default_detail, RunOver.default_detail, bodies.PurgeRunError, run_id=str(examples.RUN)),
}


def publish() -> None:
    """Give each view its part of the schema."""
    describe(
        PurgeDealsView,
        "post",
        operation_id="purge_deals",
        summary="Purge the Redis state of one deal or of all of them",
        description=PURGE_DEALS,
        parameters=PURGE_HEADERS,
        request=PURGE_BODY,
        responses=PURGE_RESPONSES,
    )
    describe(
        PurgeRunView,
        "get",
        operation_id="purge_run",
        summary="How far a run is, and its report once it is over",
        description=PURGE_RUN,
        parameters=[CHALLENGE, header(RUN_HEADER, RUN_ID, 200), header(RETRY_HEADER, WAITING, 503)],
        responses=RUN_RESPONSES,
    )
    describe(
        CancelRunView,
        "post",
        operation_id="cancel_purge_run",
        summary="Stop a run at its next page",
        description=CANCEL_RUN,
        parameters=[CHALLENGE, header(RUN_HEADER, RUN_ID, 200, 409), header(RETRY_HEADER, WAITING, 503)],
        request=None,
        responses=CANCEL_RESPONSES,
    )
