"""What the demo says at its end: where to look and what to paste."""

from __future__ import annotations

import json
import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DRY_RUN_OF_ALL: dict[str, Any] = {"mode": "all"}
ONE_DEAL: dict[str, Any] = {"mode": "by_deal", "deal_id": "deal-12", "dry_run": False}
ALL_BUT_ACTIVE: dict[str, Any] = {"mode": "all", "exclude_active_within_secs": 3600, "dry_run": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    address: str
    user: str
    password: str
    token: str


def instructions(access: Access) -> str:
    return f"""
In the browser
  {access.address}/admin/deals/deal/   user {access.user}, password {access.password}
  {access.address}/api/docs            the API

With curl
  # what would go: a dry run, which is what you get unless you say "dry_run": false
  {curl(access, DRY_RUN_OF_ALL)}
  # one deal, for real
  {curl(access, ONE_DEAL)}
  # all deals but those somebody worked on in the last hour, for real
  {curl(access, ALL_BUT_ACTIVE)}

In a second terminal
  {python()} manage.py purge_deals --mode by_deal --deal-id deal-21
  {python()} manage.py purge_deals --mode all --exclude-active-within-secs 3600 --no-dry-run

Ctrl-C ends the demo.
"""


def curl(access: Access, body: dict[str, Any]) -> str:
    """One line that works when pasted into a shell."""
    words = [
        *("curl", "-sS", "-X", "POST", f"{access.address}/api/superadmin/purge_deals"),
        *("-H", f"Authorization: Bearer {access.token}"),
        *("-H", "Content-Type: application/json"),
        *("-d", json.dumps(body)),
    ]
    return shlex.join(words)


def python() -> str:
    """This interpreter as one would type it here."""
    executable, here = Path(sys.executable), Path(os.getcwd())
    return shlex.quote(str(executable.relative_to(here) if executable.is_relative_to(here) else executable))
