"""The operations of the published schema: what each takes, every status it answers, and an example of each."""

from __future__ import annotations

from typing import Any

from dealpurge.api.components import RUN_ID, Schema, ref
from dealpurge.runs import messages

JSON = "application/json"
RUN = "6f9d2c1e-3c54-4b7e-9d3c-0d9a6c3f2b11"
PATH_OF_RUN = f"/api/superadmin/purge_runs/{RUN}"

_SCOPE = {
    "mode": "all",
    "deal_id": None,
    "org_id": None,
    "include_checkpoints": False,
    "exclude_active_within_secs": 3600,
    "dry_run": False,
}
REPORT: dict[str, Any] = {
    "run_id": RUN,
    "status": "completed",
    **_SCOPE,
    "deals": {"matched": 20000, "purged": 10084, "skipped_active": 9916, "interrupted": 0},
    "keys": {
        "scanned": 1180000,
        "matched": 940000,
        "deleted": 473948,
        "vanished": 0,
        "not_removed": 0,
        "checkpoints_kept": 40000,
        "unattributed": 0,
        "unclaimed": None,
    },
    "families": {"canvas_sessions": 413444, "locks": 60504, "checkpoints": 0},
    "skipped": [{"org_id": "org037", "deal_id": "a5399c2e", "last_active_at": "2026-11-23T21:30:00Z"}],
    "skipped_truncated": True,
    "unclaimed_sample": [],
    "warnings": [],
    "started_at": "2026-11-23T21:40:00Z",
    "duration_ms": 2750,
}
QUEUED: dict[str, Any] = {
    "run_id": RUN,
    "status": "queued",
    **_SCOPE,
    "progress": {"scanned": 0, "total": 0, "deleted": 0},
    "cancel_requested": False,
    "created_at": "2026-11-23T21:40:00Z",
    "started_at": None,
    "finished_at": None,
    "error": "",
    "report": None,
}
RUNNING = QUEUED | {
    "status": "running",
    "progress": {"scanned": 420000, "total": 1180000, "deleted": 168000},
    "started_at": "2026-11-23T21:40:00Z",
}
FAILED_REPORT = REPORT | {
    "status": "failed",
    "deals": {"matched": 7100, "purged": 7100, "skipped_active": 0, "interrupted": 0},
    "keys": REPORT["keys"] | {"scanned": 420000, "matched": 168000, "deleted": 168000},
    "families": {"canvas_sessions": 150000, "locks": 18000, "checkpoints": 0},
    "skipped": [],
    "skipped_truncated": False,
}
LITERAL_ERROR = {
    "type": "literal_error",
    "loc": ["body", "mode"],
    "msg": "Input should be 'all' or 'by_deal'",
    "input": "by_org",
    "ctx": {"expected": "'all' or 'by_deal'"},
}


def response(description: str, component: str, example: object, **headers: str) -> Schema:
    """A response of one component; ``headers`` maps names, with ``_`` for ``-``, to what they say."""
    body: Schema = {
        "description": description,
        "content": {JSON: {"schema": ref(component), "examples": {"example": {"value": example}}}},
    }
    if headers:
        described = {name.replace("_", "-"): text for name, text in headers.items()}
        body["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in described.items()
        }
    return body


def error(description: str, detail: str, component: str = "PurgeError", **more: Any) -> Schema:
    """A refusal: ``detail``, and ``more`` beside it."""
    return response(description, component, {"detail": detail, **more})


RUN_HEADER = "The run, as the record knows it."

#: Of every operation.
REFUSALS: dict[str, Schema] = {
    "401": response(
        "No token, or not a good one. Nothing of the body was read.",
        "PurgeError",
        {"detail": "Authentication credentials were not provided."},
        WWW_Authenticate="Bearer",
    ),
    "403": error("The user may not purge.", "You do not have permission to perform this action."),
    "503": error(
        "Redis or the database cannot be used. What was deleted by then stands in the report.",
        "Redis cannot be reached.",
        "PurgeRedisError",
        run_id=RUN,
        deleted=168000,
        report=FAILED_REPORT,
    ),
}
#: Of a purge that the request waits for.
UNAVAILABLE = error(
    "Redis or the database cannot be used; or the request took `DEALPURGE_REQUEST_TIMEOUT` seconds and the run was "
    "stopped, its status `cancelled`. What was deleted by then stands in the report.",
    messages.OUT_OF_TIME.format(20),
    "PurgeRedisError",
    run_id=RUN,
    deleted=168000,
    report=FAILED_REPORT | {"status": "cancelled"},
)
NOT_FOUND = error("There is no such run.", "Not Found")

#: From an answer to the run that it tells of.
LINKS: Schema = {
    name: {"operationId": operation, "parameters": {"run_id": "$response.body#/run_id"}}
    for name, operation in (("run", "purge_run"), ("cancel", "cancel_purge_run"))
}

PURGE_DEALS: Schema = {
    "operationId": "purge_deals",
    "summary": "Purge the Redis state of one deal or of all of them",
    "description": "A dry run unless `dry_run` is `false`: it counts what a purge would delete, and deletes nothing.",
    "tags": ["superadmin"],
    "parameters": [
        {
            "in": "header",
            "name": "Prefer",
            "schema": {"type": "string"},
            "description": "`respond-async` leaves the purge to a worker, which has no time limit, and answers 202.",
            "example": "respond-async",
        }
    ],
    "requestBody": {
        "required": True,
        "content": {
            JSON: {
                "schema": ref("PurgeDealsBody"),
                "examples": {
                    "what would go": {"value": {"mode": "all"}},
                    "one deal": {"value": {"mode": "by_deal", "deal_id": "deal-1", "dry_run": False}},
                    "all but the busy ones": {
                        "value": {"mode": "all", "exclude_active_within_secs": 3600, "dry_run": False}
                    },
                },
            }
        },
    },
    "security": [{"bearerAuth": []}],
    "responses": {
        "200": response(
            "The report, also of a run that was cancelled or could not remove everything.",
            "PurgeReport",
            REPORT,
            X_Purge_Run_ID=RUN_HEADER,
        )
        | {"links": LINKS},
        "202": response(
            "A worker will do it. `Location` says where to ask.",
            "PurgeRun",
            QUEUED,
            Location=f"Such as `{PATH_OF_RUN}`.",
            Preference_Applied="`respond-async`",
            X_Purge_Run_ID=RUN_HEADER,
        )
        | {"links": LINKS},
        "400": error("The body is no text, or nested too deeply.", "There was an error parsing the body"),
        **REFUSALS,
        "503": UNAVAILABLE,
        "409": error(
            "Another live purge of all deals is under way.",
            "Another purge of all deals is in progress.",
            "PurgeRunError",
            run_id=RUN,
        ),
        "411": error("The body is chunked and the server does not say where it ends.", "Length Required"),
        "413": error("The body is too long.", "Content Too Large"),
        "422": response("The body is refused.", "HTTPValidationError", {"detail": [LITERAL_ERROR]}),
        "429": response(
            "Too many purges.",
            "PurgeError",
            {"detail": "Too many purges. Try again in 10 seconds."},
            Retry_After="Seconds until the next one is taken.",
        ),
    },
}

RUN_PARAMETER: Schema = {"in": "path", "name": "run_id", "required": True, "schema": RUN_ID}

PURGE_RUN: Schema = {
    "operationId": "purge_run",
    "summary": "How far a run is, and its report once it is over",
    "tags": ["superadmin"],
    "parameters": [RUN_PARAMETER],
    "security": [{"bearerAuth": []}],
    "responses": {"200": response("The run.", "PurgeRun", RUNNING), **REFUSALS, "404": NOT_FOUND},
}

CANCEL_RUN: Schema = {
    "operationId": "cancel_purge_run",
    "summary": "Stop a run at its next page",
    "tags": ["superadmin"],
    "parameters": [RUN_PARAMETER],
    "security": [{"bearerAuth": []}],
    "responses": {
        "200": response("It was asked to stop.", "PurgeRun", RUNNING | {"cancel_requested": True}),
        **REFUSALS,
        "404": NOT_FOUND,
        "409": error("The run is over.", "The run is over.", "PurgeRunError", run_id=RUN),
    },
}
