"""Makes what the pages of the console show, on a Redis with deals in it, and the site that shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple

import redis
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.test.utils import override_settings
from django.urls import reverse
from django.utils import timezone
from django_redis.pool import ConnectionFactory
from pytest_django import DjangoDbBlocker
from pytest_django.live_server_helper import LiveServer

from dealpurge import services
from dealpurge.models import PurgeRun, PurgeRunDeal
from tests.conftest import IMMEDIATE_TASKS, cache_settings
from tests.support.seeding import HOUR, seed_deal
from tests.support.servers import RedisServer

DAY = 24 * HOUR
#: Enough of them that a number has to be typed.
ACME = 14
#: Counts and lists of a report, as the engine makes it.
DEALS = {"matched": 200, "purged": 183, "skipped_active": 17, "interrupted": 0}
KEYS = {
    "scanned": 61744,
    "matched": 30000,
    "deleted": 28402,
    "vanished": 3,
    "not_removed": 0,
    "checkpoints_kept": 12,
    "unattributed": 0,
    "unclaimed": None,
}
FAMILIES = {"canvas_sessions": 20000, "image_crops": 8400, "locks": 2, "checkpoints": 0}
NOTHING: Mapping[str, int] = {}
OUTCOMES = ("purged", "skipped_active", "skipped_never_active", "interrupted", "not_removed", "not_found")


class Pages:
    """Makes the states, for a user who may do everything."""

    def __init__(self, user: User, client: redis.Redis) -> None:
        self.user = user
        self.redis = client

    def seed(self) -> None:
        """Deals of acme, every tenth active, and two of birch, whose ids are long."""
        for number in range(ACME):
            seed_deal(self.redis, "acme", f"deal-{number}", age=60 if number % 10 == 3 else 9 * DAY, checkpoints=1)
        for number in (1, 2):
            seed_deal(self.redis, "birch", f"a-deal-whose-id-is-as-long-as-the-name-of-a-fund-{number}", age=9 * DAY)

    def preview(self, *deals: str, **fields: Any) -> PurgeRun:
        """A dry run of the deals of acme that are named, or else of what the fields say."""
        scope: dict[str, Any] = {"exclude_active_within_secs": HOUR, "mode": "all"}
        if deals:
            scope |= {"mode": "by_deal", "deals": [("acme", deal) for deal in deals]}
        report = services.purge_deals(source="admin", actor=self.user, **scope | fields)
        assert report.run_id
        return PurgeRun.objects.get(pk=report.run_id)

    def run(self, status: str, *, rows: bool = True, **fields: Any) -> PurgeRun:
        """A live purge as if it had come so far a moment ago."""
        now = timezone.now()
        over = status not in ("queued", "running")
        values: dict[str, Any] = {
            "source": "admin",
            "actor": self.user,
            "actor_name": "m.okafor",
            "reason": "OPS-4127 stale canvas",
            "mode": "all",
            "org_id": "globex",
            "dry_run": False,
            "exclude_active_within_secs": HOUR,
            "status": status,
            "environment": "production",
            "server_label": "redis.internal:6380/0",
            "created_at": now - timedelta(seconds=40),
            "started_at": None if status == "queued" else now - timedelta(seconds=39),
            "heartbeat_at": None if status == "queued" else now,
            "finished_at": now if over else None,
            "keys_deleted": 28402 if over else 0,
            "deals_purged": 183 if over else 0,
        }
        run = PurgeRun.objects.create(**values | fields)
        if over and rows:
            self._rows(run)
        return run

    def _rows(self, run: PurgeRun) -> None:
        """A deal of each outcome."""
        active = timezone.now() - timedelta(minutes=9)
        for number, outcome in enumerate(OUTCOMES):
            counts = {"keys_deleted": number * 1000, "keys_left": 2917 if number % 2 else 0, "last_active_at": active}
            PurgeRunDeal.objects.create(run=run, org_id="acme", deal_id=f"deal-{number}", outcome=outcome, **counts)
        PurgeRun.objects.filter(pk=run.pk).update(outcomes=dict.fromkeys(OUTCOMES, 1))

    def change(self, run: PurgeRun, **fields: Any) -> str:
        """The address of the page of a run, which is as the fields say first."""
        if fields:
            PurgeRun.objects.filter(pk=run.pk).update(**fields)
        return reverse("admin:dealpurge_purgerun_change", args=[run.pk])

    def end_all(self) -> None:
        """Nothing is under way any more."""
        PurgeRun.objects.filter(status__in=("queued", "running")).update(status="cancelled", finished_at=timezone.now())

    def scan(self) -> PurgeRun:
        """Take an inventory, as the button does."""
        client = Client()
        client.force_login(self.user)
        client.post(reverse("admin:dealpurge_purgerun_scan"))
        return PurgeRun.objects.filter(inventory=True).latest("created_at")


def report(status: str, *, warnings: Iterable[str] = (), counts: Mapping[str, int] = NOTHING) -> dict[str, Any]:
    """The counts of this one, but for those that are given."""
    deals, keys = dict(DEALS), dict(KEYS)
    for name, count in counts.items():
        (deals if name in deals else keys)[name] = count
    return {
        "status": status,
        "deals": deals,
        "keys": keys,
        "families": FAMILIES,
        "skipped": [],
        "skipped_truncated": False,
        "unclaimed_sample": [],
        "warnings": list(warnings),
        "duration_ms": 38000,
    }


def phase(name: str, state: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "state": state, "done": 0, "total": None, "rate": None, "seconds": None} | {
        "seconds_left": None,
        **fields,
    }


def server(name: str, state: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "state": state, "scanned": 61744, "deleted": 9402, "rate": None} | {
        "waiting": None,
        "gives_up_in": None,
        **fields,
    }


PHASES = [
    phase("scan", "done", done=61744, total=61744, rate=61200, seconds=20.0),
    phase("activity", "done", done=1302, total=1302, rate=700, seconds=2.0),
    phase("delete", "now", done=28402, total=61744, rate=2180, seconds=13.0, seconds_left=15),
    phase("record", "later"),
]
SERVERS = [
    server("redis-a1:7000", "deleting", rate=1090),
    server("redis-b1:7000", "deleting", rate=0, waiting=12, gives_up_in=18),
    server("redis-c1:7000", "done"),
]
SO_FAR = {"purged": 604, "skipped_active": 15, "skipped_never_active": 2, "interrupted": 1}


def settings_for(server: RedisServer) -> dict[str, Any]:
    """Those of a site in production whose Redis this is."""
    return {
        "CACHES": cache_settings(server.url),
        "DEALPURGE_ARCHIVE": "archive",
        "DEALPURGE_CONFIRM_DEALS": 10,
        "DEALPURGE_ENVIRONMENT": {"name": "production", "tone": "production"},
        "STORAGES": {**settings.STORAGES, "archive": {"BACKEND": "django.core.files.storage.InMemoryStorage"}},
        "TASKS": {"default": {"BACKEND": IMMEDIATE_TASKS}},
        "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
    }


class Site(NamedTuple):
    """A site that answers, who is logged in by the cookie, and what makes its pages."""

    url: str
    pages: Pages
    cookie: str


@contextmanager
def console(server: RedisServer, blocker: DjangoDbBlocker, **settings: Any) -> Iterator[Site]:
    """The site for as long as all pages of a module take; its database and its Redis are empty before and after."""
    ConnectionFactory._pools.clear()
    with override_settings(**settings_for(server) | settings), blocker.unblock(), server.client() as client:
        live = LiveServer("localhost")
        live._live_server_modified_settings.enable()
        try:
            client.flushall()
            user = User.objects.create_superuser("root", password="root")
            browser = Client()
            browser.force_login(user)
            pages = Pages(user, client)
            pages.seed()
            yield Site(live.url, pages, browser.cookies["sessionid"].value)
        finally:
            live.stop()
            live._live_server_modified_settings.disable()
            client.flushall()
            call_command("flush", verbosity=0, interactive=False)
            ConnectionFactory._pools.clear()
