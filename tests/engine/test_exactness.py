"""Whatever the keys and the request: exactly the keys of the deals in scope go, and the report says just that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import pytest
import redis
from django.test import override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dealpurge.engine.guard import lookahead
from dealpurge.report import PurgeReport
from tests.conftest import PointCacheAt
from tests.support import keyspaces, oracle
from tests.support.oracle import NOW, Expected, Request
from tests.support.purging import purge
from tests.support.samples import sample
from tests.support.servers import RedisServer

#: Activity is judged by the hour, and no activity here is near an hour ago.
SPAN = 3600
DAY = 86400
#: What a dry run may send. Its one UNLINK asks, with a key that cannot exist, whether deletes are taken at all.
READS = {"client", "dbsize", "hello", "info", "scan", "select", "unlink"}
READS |= {"memory", "object", "time", "type", "xinfo", "xlen", "zrange"}


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


@pytest.fixture
def server(
    redis_server: RedisServer, redis_client: redis.Redis, cache_at: PointCacheAt, monkeypatch: pytest.MonkeyPatch
) -> redis.Redis:
    cache_at(redis_server.url)
    if redis_server.kind == "valkey":  # a guarded purge looks ahead every few deals
        monkeypatch.setattr(lookahead, "JUDGED_AT_ONCE", 2)
    return redis_client


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
    keys: list[bytes] = sorted(client.keys())  # type: ignore[arg-type]
    pipe = client.pipeline(transaction=False)
    for key in keys:
        pipe.dump(key)
    return dict(zip(keys, pipe.execute(), strict=True))


def purged(case: Case, *, dry_run: bool) -> PurgeReport:
    with override_settings(
        DEALPURGE_KEY_FAMILIES=case.host.own,
        DEALPURGE_CHECKPOINT_THREAD=case.host.thread,
        DEALPURGE_SCAN_COUNT=case.scan_count,
        DEALPURGE_MAX_PLAN_MEMORY=case.max_planned_keys * A_KEY,
    ):
        return purge(**asdict(case.request), dry_run=dry_run)


def told(report: PurgeReport) -> Expected:
    """The report in the oracle's words."""
    body = report.as_dict()
    return Expected(
        gone=frozenset(),
        deals=body["deals"],
        keys=body["keys"],
        families=body["families"],
        skipped=frozenset((deal.org_id, deal.deal_id) for deal in report.skipped),
    )


def check(client: redis.Redis, case: Case) -> None:
    now = write(client, case.keys)
    moments = {key: now - use.ago if use.ago > 0 else NOW for key, use in case.keys.items()}
    expected = oracle.expect(case.request, moments, case.host.table, now)
    before = dump(client)

    client.config_resetstat()
    dry = purged(case, dry_run=True)
    sent = {name.removeprefix("cmdstat_").split("|")[0]: stats for name, stats in client.info("commandstats").items()}
    assert sent.keys() - {"config"} <= READS
    assert sent["unlink"]["calls"] == 1
    assert dump(client) == before

    live = purged(case, dry_run=False)
    assert dump(client) == {key: value for key, value in before.items() if key not in expected.gone}
    for report in (dry, live):
        assert told(report).deals == expected.deals
        assert told(report).families == expected.families
        assert told(report).skipped == expected.skipped
        assert len(report.unclaimed_sample) == len(expected.unclaimed)
        assert report.status == "completed"
    assert told(live).keys == expected.keys
    assert told(dry).keys == {**expected.keys, "deleted": 0}
    assert sorted(dry.warnings) == sorted(live.warnings)


FIXTURES_STAY = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]  # every example empties the server itself


@settings(max_examples=sample(100, 150), derandomize=True, suppress_health_check=FIXTURES_STAY)
@given(case=cases())
def test_exactly_the_keys_of_the_scope_go(server: redis.Redis, case: Case) -> None:
    check(server, case)


@pytest.mark.slow
@settings(max_examples=sample(250, 2500), report_multiple_bugs=False, suppress_health_check=FIXTURES_STAY)
@given(case=cases())
def test_exactly_the_keys_of_the_scope_go_at_length(server: redis.Redis, case: Case) -> None:
    check(server, case)


def guarded(*keys: bytes, max_planned_keys: int, use: Use = IDLE[0], host: int = 0) -> Case:
    """A guarded purge of all deals, checkpoints included."""
    return Case(
        host=keyspaces.HOSTS[host],
        keys=dict.fromkeys(keys, use),
        request=Request(mode="all", include_checkpoints=True, exclude_active_within_secs=SPAN),
        scan_count=1,
        max_planned_keys=max_planned_keys,
    )


@pytest.mark.parametrize("limit", [1, 2, 4, 1000])
def test_what_tells_an_organisation_from_a_deal_is_remembered_when_purged(server: redis.Redis, limit: int) -> None:
    threads = [b"checkpoint:%b:deal-%d" % (org, n) for org in (b"acme", b"initech") for n in range(4)]
    locks = [b"canvas:lock:%b:deal-%d" % (org, n) for org in (b"acme", b"initech") for n in range(4)]

    check(server, guarded(*threads, *locks, max_planned_keys=limit))


@pytest.mark.parametrize("limit", [1, 7, 50])
def test_deals_planned_in_parts_are_counted_once(server: redis.Redis, limit: int) -> None:
    keys = [b"canvas:%b:acme:%d" % (kind, n) for kind in (b"lock", b"events", b"presence") for n in range(60)]

    check(server, guarded(*keys, b"other:key", max_planned_keys=limit))


def test_a_growing_and_a_shrinking_table_are_counted_right(server: redis.Redis) -> None:
    keys = [b"canvas:lock:acme:%d:%d" % (n % 50, n) for n in range(5000)]
    case = guarded(*keys, b"other:key", max_planned_keys=10**6)

    check(server, case)
    check(server, replace(case, request=Request(mode="all")))


@pytest.mark.parametrize("org_id", ["acme", None])
def test_the_org_less_keys_of_several_holders_stay_while_one_is_active(server: redis.Redis, org_id: str | None) -> None:
    keys = {b"canvas:events:acme:1": USES[0], b"canvas:lock:initech:1": IDLE[0], b"checkpoint:1:x": IDLE[0]}
    case = replace(guarded(max_planned_keys=9), keys=keys)

    check(server, case)
    check(server, replace(case, request=replace(case.request, mode="by_deal", deals=((org_id, "1"),))))


def test_the_org_less_keys_of_several_holders_stay_while_one_is_never_active(server: redis.Redis) -> None:
    """Whatever of the id's other deals has gone by then, their events included."""
    request = Request(mode="all", include_checkpoints=True, exclude_active_within_secs=SPAN, leave_never_active=True)
    keys = {b"canvas:events:%b:1" % org: IDLE[2] for org in (b"acme", b"zeta")} | {b"checkpoint:1:x": IDLE[0]}

    check(server, replace(guarded(max_planned_keys=1), keys=keys, request=request))
    with_another = keys | {b"canvas:lock:initech:1": IDLE[0]}
    check(server, replace(guarded(max_planned_keys=9), keys=with_another, request=request))
