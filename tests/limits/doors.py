"""Each way to a live purge that a limit may refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import redis
from django.test import Client
from pytest_django.fixtures import Settings

from dealpurge import services
from dealpurge.exceptions import LimitExceeded
from dealpurge.models import PurgeRun, PurgeRunDeal
from dealpurge.scope import PurgeScope
from tests.support.commands import Purge
from tests.support.runs import ORIGIN

ENDPOINT = "/api/superadmin/purge_deals"
FORM = "/admin/dealpurge/purgerun/purge/"
#: Four idle deals of four keys and their events, one active deal, and a key of others.
IDLE, KEYS = 4, 20
NO_WORKER = "tests.limits.doors.nothing"
WORDS = "4 deals would go, 1 more than the limit of 3: the purge is refused."
BOTH = "4 deals would go, 1 more than the limit of 3, and 20 keys, 1 more than the limit of 19: the purge is refused."


@dataclass
class Doors:
    """Each way to a live purge of all deals: the words that it was refused with, if it was."""

    settings: Settings
    client: Client
    headers: dict[str, str]
    command: Purge
    #: Seconds within which active deals stay.
    window: int | None

    def service(self, **limits: Any) -> str | None:
        return refused(lambda: services.purge_deals(**self.scope, **limits))

    def run_of_a_queue(self, **limits: Any) -> str | None:
        self.settings.DEALPURGE_ENQUEUE = NO_WORKER
        run = services.queue(PurgeScope(**self.scope, **limits), ORIGIN)
        return refused(lambda: services.run(run.pk))

    def run_of_a_queue_by_settings(self, **limits: Any) -> str | None:
        """Of the worker, which the web process may not know."""
        self.settings.DEALPURGE_ENQUEUE = NO_WORKER
        run = services.queue(PurgeScope(**self.scope), ORIGIN)
        self.set(limits)
        return refused(lambda: services.run(run.pk))

    def endpoint(self, **limits: Any) -> str | None:
        self.set(limits)
        answer = self.ask()
        body = answer.json()
        if answer.status_code == 200:
            return None
        assert (answer.status_code, body["code"], body["deleted"]) == (409, "limit_exceeded", 0)
        assert "Retry-After" not in answer.headers
        assert body["report"]["deals"]["purged"] == body["report"]["keys"]["deleted"] == 0
        return str(body["detail"])

    def command_by_options(self, **limits: Any) -> str | None:
        return self.run_command(*(f"--{name.replace('_', '-')}={limit}" for name, limit in limits.items()))

    def command_by_settings(self, **limits: Any) -> str | None:
        self.set(limits)
        return self.run_command()

    def command_by_both(self, **limits: Any) -> str | None:
        """The lower one holds."""
        self.set(dict.fromkeys(limits, 1000))
        return self.command_by_options(**limits)

    def ask(self, **headers: str) -> Any:
        body = {"mode": "all", "dry_run": False, "exclude_active_within_secs": self.window}
        headers = self.headers | headers
        return self.client.post(ENDPOINT, json.dumps(body), content_type="application/json", headers=headers)

    def run_command(self, *options: str) -> str | None:
        guard = [f"--exclude-active-within-secs={self.window}"] if self.window else []
        outcome = self.command("--mode=all", "--no-dry-run", "--no-input", *guard, *options)
        if outcome.code == 0:
            return None
        assert (outcome.code, outcome.out) == (1, "")
        words, colon, rest = outcome.err.removeprefix("CommandError: ").partition(": the purge is refused.")
        assert rest.startswith(" The purge failed, having deleted 0 keys. (Run ")
        return words + colon

    @property
    def scope(self) -> dict[str, Any]:
        return {"mode": "all", "dry_run": False, "exclude_active_within_secs": self.window}

    def set(self, limits: dict[str, int]) -> None:
        for name, limit in limits.items():
            setattr(self.settings, f"DEALPURGE_{name.removeprefix('at_').replace('most', 'MAX').upper()}", limit)


def nothing(run_id: str) -> None:
    """What a queue does with a run that no worker takes."""


def refused(purge: Callable[[], object]) -> str | None:
    try:
        purge()
    except LimitExceeded as exc:
        return str(exc)
    return None


DOORS = [
    Doors.service,
    Doors.run_of_a_queue,
    Doors.run_of_a_queue_by_settings,
    Doors.endpoint,
    Doors.command_by_options,
    Doors.command_by_settings,
    Doors.command_by_both,
]
every_door = pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)


def latest() -> PurgeRun:
    return PurgeRun.objects.latest("created_at")


def assert_nothing_went(deals: redis.Redis, words: str, before: int) -> None:
    run = latest()
    assert deals.dbsize() == before
    assert (run.status, run.error, run.keys_deleted, run.deals_purged) == ("failed", words, 0, 0)
    assert run.report is not None
    assert (run.report["deals"]["purged"], run.report["keys"]["deleted"]) == (0, 0)
    assert run.report["status"] == "failed"
    assert not PurgeRunDeal.objects.filter(outcome="purged").exists()
    assert run.keys_scanned == run.keys_total == before
