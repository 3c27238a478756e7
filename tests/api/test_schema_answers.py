"""Answers by what makes them, held to the schema with no room left in it: each name is told, and each that is told is
answered."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from typing import Any, get_args

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from dealpurge.api.answers import examples, restore_examples
from dealpurge.api.errors import LIMIT_EXCEEDED, RESTORE_REFUSED, ErrorItem, InvalidBody, answer
from dealpurge.api.handler import to_answer
from dealpurge.exceptions import RestoreRefused
from dealpurge.models import PurgeRun
from dealpurge.report import LIST_LIMIT, ArchiveReport, MissingDeal, SkippedDeal, Status
from dealpurge.restore_report import MixedDeal
from dealpurge.scope import PurgeScope, RestoreScope
from dealpurge.services import PhaseProgress, ProgressDetails, ServerProgress
from tests.support.published import Schema, document, operations, refusals

from .conftest import PATH, Bearer, Post

SEVERAL = PurgeScope(mode="by_deal", deals=((None, "deal-1"), *(("acme", f"deal-{n}") for n in range(LIST_LIMIT))))
BODIES = ("PurgeDealsBody", "RestoreDealsBody", "RestoreDeal")
#: With null wherever a report may have it, and lists as long as they get.
REPORT = replace(
    examples.REPORT,
    run_id=None,
    scope=SEVERAL,
    skipped=(SkippedDeal(org_id=None, deal_id="deal-1", last_active_at=None),) * LIST_LIMIT,
    deals_not_found=(
        *(MissingDeal(org_id=None, deal_id="deal-1"),) * (LIST_LIMIT - 1),
        MissingDeal(org_id="acme", deal_id="dael-1", did_you_mean=("acme", "deal-1")),
    ),
    unclaimed_sample=("notes:deal-1",) * LIST_LIMIT,
    archive=ArchiveReport(bytes=9, chunks=1, until=None),
    warnings=("Read this.",),
)
RESTORE = replace(
    restore_examples.REPORT,
    run_id=None,
    purge_id=None,
    environment=None,
    scope=RestoreScope(deals=SEVERAL.deals, families=("locks",)),
    mixed=(MixedDeal(org_id=None, deal_id="deal-1", keys=1),) * LIST_LIMIT,
    not_found=((None, "deal-1"),) * LIST_LIMIT,
    damaged=restore_examples.REFUSED.damaged * LIST_LIMIT,
    memory_needed=None,
    memory_free=None,
)
#: With null wherever progress may have it, and without.
ON_A_CLUSTER = ProgressDetails(
    pass_number=2,
    phases=(
        PhaseProgress(name="scan", state="now", done=7, total=9, rate=3, seconds=2.5, seconds_left=1),
        PhaseProgress(name="delete", state="later", done=0),
    ),
    servers=(
        ServerProgress(
            name="redis-a:7000", state="scanning", scanned=7, deleted=0, rate=3, waiting=None, gives_up_in=None
        ),
        ServerProgress(name="redis-b:7000", state="done", scanned=0, deleted=0, rate=None, waiting=12, gives_up_in=18),
    ),
    waiting=12,
    gives_up_in=18,
    deals={"purged": 7},
)
ITEMS = [
    ErrorItem(code="json_invalid", loc=(14,), input={}, ctx={"error": "Expecting ',' delimiter"}),
    ErrorItem(code="missing", input=None),
    ErrorItem(code="extra_forbidden", loc=("colour",), input=[1]),
]
DAMAGED = answer(409, "Why.", code=RESTORE_REFUSED, run_id=examples.RUN, report=RESTORE)
ANSWERS: dict[str, tuple[str, int, Any]] = {
    **{f"a {word} report": ("purge_deals", 200, replace(REPORT, status=word).as_dict()) for word in get_args(Status)},
    **{f"a {word} run": ("purge_run", 200, examples.run(status=word)) for word in PurgeRun.Status.values},
    "a report without an archive": ("purge_deals", 200, replace(REPORT, archive=None).as_dict()),
    "a run that is over": ("purge_run", 200, examples.run(report=REPORT.as_dict(), finished_at=examples.BEGAN)),
    "a run on a cluster": ("purge_run", 200, examples.run(status="running", progress=ON_A_CLUSTER.as_dict())),
    "a queued run": ("purge_deals", 202, examples.run()),
    "a run to be cancelled": ("cancel_purge_run", 200, examples.CANCELLING),
    "a body that is refused": ("purge_deals", 422, to_answer(InvalidBody(*ITEMS))),
    "another purge": ("purge_deals", 409, answer(409, "Why.", run_id=examples.RUN)),
    "a run that was over": ("cancel_purge_run", 409, answer(409, "Why.", run_id=examples.RUN)),
    "no database": ("purge_deals", 503, answer(503, "Why.")),
    "no worker": ("purge_deals", 503, answer(503, "Why.", run_id=examples.RUN)),
    "limit": ("purge_deals", 409, answer(409, "Why.", code=LIMIT_EXCEEDED, run_id=examples.RUN, report=REPORT)),
    "no Redis": ("purge_deals", 503, answer(503, "Why.", run_id=examples.RUN, report=REPORT)),
    "no database for a run": ("purge_run", 503, answer(503, "Why.")),
    "no such run": ("purge_run", 404, answer(404, "Why.")),
    "no such purge": ("restore_deals", 404, answer(404, "Why.")),
    **{f"a {word} restore": ("restore_deals", 200, {**RESTORE.as_dict(), "status": word}) for word in get_args(Status)},
    "a queued restore": ("restore_deals", 202, restore_examples.QUEUED),
    "a restore that is over": ("purge_run", 200, restore_examples.OVER),
    "a purge that was restored": ("purge_run", 200, examples.run() | {"restores": [str(examples.RUN)]}),
    "a body of a restore": ("restore_deals", 422, to_answer(InvalidBody(*ITEMS))),
    "no archive": ("restore_deals", 409, to_answer(RestoreRefused("Why."))),
    "a damaged one": ("restore_deals", 409, DAMAGED),
    "another restore": ("restore_deals", 409, answer(409, "Why.", run_id=examples.RUN)),
    "no Redis to restore to": ("restore_deals", 503, answer(503, "Why.", run_id=examples.RUN, report=RESTORE)),
}  # fmt: skip


@pytest.fixture(scope="module")
def closed() -> Schema:
    """The document, as if no answer could have a name that it does not tell."""
    schema = deepcopy(document())
    for component in schema["components"]["schemas"].values():
        if "properties" in component:
            component["additionalProperties"] = False
    return schema


@pytest.mark.parametrize("name", ANSWERS)
def test_what_is_answered_is_told(closed: Schema, name: str) -> None:
    operation, status, made = ANSWERS[name]
    told = operations(closed)[operation]["responses"][str(status)]["content"]["application/json"]["schema"]

    assert refusals(closed, told, made if isinstance(made, dict) else json.loads(made.content)) == []


def test_a_name_that_is_not_told_is_found(closed: Schema) -> None:
    assert refusals(closed, {"$ref": "#/components/schemas/PurgeReport"}, REPORT.as_dict() | {"later": 1})


def test_what_is_told_is_answered(closed: Schema) -> None:
    """The names that are not in every answer are in some."""
    seen = "".join(
        json.dumps(made) if isinstance(made, dict) else made.content.decode() for *_, made in ANSWERS.values()
    )
    components = closed["components"]["schemas"]
    told = {name for key, part in components.items() if key not in BODIES for name in part.get("properties", ())}

    assert sorted(name for name in told if f'"{name}":' not in seen) == []


@pytest.mark.django_db
def test_what_is_refused_is_refused_in_the_words_of_the_example(
    http: Client, post: Post, staff: User, bearer: Bearer, settings: Settings, closed: Schema
) -> None:
    settings.DEALPURGE_MAX_BODY_BYTES = 100
    refused: dict[int, Any] = {
        400: post(b"\xff"),
        401: http.post(PATH),
        403: http.post(PATH, headers=bearer(staff)),
        411: post(**{"Transfer-Encoding": "chunked"}),
        413: post(b" " * 101),
        422: post({"mode": "by_org"}),
    }

    for status, answered in refused.items():
        content = operations(closed)["purge_deals"]["responses"][str(status)]["content"]["application/json"]
        (example,) = content["examples"].values()
        assert (answered.status_code, json.loads(answered.content)) == (status, example["value"])
