"""A request that is asked again with its ``Idempotency-Key`` has one run: whose a key is, and when it is free again."""

from __future__ import annotations

import json
from datetime import timedelta
from hashlib import sha256

from django.contrib.auth.base_user import AbstractBaseUser
from django.db.models import Q

from dealpurge.engine import limits
from dealpurge.engine.pass_warnings import BROKEN_OFF_WARNING
from dealpurge.exceptions import RequestRepeated
from dealpurge.models import PurgeRun
from dealpurge.runs.database import bounded, stored, update, utc_now

Status = PurgeRun.Status
#: So long after its run was asked for a key belongs to that run.
VALID_FOR = timedelta(days=1)


def digest(key: str, actor: AbstractBaseUser | None, actor_name: str) -> str:
    """What is stored of a key, which may be a secret: each user's are their own, and so are those of each name."""
    owner = ["name", actor_name] if actor is None else ["user", str(actor.pk)]
    return sha256(json.dumps([*owner, key]).encode()).hexdigest()


def holder(key: str) -> PurgeRun | None:
    """The run that a digest belongs to. None where it is free, from now on at the latest."""
    with bounded():
        run = stored().filter(idempotency_key=key).annotate(now=utc_now()).first()
    if run is None:
        return None
    if run.now - run.created_at < VALID_FOR and not did_nothing(run):
        return run
    update(Q(pk=run.pk), idempotency_key=None)
    return None


def check(key: str | None) -> None:
    """Where it would be too late to learn it from the insertion of a row. Raises ``RequestRepeated``."""
    run = holder(key) if key else None
    if run:
        raise RequestRepeated(run)


def ended_in_error(run: PurgeRun) -> bool:
    """Whether the run failed, or was stopped when its request's time was over; who cancels one gives no reason."""
    return run.status == Status.FAILED or (run.status == Status.CANCELLED and bool(run.error))


def stopped_at_limit(run: PurgeRun) -> bool:
    """Whether the run failed because it would have deleted more than it may."""
    error = (run.sentences or {}).get("error") or {}
    return error.get("code") in limits.CODES


def did_nothing(run: PurgeRun) -> bool:
    """Whether the run ended in an error and had certainly deleted nothing. Not so where its process was lost.

    Nor is it carried out anew where somebody wanted it cancelled, and it ended before it knew.
    """
    if run.cancel_requested or not ended_in_error(run):
        return False
    if run.report is None:
        return run.started_at is None
    if run.is_restore:  # a key whose reply was lost stays as it is when it is done again
        return not run.keys_restored
    keys, deals = run.report["keys"], run.report["deals"]
    # An UNLINK whose reply was lost is in no count.
    told = [item["code"] for item in (run.sentences or {}).get("warnings", ()) if item]
    return BROKEN_OFF_WARNING.code not in told and not any(
        (keys["deleted"], keys["vanished"], keys["not_removed"], deals["purged"], deals["interrupted"])
    )
