"""A sweep of three nodes: exact by every scope, the same dry, and no further than the deal's hash tag asks."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from pytest_django.fixtures import Settings
from redis.cluster import RedisCluster

from dealpurge.engine.inventory import last_activity, take_inventory
from dealpurge.engine.pass_warnings import NARROWED_WARNING
from dealpurge.engine.sweep.tally import Tally
from dealpurge.engine.tracking.details import ProgressDetails
from dealpurge.engine.tracking.tracker import Tracker
from dealpurge.keys.families import Keyspace
from dealpurge.report import PurgeReport
from tests.support import oracle
from tests.support.cluster import Ring, slot_of
from tests.support.purging import carry_out, fates_of, purge, report_of
from tests.support.seeding import HOUR, seed_scene, tagged

pytestmark = pytest.mark.cluster

ORGANISATIONS = ("acme", "birch", "cedar")
#: Seconds since the last event of a deal by its number's remainder; None: it has no events.
AGES = (None, 60, 2 * HOUR)
SCOPES: list[dict[str, Any]] = [
    {},
    {"include_checkpoints": True},
    {"org_id": "acme"},
    {"mode": "by_deal", "deals": ((None, "12"),)},
    {"mode": "by_deal", "deals": (("acme", "1"), ("birch", "2"), (None, "nobody"))},
    {"mode": "by_deal", "deals": (("acme", "12"),), "include_checkpoints": True},
]


@pytest.fixture(params=[{}, tagged(), tagged("{{{deal_id}}}:{org_id}")], ids=["untagged", "pair", "deal"])
def templates(request: pytest.FixtureRequest, settings: Settings) -> dict[str, str]:
    settings.DEALPURGE_KEY_FAMILIES = request.param
    families: dict[str, str] = request.param
    return families


@pytest.fixture
def keys(cluster: RedisCluster, templates: dict[str, str]) -> dict[bytes, float]:
    """Three organisations that hold the same forty ids, keys without an organisation, and keys of others.

    Each with the time of its last use; that of a key that is no events key does not matter.
    """
    table, now = oracle.families(templates), server_time(cluster)
    keys: dict[bytes, float] = {}
    for number in range(40):
        for org in ORGANISATIONS[: 1 + number % 3]:
            for family, (template, *_) in table.items():
                if family in ("events", "checkpoints"):
                    continue
                keys[template.format(org_id=org, deal_id=number).encode() + b":x"] = now
            age = AGES[(number + len(org)) % 3]
            if age is not None:
                events = table["events"][0].format(org_id=org, deal_id=number)
                cluster.xadd(events, {"kind": "edit"}, id=f"{int((now - age) * 1000)}-1")
                keys[events.encode()] = now - age
        keys[b"checkpoint:%d:__empty__:1" % number] = now
        keys[b"canvas:lockets:acme:%d" % number] = now
    for key in keys:
        if not cluster.exists(key):
            cluster.set(key, "x")
    return keys


def server_time(cluster: RedisCluster) -> float:
    seconds, micros = cluster.time(target_nodes=RedisCluster.RANDOM)
    return float(seconds + micros / 1e6)


def expected(
    scope: dict[str, Any], window: int | None, keys: dict[bytes, float], templates: dict[str, str]
) -> oracle.Expected:
    now = max(keys.values())
    request = oracle.Request(**{"mode": "all", **scope}, exclude_active_within_secs=window)
    return oracle.expect(request, keys, oracle.families(templates), now)


@pytest.mark.parametrize("steady_ring", ["valkey"], indirect=True)  # both kinds are swept by the tests below
@pytest.mark.parametrize("window", [None, HOUR], ids=["sweep", "guarded"])
@pytest.mark.parametrize("scope", SCOPES, ids=str)
def test_every_scope_is_exact_dry_and_live(
    ring: Ring, keys: dict[bytes, float], templates: dict[str, str], scope: dict[str, Any], window: int | None
) -> None:
    wanted = expected(scope, window, keys, templates)

    (dry, would_be), (live, became) = (told(scope, window, dry_run=dry_run, ring=ring) for dry_run in (True, False))

    assert ring.names() == {key.decode() for key in keys.keys() - wanted.gone}
    assert counts(live) == {**wanted.deals, **wanted.families, "deleted": len(wanted.gone), "left": 0}
    assert counts(dry) == {**counts(live), "deleted": 0}
    assert would_be == became == wanted.fates


def told(
    scope: dict[str, Any], window: int | None, *, dry_run: bool, ring: Ring
) -> tuple[PurgeReport, dict[tuple[str | None, str], tuple[bool, int]]]:
    """The report, and what becomes of each deal; a dry run leaves every key."""
    options = {**scope, "exclude_active_within_secs": window, "dry_run": dry_run}
    before, tally = ring.names(), Tally()
    carry_out(tally, **options)
    assert not dry_run or ring.names() == before
    return report_of(tally, **options), fates_of(tally, dry_run=dry_run)


def counts(report: PurgeReport) -> dict[str, int]:
    body = report.as_dict()
    keys = body["keys"]
    left = keys["vanished"] + keys["not_removed"]
    return {**body["deals"], **body["families"], "deleted": keys["deleted"], "left": left}


def scans(client: redis.Redis) -> int:
    statistics: dict[str, Any] = client.info("commandstats").get("cmdstat_scan", {})
    return int(statistics.get("calls", 0))


def nodes_asked(ring: Ring, **scope: Any) -> tuple[list[Any], PurgeReport]:
    """The nodes on which a purge looked for keys."""
    for client in ring.clients():
        client.config_resetstat()
    report = purge(mode="by_deal", **scope)
    return [server for server in ring.primaries() if scans(ring.direct(server))], report


@pytest.mark.parametrize("window", [None, HOUR], ids=["sweep", "guarded"])
@pytest.mark.parametrize(
    ("token", "tag"),
    [("{{{deal_id}}}:{org_id}", "{d1}"), ("{{{org_id}:{deal_id}}}", "{acme:d1}")],
    ids=["deal", "pair"],
)
def test_only_the_node_of_a_deals_hash_tag_is_asked(
    ring: Ring, cluster: RedisCluster, settings: Settings, window: int | None, token: str, tag: str
) -> None:
    settings.DEALPURGE_KEY_FAMILIES = {**tagged(token), "checkpoints": []}
    for deal in ("d1", "d2"):
        cluster.set("canvas:lock:" + token.format(org_id="acme", deal_id=deal), "x")
    cluster.xadd("canvas:events:" + token.format(org_id="acme", deal_id="d1"), {"kind": "edit"})

    asked, report = nodes_asked(ring, deals=(("acme", "d1"),), exclude_active_within_secs=window)

    assert asked == [ring.owner(slot_of(tag))]
    assert (report.keys.deleted, report.deals.skipped_active) == ((0, 1) if window else (2, 0))
    assert report.warnings == (NARROWED_WARNING,)


@pytest.mark.parametrize(
    ("families", "deal"),
    [
        (tagged(), (None, "d1")),  # of any organisation
        ({**tagged(), "checkpoints": "checkpoint:{{{deal_id}}}"}, ("acme", "d1")),  # whose, other nodes may tell
        ({**tagged(), "checkpoints": "checkpoint:{org_id}:{deal_id}"}, ("acme", "d1")),  # have no tag
    ],
    ids=["any organisation", "keys without one", "keys without a tag"],
)
def test_where_a_deals_keys_may_lie_anywhere_all_nodes_are_asked(
    ring: Ring, settings: Settings, families: dict[str, Any], deal: Any
) -> None:
    settings.DEALPURGE_KEY_FAMILIES = {"checkpoints": [], **families}

    asked, report = nodes_asked(ring, deals=(deal,))

    assert asked == ring.primaries()
    assert report.warnings == ()


def test_the_inventory_shows_activity_wherever_it_lies(
    cluster: RedisCluster, keys: dict[bytes, float], templates: dict[str, str]
) -> None:
    table = oracle.families(templates)
    newest = {}
    for key, moment in keys.items():
        claim = oracle.read(key, table)
        if claim and claim[0] == "events":
            newest[claim[1:]] = int(moment * 1000)

    rows = list(take_inventory(Keyspace.from_settings(), Tally(), lambda: True))

    shown = {(row.org_id, row.deal_id): row.last_active_at for row in rows}
    assert {deal for deal in shown if deal[0]} == {
        (org, str(n)) for n in range(40) for org in ORGANISATIONS[: 1 + n % 3]
    }
    moments = {deal: round(moment.timestamp() * 1000) for deal, moment in shown.items() if moment and deal[0]}
    assert moments == newest
    deals = [deal for deal in shown if deal[0]]
    assert last_activity(Keyspace.from_settings(), deals, (), lambda: True) == {deal: shown[deal] for deal in deals}


@pytest.mark.parametrize("window", [None, HOUR])
def test_each_primary_tells_how_far_it_is(ring: Ring, cluster: RedisCluster, window: int | None) -> None:
    scene = seed_scene(cluster, deals=60)
    tally, told = Tally(), list[ProgressDetails]()
    tally.tracker = Tracker(("scan", "activity", "delete") if window else ("scan", "delete"), tally.progress)

    def keep_going() -> bool:
        told.append(tally.tracker.details())
        return True

    carry_out(tally, keep_going=keep_going, exclude_active_within_secs=window)

    over = tally.tracker.details()
    assert len(over.servers) == 3
    assert {server.state for server in over.servers} == {"done"}
    assert len({server.name for server in over.servers}) == 3
    assert sum(server.scanned for server in over.servers) == len(scene.all)
    assert sum(server.deleted for server in over.servers) == tally.deleted > 0
    assert {server.waiting for details in told for server in details.servers} == {None}


def test_a_preview_with_the_guard_off_sees_live_work_on_every_node(ring: Ring, cluster: RedisCluster) -> None:
    seed_scene(cluster, deals=60, active_every=4)
    guarded, looked = Tally(), Tally()

    carry_out(guarded, dry_run=True, exclude_active_within_secs=HOUR)
    carry_out(looked, dry_run=True, look=True)

    assert looked.active == guarded.skipped.keys()
    assert len(looked.active or ()) == 15
    assert looked.matched_deals == guarded.matched_deals
