"""Whatever the keys and the request: exactly the keys of the deals in scope go, and the report says just that."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
import redis
from hypothesis import given, settings

from dealpurge.text import escape
from tests.support.cases import (
    FIXTURES_STAY,
    IDLE,
    SPAN,
    USES,
    Case,
    cases,
    checkpoints,
    dump,
    expect,
    guarded,
    noted,
    sampled,
    told,
    write,
)
from tests.support.oracle import Request
from tests.support.samples import sample
from tests.support.seeding import HOUR

#: What a dry run may send. Its one UNLINK asks, with a key that cannot exist, whether deletes are taken at all.
READS = {"client", "dbsize", "hello", "info", "scan", "select", "unlink"}
READS |= {"memory", "object", "time", "type", "xinfo", "xlen", "zrange"}


def shown(key: bytes) -> str:
    """A key of which no more than 200 bytes are kept."""
    return escape(key[:200]) + ("…" if len(key) > 200 else "")


def check(client: redis.Redis, case: Case) -> None:
    now = write(client, case.keys)
    expected = expect(case, now)
    before = dump(client)

    client.config_resetstat()
    dry, would_be = noted(case, dry_run=True)
    sent = {name.removeprefix("cmdstat_").split("|")[0]: stats for name, stats in client.info("commandstats").items()}
    assert sent.keys() - {"config"} <= READS
    assert sent["unlink"]["calls"] == 1
    assert dump(client) == before

    if case.request.exclude_active_within_secs is None:
        worked_on = expect(replace(case, request=replace(case.request, exclude_active_within_secs=HOUR)), now).worked_on
        looked, as_well = noted(case, dry_run=True, look=True)
        assert told(looked).deals == {**expected.deals, "active": len(worked_on)}
        assert (told(looked).keys, told(looked).families, as_well) == (told(dry).keys, told(dry).families, would_be)
        assert dump(client) == before

    assert checkpoints(case) == expected.checkpoints
    live, became = noted(case, dry_run=False)
    assert dump(client) == {key: value for key, value in before.items() if key not in expected.gone}
    for report in (dry, live):
        assert told(report).deals == expected.deals
        assert told(report).families == expected.families
        assert told(report).skipped == expected.skipped
        assert told(report).not_found == expected.not_found
        assert len(report.unclaimed_sample) == len(expected.unclaimed)
        assert report.status == "completed"
    assert told(live).keys == expected.keys
    assert told(dry).keys == {**expected.keys, "deleted": 0}
    assert would_be == became == expected.fates
    assert sampled(dry) == {name: min(len(keys), 5) for name, keys in expected.by_family.items() if keys}
    for name, keys in dry.samples.items():  # no key twice, though two may look the same when they are cut
        assert Counter(keys) <= Counter(map(shown, expected.by_family[name]))
    assert not live.samples
    assert sorted(dry.warnings) == sorted(live.warnings)


@settings(max_examples=sample(100, 150), derandomize=True, suppress_health_check=FIXTURES_STAY)
@given(case=cases())
def test_exactly_the_keys_of_the_scope_go(server: redis.Redis, case: Case) -> None:
    check(server, case)


@pytest.mark.slow
@settings(max_examples=sample(250, 2500), report_multiple_bugs=False, suppress_health_check=FIXTURES_STAY)
@given(case=cases())
def test_exactly_the_keys_of_the_scope_go_at_length(server: redis.Redis, case: Case) -> None:
    check(server, case)


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
