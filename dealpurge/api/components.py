"""The components of the published schema, as JSON Schema within OpenAPI 3.0: what is taken, and what is answered."""

from __future__ import annotations

from typing import Any

from dealpurge.api.fields import FALSE_WORDS, TRUE_WORDS
from dealpurge.models import PurgeRun
from dealpurge.report import LIST_LIMIT
from dealpurge.scope import ID_MAX_BYTES, MODES

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    """A reference to one of the components."""
    return {"$ref": f"#/components/schemas/{name}"}


def record(properties: Schema, *optional: str) -> Schema:
    """An object of these properties and no other, all of them required but the optional ones."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def nullable(schema: Schema) -> Schema:
    """The schema or null, as OpenAPI 3.0 writes it."""
    return {**schema, "nullable": True}


def array(items: Schema, **limits: Any) -> Schema:
    """A list of ``items``."""
    return {"type": "array", "items": items, **limits}


def one_of(*words: str) -> Schema:
    """Behind ``allOf``, where drf-spectacular does not make a component of it that the host's may collide with."""
    return {"allOf": [{"type": "string", "enum": list(words)}]}


TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
MOMENT: Schema = {"type": "string", "format": "date-time"}
RUN_ID: Schema = {"type": "string", "format": "uuid"}
ANYTHING: Schema = {}

#: Of an id in plain ASCII all that is legal; of others what is sure to be, since bytes cannot be counted here.
ID_PATTERN = rf"^(?:[!-9;-z|~]{{1,{ID_MAX_BYTES}}}|[^\u0000-\u0020\u007f:{{}}]{{1,{ID_MAX_BYTES // 4}}})$"
WORDS = sorted({form for word in TRUE_WORDS | FALSE_WORDS for form in (word, word.upper(), word.capitalize())})

ID: Schema = {
    "type": "string",
    "nullable": True,
    "pattern": ID_PATTERN,
    "description": f"1 to {ID_MAX_BYTES} bytes of UTF-8 without white space, control characters, `:`, `{{` and `}}`. "
    "`*`, `?` and `[` mean themselves.",
}
LAX_BOOLEAN: Schema = {"anyOf": [FLAG, {"type": "integer", "enum": [0, 1]}, {"type": "string", "enum": WORDS}]}
LAX_SECONDS: Schema = {
    "anyOf": [
        nullable(COUNT),
        # No maxLength: of zeros in front there may be any number, of other digits 4,300.
        {"type": "string", "pattern": r"^ *\+?[0-9]+(?:_[0-9]+)*(?:\.0+)? *$"},
    ]
}

PURGE_DEALS_BODY: Schema = record(
    {
        "mode": one_of(*MODES) | {"description": "`all`: every deal in Redis. `by_deal`: the one of `deal_id`."},
        "deal_id": ID
        | {
            "description": "Required for `by_deal`, refused with `all`. Without `org_id` it means this id in every "
            f"organisation. {ID['description']}"
        },
        "org_id": ID | {"description": f"Narrows either mode to one organisation's keys. {ID['description']}"},
        "include_checkpoints": LAX_BOOLEAN
        | {"default": False, "description": "LangGraph checkpoints go too, which aborts synthesis runs in flight."},
        "exclude_active_within_secs": LAX_SECONDS
        | {"description": "Deals with activity in the last so many seconds stay. Null or 0: none stays."},
        "dry_run": LAX_BOOLEAN
        | {"default": True, "description": "Count and report, delete nothing. A purge happens only on `false`."},
    },
    "deal_id",
    "org_id",
    "include_checkpoints",
    "exclude_active_within_secs",
    "dry_run",
) | {
    "anyOf": [
        {"properties": {"mode": {"pattern": "^all$"}, "deal_id": {"not": TEXT}}},
        {"properties": {"mode": {"pattern": "^by_deal$"}, "deal_id": TEXT}, "required": ["deal_id"]},
    ]
}

_DEAL: Schema = {"org_id": nullable(TEXT), "deal_id": TEXT}
_SCOPE: Schema = {
    "mode": one_of(*MODES),
    "deal_id": nullable(TEXT),
    "org_id": nullable(TEXT),
    "include_checkpoints": FLAG,
    "exclude_active_within_secs": nullable(COUNT),
    "dry_run": FLAG,
    "deals_named": array(record(_DEAL), maxItems=LIST_LIMIT),
}
_DEAL_COUNTS = ("matched", "purged", "skipped_active", "interrupted")
_KEY_COUNTS = ("scanned", "matched", "deleted", "vanished", "not_removed", "checkpoints_kept", "unattributed")

PURGE_REPORT: Schema = record(
    {
        "run_id": nullable(RUN_ID),
        "status": one_of("completed", "partial", "cancelled", "failed"),
        **_SCOPE,
        "deals": record(dict.fromkeys(_DEAL_COUNTS, COUNT)),
        "keys": record({**dict.fromkeys(_KEY_COUNTS, COUNT), "unclaimed": nullable(COUNT)}),
        "families": {
            "type": "object",
            "additionalProperties": COUNT,
            "description": "Keys deleted by family, or in a dry run keys that would be.",
        },
        "skipped": array(record({**_DEAL, "last_active_at": nullable(MOMENT)}), maxItems=LIST_LIMIT),
        "skipped_truncated": FLAG,
        "unclaimed_sample": array(TEXT, maxItems=LIST_LIMIT),
        "warnings": array(TEXT),
        "started_at": MOMENT,
        "duration_ms": COUNT,
    },
    "deals_named",
)

PURGE_RUN: Schema = record(
    {
        "run_id": RUN_ID,
        "status": one_of(*PurgeRun.Status.values),
        **_SCOPE,
        "progress": record(dict.fromkeys(("scanned", "total", "deleted"), COUNT)),
        "cancel_requested": FLAG,
        "created_at": MOMENT,
        "started_at": nullable(MOMENT),
        "finished_at": nullable(MOMENT),
        "error": TEXT,
        "report": {"type": "object", "nullable": True, "description": "A PurgeReport once the run is over."},
    },
    "deals_named",
)

VALIDATION_ERROR: Schema = record(
    {
        "loc": array({"anyOf": [TEXT, {"type": "integer"}]}),
        "msg": TEXT,
        "type": TEXT,
        "input": ANYTHING,
        "ctx": {"type": "object"},
    },
    "input",
    "ctx",
)
HTTP_VALIDATION_ERROR: Schema = record({"detail": array(ref("ValidationError"))})
PURGE_ERROR: Schema = record({"detail": TEXT})
RUN_ERROR: Schema = record({"detail": TEXT, "run_id": RUN_ID}, "run_id")
REDIS_ERROR: Schema = record(
    {"detail": TEXT, "run_id": RUN_ID, "deleted": COUNT, "report": ref("PurgeReport")}, "run_id", "deleted", "report"
)

COMPONENTS: dict[str, Schema] = {
    "PurgeDealsBody": PURGE_DEALS_BODY,
    "PurgeReport": PURGE_REPORT,
    "PurgeRun": PURGE_RUN,
    "ValidationError": VALIDATION_ERROR,
    "HTTPValidationError": HTTP_VALIDATION_ERROR,
    "PurgeError": PURGE_ERROR,
    "PurgeRunError": RUN_ERROR,
    "PurgeRedisError": REDIS_ERROR,
}
