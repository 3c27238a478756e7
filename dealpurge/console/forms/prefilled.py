"""The purge form filled in: by a link, a selection or an earlier run, or as it was before somebody had to log in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from dealpurge.console.forms.purge import ALL, BY_DEAL, ORGANISATION, read_deals, write_deals
from dealpurge.console.forms.span import HOUR
from dealpurge.console.forms.spare import ARCHIVE_ASKED, GUARD_ASKED
from dealpurge.models import PurgeRun
from dealpurge.scope import BLANKS, PurgeScope

#: Web servers take a request line of 4,094 bytes and more.
MAX_QUERY = 2000
#: Says that all fields are told of, so that a box which is not named was not ticked.
KEPT = "kept"
#: Says that the box for the archive was not ticked: a query of before there was one leaves it ticked.
NO_ARCHIVE = "no_archive"
#: What a page's script calls the deals that it keeps.
KEY = re.compile(r"[0-9a-f]{8,40}")
TEXTS = ("mode", "deals", "org_id", "reason", "at_most_deals", "at_most_keys")
BOXES = ("guard", "leave_never_active", "include_checkpoints")
SPAN = ("exclude_active_0", "exclude_active_1")


def of_query(data: QueryDict) -> dict[str, Any]:
    """By the fields that a query or a form names."""
    initial: dict[str, Any] = {name: "\n".join(data.getlist(name)) for name in TEXTS if name in data}
    initial |= {name: name in data for name in BOXES if name in data or KEPT in data}
    if NO_ARCHIVE in data:
        initial["keep_archive"] = False
    if SPAN[0] in data:
        initial["exclude_active"] = _seconds(*(data.get(name, "") for name in SPAN))
    return initial | _one_choice(initial.get("mode"), initial.get("deals", ""), initial.get("org_id", ""))


def of_run(run: PurgeRun) -> dict[str, Any]:
    """By what an earlier run was asked."""
    return _of_scope(run.scope) | {"reason": run.reason, "keep_archive": not run.archive_declined}


def write_query(scope: PurgeScope) -> str:
    """The query that fills in a scope. Deals that are too many for one are left out."""
    return _query(QueryDict(urlencode(_texts(_of_scope(scope)))), declined=not scope.keep_archive)


def kept_query(data: QueryDict) -> str:
    """The query that brings back what was typed. Deals that are too many for one are left out: the page's script has
    them, under the key that is in the query. A selection that only fills in the form is no form that was filled in."""
    key = data.get("kept_key", "")
    declined = ARCHIVE_ASKED in data and "keep_archive" not in data
    return _query(data, typed=GUARD_ASKED in data, declined=declined, key=key if KEY.fullmatch(key) else "")


def _query(data: QueryDict, *, typed: bool = True, declined: bool = False, key: str = "") -> str:
    names = [name for name in (*TEXTS, *BOXES, *SPAN) if data.get(name)]
    marks = [(name, "1") for name, given in ((KEPT, typed), (NO_ARCHIVE, declined)) if given]
    query = urlencode([(name, value) for name in names for value in data.getlist(name)] + marks)
    if len(query) > MAX_QUERY:
        shorter = [(name, data.get(name, "")) for name in names if name not in ("deals", "reason")]
        query = urlencode([*shorter, *marks, *([("kept_key", key)] if key else [])])
    return query


def _of_scope(scope: PurgeScope) -> dict[str, Any]:
    mode = ORGANISATION if scope.org_id is not None else scope.mode
    return {
        "mode": mode,
        "deals": write_deals(scope.deals),
        "org_id": scope.org_id or "",
        "at_most_deals": scope.at_most_deals or "",
        "at_most_keys": scope.at_most_keys or "",
        "guard": scope.guarded,
        "exclude_active": scope.exclude_active_within_secs or HOUR,
        "leave_never_active": scope.leave_never_active,
        "include_checkpoints": scope.include_checkpoints,
    }


def _texts(initial: Mapping[str, Any]) -> dict[str, str]:
    seconds = str(initial["exclude_active"])
    fields = {name: str(value) for name, value in initial.items() if name != "exclude_active"}
    texts = {name: value for name, value in fields.items() if name not in BOXES}
    return texts | {name: "on" for name in BOXES if initial[name]} | {SPAN[0]: seconds, SPAN[1]: "1"}


def _one_choice(mode: str | None, deals: str, org_id: str) -> dict[str, Any]:
    """An organisation beside all deals chooses that organisation's, and beside named deals it is theirs."""
    org = org_id.strip(BLANKS)
    if not org or mode == ORGANISATION:
        return {}
    if mode == BY_DEAL:
        return {"deals": write_deals(read_deals(deals, org)), "org_id": ""}
    return {"mode": ORGANISATION} if mode in (ALL, None) else {}


def _seconds(amount: str, unit: str) -> int | None:
    if not (amount.isascii() and amount.isdigit() and unit.isascii() and unit.isdigit()):
        return None
    return int(amount[:12]) * int(unit[:8]) or None
