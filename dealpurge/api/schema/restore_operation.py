"""What the published schema tells of restores: imported only where drf-spectacular is installed."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiRequest

from dealpurge.api import idempotency
from dealpurge.api.answers import bodies, restore_bodies, restore_examples
from dealpurge.api.beginning import RESPOND_ASYNC
from dealpurge.api.errors import RESTORE_REFUSED, RETRY_HEADER, RUN_HEADER
from dealpurge.api.restore_body import RestoreDealsBody
from dealpurge.api.schema import operations
from dealpurge.api.schema.describe import describe
from dealpurge.api.schema.operations import JSON, header, refusal, response
from dealpurge.api.views import RestoreRunView
from dealpurge.exceptions import TooManyRequests
from dealpurge.runs.archive import restores

RESTORE_DEALS = """\
Writes back to Redis what a purge has archived, for every deal of it or for some, with the times to live that are \
left. It takes `dealpurge.restore_deals`, which is a permission of its own. The request waits for the restore and is \
answered with its report.

**What exists stays:** no key is overwritten, whatever it holds by now. Deals of which keys exist again are `mixed` in \
the report; with `leave_mixed` they are left as they are. So a restore may be asked for again: it writes what is not \
there yet.

**All or nothing to begin with:** files are checked, and the memory of Redis, before the first key is written. Where \
files are damaged or missing nothing is written; with `skip_damaged` the rest is. What does not come back, such as \
keys that have expired, the report counts.

**A dry run unless told otherwise:** it reads the archive, asks Redis which keys exist, and writes nothing. A restore \
happens only with `dry_run` false. One live restore is under way at a time, and none beside a live purge of all deals.

Besides what is described below, booleans may be `0`, `1` and, in any case, `"true"`, `"false"`, `"1"`, `"0"`, \
`"yes"`, `"no"`, `"on"`, `"off"`, `"t"`, `"f"`, `"y"` and `"n"`. Everything else is refused with a 422, names that are \
none of the five, or none of the two of a deal, and names that stand there twice included.
"""

BODY = {
    JSON: OpenApiRequest(
        request=RestoreDealsBody,
        examples=[
            OpenApiExample("what would come back", restore_examples.body(restore_examples.PREVIEWED)),
            OpenApiExample("one deal, if nobody works on it again", restore_examples.body(restore_examples.ONE_DEAL)),
        ],
    )
}
RESPONSES = operations.PURGE_RESPONSES | {
    200: response(
        "The report, also of a restore that was cancelled or could not write everything.",
        restore_bodies.RestoreReport,
        a_dry_run=restore_examples.PREVIEW.as_dict(),
        a_restore=restore_examples.REPORT.as_dict(),
    ),
    202: response(
        "A worker will do it. `Location` says where to ask.",
        restore_bodies.PurgeRunAnswer,
        example=restore_examples.QUEUED,
    ),
    403: refusal("The user may not restore.", "You do not have permission to perform this action."),
    404: operations.NOT_FOUND,
    409: response(
        "The archive is not restored: the run is no purge or not over, no archive was kept, it was removed or has "
        "expired, it is of another environment, files of it are damaged or missing, or Redis has not enough memory "
        "free. Or another live restore is under way, or a live purge of all deals, or the run of this "
        "`Idempotency-Key`.",
        restore_bodies.RestoreConflict,
        no_archive={"detail": str(restores.EXPIRED), "code": RESTORE_REFUSED},
        damaged_files=restore_examples.REFUSAL,
        another_restore=restore_examples.ANOTHER,
    ),
    422: response(
        "The body is refused, or the `Idempotency-Key`.",
        bodies.HTTPValidationError,
        example=restore_examples.NO_SUCH_DEAL,
    ),
    429: refusal("Too many requests.", str(TooManyRequests(10))),
    503: response(
        "Redis, the database or the archive cannot be used; or the request took `DEALPURGE_REQUEST_TIMEOUT` seconds "
        "and the run was stopped, its status `cancelled`. What was written by then stands in the report.",
        restore_bodies.RestoreRedisError,
        example=restore_examples.CUT_OFF,
    ),
}
HEADERS = [
    OpenApiParameter(
        "Prefer",
        str,
        OpenApiParameter.HEADER,
        enum=[RESPOND_ASYNC],
        description="`respond-async` leaves the restore to a worker, which has no time limit, and answers 202.",
    ),
    header(
        idempotency.HEADER,
        "As of a purge: for a day the same key, purge and body are answered from the run there is, and any other is "
        "refused, that of a purge included. A run that failed before it wrote anything frees its key. Without effect "
        "in a dry run.",
    ),
    operations.CHALLENGE,
    header(RUN_HEADER, operations.RUN_ID, 200, 202, 409, 503),
    header("Location", f"Such as `/api/superadmin/purge_runs/{restore_examples.RUN}`.", 202),
    header("Preference-Applied", f"`{RESPOND_ASYNC}`", 202),
    header(RETRY_HEADER, operations.WAITING, 409, 429, 503),
]


def publish() -> None:
    """Give the view its part of the schema."""
    describe(
        RestoreRunView,
        "post",
        operation_id="restore_deals",
        summary="Restore what a purge has archived",
        description=RESTORE_DEALS,
        parameters=HEADERS,
        request=BODY,
        responses=RESPONSES,
    )
