"""How often and how much: counted from the record, to the last request and to the second."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.core.management import call_command
from django.db import connection, connections
from django.db.models import QuerySet
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from dealpurge.conf import conf
from dealpurge.engine import purging
from dealpurge.exceptions import BUSY_RETRY_SECONDS, RedisUnavailable, TooManyRequests
from dealpurge.models import PurgeRun
from dealpurge.runs import store, termination, throttling
from dealpurge.runs.store import Origin
from dealpurge.runs.throttling import Rate
from dealpurge.scope import PurgeScope

from .conftest import LIVE, Bearer, Call

pytestmark = pytest.mark.django_db

ALL = {"mode": "all", "dry_run": False}
DRY = {"mode": "all"}
NOBODY = Origin(source="api", actor_name="a token of no user")


@pytest.fixture
def ask(purge: Call, bearer: Bearer, purger: User, engine_calls: list[PurgeScope]) -> Call:
    """Ask as ``purger``, or with the headers of somebody else; the answer's status."""
    own = bearer(purger)

    def status(body: Any = DRY, headers: dict[str, str] | None = None) -> int:
        code: int = purge(headers or own, body).status_code
        return code

    return status


def age(run: PurgeRun, **time: float) -> None:
    """As if it had been asked for so long ago."""
    PurgeRun.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(**time))


# Rates


def test_the_first_two_are_off_unless_set() -> None:
    assert (conf.rate_limit, conf.rate_limit_live_all, conf.max_live_runs) == (None, None, 4)


def test_a_hundred_requests_pass_without_a_limit(ask: Call) -> None:
    assert {ask() for _ in range(100)} == {200}


def test_the_request_after_the_last_is_refused(
    ask: Call, settings: Settings, purge: Call, bearer: Bearer, purger: User, engine_calls: list[PurgeScope]
) -> None:
    settings.DEALPURGE_RATE_LIMIT = "3/hour"
    assert [ask() for _ in range(4)] == [200, 200, 200, 429]

    answer = purge(bearer(purger), DRY)

    assert answer.json() == {"detail": f"Too many purges. Try again in {answer.headers['Retry-After']} seconds."}
    assert 3590 <= int(answer.headers["Retry-After"]) <= 3600
    assert "X-Purge-Run-ID" not in answer.headers
    assert len(engine_calls) == PurgeRun.objects.count() == 3


@pytest.mark.parametrize(("seconds", "status"), [(3590, 429), (3601, 200)])
def test_the_window_slides(ask: Call, settings: Settings, seconds: int, status: int) -> None:
    settings.DEALPURGE_RATE_LIMIT = "2/hour"
    assert [ask(), ask()] == [200, 200]
    age(PurgeRun.objects.earliest("created_at"), seconds=seconds)

    assert ask() == status
    assert ask() == 429


def test_retry_after_is_when_the_oldest_of_them_leaves(
    ask: Call, settings: Settings, purge: Call, bearer: Bearer, purger: User
) -> None:
    settings.DEALPURGE_RATE_LIMIT = "2/minute"
    ask(), ask()
    for run, seconds in zip(PurgeRun.objects.order_by("created_at"), (40, 10), strict=True):
        age(run, seconds=seconds)

    assert 10 <= int(purge(bearer(purger), DRY).headers["Retry-After"]) <= 20


def test_each_user_has_a_limit_of_their_own(ask: Call, settings: Settings, bearer: Bearer, superuser: User) -> None:
    settings.DEALPURGE_RATE_LIMIT = "1/day"
    other = bearer(superuser)

    assert [ask(), ask(), ask(DRY, other), ask(DRY, other)] == [200, 429, 200, 429]


def test_another_token_of_the_same_user_has_not(ask: Call, settings: Settings, bearer: Bearer, purger: User) -> None:
    settings.DEALPURGE_RATE_LIMIT = "1/day"

    assert [ask(), ask(DRY, bearer(purger))] == [200, 429]


def test_tokens_of_no_user_are_counted_by_name(settings: Settings) -> None:
    settings.DEALPURGE_RATE_LIMIT = "1/day"
    store.create(PurgeScope(mode="all"), NOBODY)

    with pytest.raises(TooManyRequests):
        store.create(PurgeScope(mode="all"), NOBODY)

    store.create(PurgeScope(mode="all"), Origin(source="api", actor_name="another"))


def test_dry_runs_count_as_requests_and_not_as_live_purges(ask: Call, settings: Settings) -> None:
    settings.DEALPURGE_RATE_LIMIT_LIVE_ALL = "1/day"
    assert [ask(DRY), ask(DRY), ask(LIVE), ask(ALL), ask(ALL)] == [200, 200, 200, 200, 429]
    assert [ask(DRY), ask(LIVE)] == [200, 200]

    settings.DEALPURGE_RATE_LIMIT = "6/day"
    assert ask(DRY) == 429


@pytest.mark.parametrize("body", [b"{", {"mode": "all", "dryRun": True}, {"mode": "by_deal"}])
def test_what_is_refused_does_not_count(ask: Call, settings: Settings, body: Any) -> None:
    settings.DEALPURGE_RATE_LIMIT = "1/day"

    assert [ask(body), ask(body), ask(), ask(), ask()] == [422, 422, 200, 429, 429]
    PurgeRun.objects.all().delete()
    assert ask() == 200


def test_a_conflict_does_not_count(ask: Call, settings: Settings) -> None:
    settings.DEALPURGE_RATE_LIMIT = "1/day"
    other = store.create(PurgeScope(mode="all", dry_run=False), Origin(source="command"))

    assert ask(ALL) == 409
    termination.request_cancel(other.pk)
    PurgeRun.objects.filter(pk=other.pk).update(status="cancelled", exclusive=None)
    assert ask(ALL) == 200


def test_a_run_that_failed_counts(ask: Call, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DEALPURGE_RATE_LIMIT = "1/day"

    def broken(*args: Any) -> None:
        raise RedisUnavailable("unreachable", "Redis cannot be reached.")

    monkeypatch.setattr(purging, "purge", broken)

    assert [ask(), ask()] == [503, 429]


def test_other_doors_neither_count_nor_are_stopped(
    ask: Call, settings: Settings, purger: User, engine_calls: list[PurgeScope]
) -> None:
    settings.DEALPURGE_RATE_LIMIT = settings.DEALPURGE_RATE_LIMIT_LIVE_ALL = "1/day"
    settings.DEALPURGE_MAX_LIVE_RUNS = 1
    browser = Client()
    browser.force_login(purger)
    for _ in range(3):
        call_command("purge_deals", mode="all", dry_run=False, interactive=False, verbosity=0)
        browser.post("/admin/dealpurge/purgerun/purge/", {"mode": "all"})

    assert [ask(ALL), ask(ALL)] == [200, 429]
    live()
    call_command("purge_deals", mode="all", dry_run=False, interactive=False, verbosity=0)
    browser.post("/admin/dealpurge/purgerun/purge/", {"mode": "all"})

    assert PurgeRun.objects.filter(status="completed").count() == len(engine_calls) == 9


def test_a_look_at_a_run_is_not_limited(ask: Call, settings: Settings, bearer: Bearer, purger: User) -> None:
    settings.DEALPURGE_RATE_LIMIT = "1/day"
    ask()
    address = f"/api/superadmin/purge_runs/{PurgeRun.objects.get().pk}"

    assert {Client().get(address, headers=bearer(purger)).status_code for _ in range(5)} == {200}


def test_the_cache_is_never_asked(ask: Call, settings: Settings) -> None:
    """It is on the Redis that may be what is broken; here there is none."""
    settings.DEALPURGE_RATE_LIMIT = "1/day"
    with pytest.raises(Exception, match="onnect"):
        caches["default"].get("anything")

    assert [ask(), ask()] == [200, 429]


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("1/s", Rate(1, timedelta(seconds=1))),
        ("2/sec", Rate(2, timedelta(seconds=1))),
        ("3/second", Rate(3, timedelta(seconds=1))),
        ("10/m", Rate(10, timedelta(minutes=1))),
        ("10/minute", Rate(10, timedelta(minutes=1))),
        ("10/h", Rate(10, timedelta(hours=1))),
        ("10/hour", Rate(10, timedelta(hours=1))),
        ("5/d", Rate(5, timedelta(days=1))),
        ("500/day", Rate(500, timedelta(days=1))),
    ],
)
def test_rates_are_read(text: str, rate: Rate) -> None:
    assert Rate.parse(text) == rate


# Under way at once


def live(name: str = "ann", **kind: Any) -> PurgeRun:
    scope = PurgeScope(mode="by_deal", deals=(("acme", "deal-1"),), dry_run=False)
    return store.create(scope, Origin(source="api", actor_name=name), **kind)


def test_as_many_live_runs_as_are_allowed_at_once(ask: Call, purge: Call, bearer: Bearer, purger: User) -> None:
    under_way = [live("ann"), live("bob", queued=True), live("eve"), live("joe")]

    answer = purge(bearer(purger), LIVE)

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, str(BUSY_RETRY_SECONDS))
    assert ask(DRY) == 200
    PurgeRun.objects.filter(pk=under_way[0].pk).update(status="completed")
    assert ask(LIVE) == 200


def test_a_lost_run_is_not_under_way(ask: Call, settings: Settings) -> None:
    settings.DEALPURGE_MAX_LIVE_RUNS = 1
    run = live()
    assert ask(LIVE) == 429

    PurgeRun.objects.filter(pk=run.pk).update(heartbeat_at=timezone.now() - timedelta(seconds=61))

    assert ask(LIVE) == 200


def test_none_is_no_limit(ask: Call, settings: Settings) -> None:
    settings.DEALPURGE_MAX_LIVE_RUNS = None
    for _ in range(10):
        live()

    assert ask(LIVE) == 200


# At once


@pytest.fixture
def company(monkeypatch: pytest.MonkeyPatch) -> Barrier:
    """A request that has inserted its run waits here for another that has too; broken, as none came where they take
    turns."""
    two = Barrier(2)
    check = throttling._check_live_runs

    def wait_for_another(others: QuerySet[PurgeRun]) -> None:
        with suppress(BrokenBarrierError):
            two.wait(1)
        check(others)

    monkeypatch.setattr(throttling, "_check_live_runs", wait_for_another)
    return two


def at_once(attempt: Callable[[int], bool]) -> int:
    """How many of eight pass that begin at the same moment, each on a connection of its own."""
    barrier = Barrier(8)

    def begin(number: int) -> bool:
        try:
            connection.ensure_connection()
            barrier.wait()
            return attempt(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        return sum(pool.map(begin, range(8)))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("queued", [False, True])
@pytest.mark.parametrize("limit", ["RATE_LIMIT", "MAX_LIVE_RUNS"])
def test_no_two_requests_are_both_the_last(settings: Settings, company: Barrier, limit: str, queued: bool) -> None:
    """Eight at once of one user, where the limit is for each; of eight users, where it is for all."""
    by_user = limit == "RATE_LIMIT"
    settings.DEALPURGE_RATE_LIMIT = "3/hour" if by_user else None
    settings.DEALPURGE_MAX_LIVE_RUNS = None if by_user else 3
    store.create(PurgeScope(mode="all"), Origin(source="command"))  # in an empty record there is no row to lock

    def attempt(number: int) -> bool:
        try:
            live("one" if by_user else f"user {number}", queued=queued)
        except TooManyRequests:
            return False
        return True

    assert at_once(attempt) == PurgeRun.objects.filter(source="api").count() == 3
    assert company.broken


@pytest.mark.django_db(transaction=True)
def test_no_two_posts_are_both_the_last(settings: Settings, ask: Call, company: Barrier) -> None:
    settings.DEALPURGE_RATE_LIMIT, settings.DEALPURGE_MAX_LIVE_RUNS = "3/hour", None
    store.create(PurgeScope(mode="all"), Origin(source="command"))

    assert at_once(lambda number: ask(LIVE) == 200) == PurgeRun.objects.filter(source="api").count() == 3
    assert company.broken
