"""The same purge as commands to copy into a shell, whichever it is. Ids come from anywhere, so everything is quoted.

What is not printable is not for pasting: a terminal obeys control characters, quoted or not, and what nobody sees
nobody can check. ``$'...'`` would spell it out, and dash takes that for a ``$`` and a plain quotation.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from dealpurge.models import PurgeRun
from dealpurge.scope import Deal, PurgeScope
from dealpurge.text import quote as quote

#: More deals than this make no command that somebody would paste.
MAX_DEALS = 50


@dataclass(frozen=True, slots=True)
class Commands:
    """Commands to copy, none where there can be none, and what is to be said of that."""

    lines: tuple[str, ...]
    remark: str = ""


def commands(run: PurgeRun) -> Commands:
    """``manage.py purge_deals`` for the run's scope, one an organisation, live: they ask before they delete."""
    scope = run.scope
    if len(scope.deals) > MAX_DEALS:
        return Commands((), _("Too many deals are named for a command line."))
    groups: dict[str | None, list[Deal]] = {}
    for deal in scope.deals:
        groups.setdefault(deal[0], []).append(deal)
    if not groups:
        groups[scope.org_id] = []
    if not all(text.isprintable() for deal in (*scope.deals, (scope.org_id,)) for text in deal if text):
        return Commands((), _("There is no manage.py command to copy: an id has characters that cannot be seen."))
    reason, remark = run.reason, ""
    if not reason.isprintable():
        reason, remark = "", _("Without the reason, which has several lines or characters that cannot be seen.")
    return Commands(tuple(_command(scope, org_id, named, reason) for org_id, named in groups.items()), remark)


def curl(run: PurgeRun, url: str) -> str | None:
    """The call of the endpoint that does what this run did, dry or live; None where there is none that does.

    JSON spells every id in ASCII.
    """
    scope = run.scope
    told = scope.leave_never_active, scope.at_most_deals, scope.at_most_keys, not scope.keep_archive
    if len(scope.deals) > 1 or any(told):
        return None
    org_id, deal_id = scope.single or (scope.org_id, None)
    body: dict[str, Any] = {
        "mode": scope.mode,
        "deal_id": deal_id,
        "org_id": org_id,
        "include_checkpoints": scope.include_checkpoints or None,
        "exclude_active_within_secs": scope.exclude_active_within_secs,
        "dry_run": scope.dry_run,
    }
    given = {name: value for name, value in body.items() if value is not None}
    lines = (
        f"curl -sS -X POST {quote(url)}",
        '-H "Authorization: Bearer $TOKEN"',
        "-H 'Content-Type: application/json'",
        f"-d {quote(json.dumps(given))}",
    )
    return " \\\n  ".join(lines)


def _command(scope: PurgeScope, org_id: str | None, deals: list[Deal], reason: str) -> str:
    lines = [f"python manage.py purge_deals --mode {scope.mode}", *map(quote, _options(scope, org_id, deals, reason))]
    return " \\\n  ".join([*lines, "--no-dry-run"])


def _options(scope: PurgeScope, org_id: str | None, deals: list[Deal], reason: str) -> Iterator[str]:
    for _org, deal_id in deals:
        yield f"--deal-id={deal_id}"
    if org_id is not None:
        yield f"--org-id={org_id}"
    if scope.include_checkpoints:
        yield "--include-checkpoints"
    if scope.exclude_active_within_secs:
        yield f"--exclude-active-within-secs={scope.exclude_active_within_secs}"
    if scope.leave_never_active:
        yield "--leave-never-active"
    for option, limit in (("--at-most-deals", scope.at_most_deals), ("--at-most-keys", scope.at_most_keys)):
        if limit is not None:
            yield f"{option}={limit}"
    if not scope.keep_archive:
        yield "--no-archive"
    if reason:
        yield f"--reason={reason}"
