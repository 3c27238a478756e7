"""Generated purges: a keyspace, a request, and settings of the engine that must make no difference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import redis
from django.test import override_settings
from hypothesis import HealthCheck
from hypothesis import strategies as st

from dealpurge.engine.sweep.tally import Tally
from dealpurge.report import PurgeReport
from tests.support import keyspaces, oracle
from tests.support.oracle import NOW, Deal, Expected, Request
from tests.support.purging import carry_out, checkpoints_of, fates_of, report_of

#: Activity is judged by the hour, and no activity here is near an hour ago.
SPAN = 3600
DAY = 86400


@dataclass(frozen=True)
class Use:
    """How a key was last used: ``write`` makes it, ``ago`` is how many seconds ago that was."""

    write: Callable[[Any, bytes, float], object]
    ago: float


def _stream(pipe: Any, key: bytes, moment: float) -> None:
    pipe.xadd(key, {"n": 1}, id=f"{int(moment * 1000)}-1")


def _trimmed_stream(pipe: Any, key: bytes, moment: float) -> None:
    _stream(pipe, key, moment)
    pipe.xtrim(key, maxlen=0)


USES = [
    Use(lambda pipe, key, moment: pipe.set(key, "x"), 0),
    Use(lambda pipe, key, moment: pipe.hset(key, "field", "x"), 0),
    Use(_stream, 60),
    Use(_stream, 2 * DAY),
    Use(_stream, 3 * DAY),
    Use(_stream, -DAY),
    Use(_trimmed_stream, 2 * DAY),
    Use(_trimmed_stream, 60),
    Use(lambda pipe, key, moment: pipe.xadd(key, {"n": 1}, id="5-1"), 0),  # no time: judged by its idle time
    Use(lambda pipe, key, moment: pipe.zadd(key, {"a": moment, "b": moment - 9999}), 2 * DAY),
    Use(lambda pipe, key, moment: pipe.zadd(key, {"a": moment * 1000}), 2 * DAY),
    Use(lambda pipe, key, moment: pipe.zadd(key, {"a": moment * 1000}), 60),
    Use(lambda pipe, key, moment: pipe.zadd(key, {"a": 3}), 0),
]
IDLE = [use for use in USES if use.ago > SPAN]


#: Bytes of a plan for a key in a deal of its own.
A_KEY = 500


@dataclass(frozen=True, kw_only=True)
class Case:
    """One generated keyspace, a request, and settings of the engine that must make no difference."""

    host: keyspaces.Host
    keys: Mapping[bytes, Use]
    request: Request
    scan_count: int
    #: About so many.
    max_planned_keys: int


@st.composite
def requests(draw: st.DrawFn, few: list[str]) -> Request:
    organisations = st.none() | st.sampled_from(few)
    named = draw(st.booleans())
    deals = draw(st.lists(st.tuples(organisations, st.sampled_from(few)), min_size=1, max_size=3)) if named else []
    return Request(
        mode="by_deal" if named else "all",
        deals=tuple(deals),
        org_id=None if named else draw(organisations),
        include_checkpoints=draw(st.booleans()),
        exclude_active_within_secs=(span := draw(st.sampled_from([None, 0, SPAN, SPAN, SPAN]))),
        leave_never_active=bool(span) and draw(st.booleans()),
    )


@st.composite
def cases(draw: st.DrawFn) -> Case:
    host = draw(keyspaces.hosts)
    few = draw(st.lists(st.sampled_from(keyspaces.IDS), min_size=2, max_size=5, unique=True))
    # Mostly idle, or else hardly anything would ever go in a guarded purge.
    uses = st.one_of(*[st.sampled_from(IDLE)] * 3, st.sampled_from(USES))
    keys = st.dictionaries(keyspaces.keys(host.table, few), uses, max_size=60)
    return Case(
        host=host,
        keys=draw(keys),
        request=draw(requests(few)),
        scan_count=draw(st.sampled_from([1, 3, 10, 500])),
        max_planned_keys=draw(st.sampled_from([1, 2, 5, 20, 1000])),
    )


def write(client: redis.Redis, keys: Mapping[bytes, Use]) -> float:
    """Make the keyspace; the time of the server."""
    client.flushall()
    seconds, micros = client.time()
    now = seconds + micros / 1e6
    pipe = client.pipeline(transaction=False)
    for key, use in keys.items():
        use.write(pipe, key, now - use.ago)
    pipe.execute()
    return float(now)


def dump(client: redis.Redis) -> dict[bytes, bytes]:
    """Every key and what it holds."""
    keys: list[bytes] = sorted(client.keys())  # type: ignore[arg-type]
    pipe = client.pipeline(transaction=False)
    for key in keys:
        pipe.dump(key)
    return dict(zip(keys, pipe.execute(), strict=True))


def expect(case: Case, now: float) -> Expected:
    """What the oracle makes of it, on a server whose time that is."""
    moments = {key: now - use.ago if use.ago > 0 else NOW for key, use in case.keys.items()}
    return oracle.expect(case.request, moments, case.host.table, now)


@contextmanager
def in_force(case: Case) -> Iterator[None]:
    """The case's settings."""
    with override_settings(
        DEALPURGE_KEY_FAMILIES=case.host.own,
        DEALPURGE_CHECKPOINT_THREAD=case.host.thread,
        DEALPURGE_SCAN_COUNT=case.scan_count,
        DEALPURGE_MAX_PLAN_MEMORY=case.max_planned_keys * A_KEY,
    ):
        yield


def purged(case: Case, *, dry_run: bool) -> PurgeReport:
    """The report of its purge, or of the dry run."""
    return noted(case, dry_run=dry_run)[0]


def noted(case: Case, *, dry_run: bool, look: bool = False) -> tuple[PurgeReport, dict[Deal, tuple[bool, int]]]:
    """And what the record has of each deal."""
    tally = Tally()
    options = {**asdict(case.request), "dry_run": dry_run}
    with in_force(case):
        carry_out(tally, look=look, **options)
        return report_of(tally, **options), fates_of(tally, dry_run=dry_run)


def sampled(report: PurgeReport) -> dict[str, int]:
    """How many keys of each family a dry run shows."""
    return {name: len(keys) for name, keys in report.samples.items()}


def checkpoints(case: Case) -> dict[Deal, int | None]:
    """What a dry run notes of them."""
    tally = Tally()
    with in_force(case):
        carry_out(tally, **{**asdict(case.request), "dry_run": True})
        return checkpoints_of(tally)


def told(report: PurgeReport) -> Expected:
    """The report in the oracle's words."""
    body = report.as_dict()
    return Expected(
        gone=frozenset(),
        deals=body["deals"],
        keys=body["keys"],
        families=body["families"],
        skipped=frozenset((deal.org_id, deal.deal_id) for deal in report.skipped),
        not_found=tuple((deal.org_id, deal.deal_id) for deal in report.deals_not_found),
    )


FIXTURES_STAY = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]  # every example empties the server itself


def guarded(*keys: bytes, max_planned_keys: int, use: Use = IDLE[0], host: int = 0) -> Case:
    """A guarded purge of all deals, checkpoints included."""
    return Case(
        host=keyspaces.HOSTS[host],
        keys=dict.fromkeys(keys, use),
        request=Request(mode="all", include_checkpoints=True, exclude_active_within_secs=SPAN),
        scan_count=1,
        max_planned_keys=max_planned_keys,
    )
