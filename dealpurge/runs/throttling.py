"""Limits of the endpoint, counted from the record of runs: a cache may be down or full when a purge is wanted most.

They hold for that door alone. Whoever sits at a terminal or in the admin is not stopped by a client gone wild.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from math import ceil

from django.db import connections
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from dealpurge.conf import conf
from dealpurge.exceptions import BUSY_RETRY_SECONDS, PurgeConfigurationError, TooManyRequests
from dealpurge.models import PurgeRun
from dealpurge.runs.database import utc_now

RATE = re.compile(r"([1-9]\d*)/(?:(s|sec|second)|(m|min|minute)|(h|hour)|(d|day))", re.ASCII)
PERIODS = (timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1))

LIVE = Q(dry_run=False)


@dataclass(frozen=True, slots=True)
class Rate:
    """So many runs in a period."""

    count: int
    period: timedelta

    @classmethod
    def parse(cls, text: str) -> Rate:
        """``10/hour``: a number, a slash, and second, minute, hour or day, or their first letter."""
        match = RATE.fullmatch(text)
        if not match:
            raise PurgeConfigurationError(f"{text!r} is no rate such as '10/hour'.")
        return cls(int(match[1]), PERIODS[(match.lastindex or 0) - 2])


@contextmanager
def admission(run: PurgeRun, using: str) -> Iterator[None]:
    """Around the insertion of a run, in its transaction. Raises ``TooManyRequests``, which undoes the insertion.

    One request at a time, and counted after the insertion: no two can both be the last one allowed.
    """
    if run.source != PurgeRun.Source.API:
        yield
        return
    _take_turns(using)
    yield
    others = PurgeRun.objects.using(using).filter(source=PurgeRun.Source.API).exclude(pk=run.pk)
    if not run.dry_run:
        _check_live_runs(others)
    _check_rate(others.filter(_same_user(run)), conf.rate_limit)
    if run.mode == PurgeRun.RunMode.ALL and not (run.dry_run or run.is_restore):
        purges = others.filter(_same_user(run), LIVE, mode=run.mode, restored_run=None)
        _check_rate(purges, conf.rate_limit_live_all)


def _take_turns(using: str) -> None:
    """Where the database can lock a row, all wait for that of the first run; SQLite has one writer anyhow."""
    if connections[using].features.has_select_for_update:
        PurgeRun.objects.using(using).select_for_update().only("pk").order_by("created_at", "pk").first()


def _same_user(run: PurgeRun) -> Q:
    return Q(actor_id=run.actor_id) if run.actor_id else Q(actor=None, actor_name=run.actor_name)


def _check_live_runs(others: QuerySet[PurgeRun]) -> None:
    limit = conf.max_live_runs
    under_way = others.filter(LIVE, status__in=(PurgeRun.Status.QUEUED, PurgeRun.Status.RUNNING))
    if limit is not None and under_way.count() >= limit:
        raise TooManyRequests(BUSY_RETRY_SECONDS)


def _check_rate(others: QuerySet[PurgeRun], text: str | None) -> None:
    if text is None:
        return
    rate = Rate.parse(text)
    recent = others.filter(created_at__gt=Now() - rate.period).order_by("-created_at")
    newest = list(recent.values_list("created_at", utc_now())[: rate.count])
    if len(newest) == rate.count:
        leaves_at, now = newest[-1][0] + rate.period, newest[-1][1]
        raise TooManyRequests(max(1, ceil((leaves_at - now).total_seconds())))
