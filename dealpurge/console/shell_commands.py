"""The same purge as commands to copy into a shell. Ids come from anywhere, so everything is quoted."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

from dealpurge.models import PurgeRun
from dealpurge.scope import Deal, PurgeScope

#: More deals than this make no command that somebody would paste.
MAX_DEALS = 50


def commands(run: PurgeRun) -> list[str] | None:
    """``manage.py purge_deals`` for the run's scope, one an organisation, live: they ask before they delete.

    None where too many deals are named.
    """
    scope = run.scope
    if len(scope.deals) > MAX_DEALS:
        return None
    groups: dict[str | None, list[Deal]] = {}
    for deal in scope.deals:
        groups.setdefault(deal[0], []).append(deal)
    if not groups:
        groups[scope.org_id] = []
    return [_command(scope, org_id, deals, run.reason) for org_id, deals in groups.items()]


def curl(run: PurgeRun, url: str) -> str | None:
    """The call of the endpoint that does what this run did, dry or live; None where it takes more than one call."""
    scope = run.scope
    if len(scope.deals) > 1:
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


def quote(word: str) -> str:
    """One word for a shell; what would not be seen on a screen is spelt out, as bash and zsh read it."""
    if word.isprintable():
        return shlex.quote(word)
    return "$'" + "".join(_spelt(character) for character in word) + "'"


def _command(scope: PurgeScope, org_id: str | None, deals: list[Deal], reason: str) -> str:
    lines = [f"python manage.py purge_deals --mode {scope.mode}", *map(quote, _options(scope, org_id, deals, reason))]
    return " \\\n  ".join([*lines, "--no-dry-run"])


def _options(scope: PurgeScope, org_id: str | None, deals: list[Deal], reason: str) -> Iterator[str]:
    for _, deal_id in deals:
        yield f"--deal-id={deal_id}"
    if org_id is not None:
        yield f"--org-id={org_id}"
    if scope.include_checkpoints:
        yield "--include-checkpoints"
    if scope.exclude_active_within_secs:
        yield f"--exclude-active-within-secs={scope.exclude_active_within_secs}"
    if reason:
        yield f"--reason={reason}"


def _spelt(character: str) -> str:
    if character in "\\'":
        return "\\" + character
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode())
