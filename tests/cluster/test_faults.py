"""A cluster that is torn in the middle of a purge: slots that move, half and whole, and a primary that dies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from pytest_django.fixtures import Settings
from redis.exceptions import ClusterDownError

from dealpurge.engine.sweep.scan import Scan
from dealpurge.servers.cluster_node import NodeConnection
from dealpurge.servers.commands import Command
from dealpurge.servers.connection import ServerConnection
from tests.support.cluster import Ring, slot_of
from tests.support.purging import Outcome, When, run, while_deleting, while_scanning
from tests.support.seeding import Scene, key_of, seed_deal, seed_scene, tagged
from tests.support.servers import wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.faults]

REPLACED = "A Redis server was replaced"
BROKEN = "Replies were lost"
#: Keys of a page: SCAN's default COUNT here, and what may come with it.
PAGE = 600


#: Whether deals share a hash tag, whether active ones are spared, and the kind of server: a cluster takes its time.
MANNERS = {"sweep": (False, False, "redis"), "by-slots": (False, True, "redis"), "by-tags": (True, True, "valkey")}


@pytest.fixture(params=MANNERS)
def manner(request: pytest.FixtureRequest) -> tuple[bool, bool, str]:
    return MANNERS[request.param]


@pytest.fixture
def tags(manner: tuple[bool, bool, str], settings: Settings) -> bool:
    settings.DEALPURGE_KEY_FAMILIES = tagged() if manner[0] else {}
    return manner[0]


@pytest.fixture
def guarded(manner: tuple[bool, bool, str]) -> bool:
    return manner[1]


@pytest.fixture
def kind(manner: tuple[bool, bool, str]) -> str:
    return manner[2]


def seeded(ring: Ring, *, tags: bool, guarded: bool, deals: int = 1500) -> Scene:
    """Deals, some of them active where that matters, known to the replica too."""
    with ring.client(client_name="test") as cluster:
        scene = seed_scene(cluster, deals=deals, active_every=5 if guarded else 0, tags=tags)
    if ring.replicas:
        assert ring.direct(ring.servers[0]).wait(1, 5000) == 1
    return scene


def assert_true(outcome: Outcome, scene: Scene, ring: Ring) -> None:
    """Everything of the scope is gone, nothing else is, and the counts are right or are said to be doubtful."""
    assert outcome.error is None
    scene.assert_purged(*ring.clients())
    keys = outcome.report.keys
    assert keys.not_removed == 0
    if not outcome.warned(REPLACED):
        assert (keys.deleted, keys.vanished) == (len(scene.mine), 0)
    uncounted = len(scene.mine) - keys.deleted - keys.vanished
    # What a node deleted and could not tell any more: the page that was under way.
    assert uncounted <= 0 or (uncounted <= PAGE and outcome.warned(BROKEN))


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The kinds of error replies that came."""
    kinds, read = set[str](), ServerConnection.read

    def reading(connection: ServerConnection) -> Any:
        reply = read(connection)
        if isinstance(reply, Exception):
            kinds.add(type(reply).__name__)
        return reply

    monkeypatch.setattr(ServerConnection, "read", reading)
    return kinds


@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_a_slot_that_was_left_half_moved(
    own_ring: Ring, tags: bool, guarded: bool, share: float, answered: set[str]
) -> None:
    scene = seeded(own_ring, tags=tags, guarded=guarded, deals=300)
    slots = sorted({slot_of(key) for key in scene.mine})[:: 1 + len(scene.mine) // 40]
    for slot in slots:
        target = next(server for server in own_ring.primaries() if server is not own_ring.owner(slot))
        source = own_ring.begin_move(slot, target)
        keys = own_ring.tell(source, "GETKEYSINSLOT", slot, 1000)
        own_ring.move_keys(source, target, keys[: round(len(keys) * share)])

    outcome = run(guarded=guarded)

    assert_true(outcome, scene, own_ring)
    assert outcome.report.keys.deleted == len(scene.mine)
    assert outcome.report.deals.skipped_active == (60 if guarded else 0)
    if share == 0.5 and tags:  # of the keys of one command some have moved
        assert "TryAgainError" in answered
    if share:
        assert "AskError" in answered


@pytest.mark.parametrize(
    "manner", [(True, False, "redis"), (True, True, "redis")], ids=["sweep-by-tags", "guarded-by-tags"]
)
@pytest.mark.parametrize("moves_when", ["before", "in the middle"])
def test_one_deal_in_a_slot_that_is_being_moved_goes_whole(
    own_ring: Ring, tags: bool, guarded: bool, settings: Settings, moves_when: str
) -> None:
    """Not only the slot's owner is asked then."""
    settings.DEALPURGE_KEY_FAMILIES = {**tagged(), "checkpoints": []}
    with own_ring.client(client_name="test") as client:
        keys = seed_deal(client, "acme", "d1", tags=True, locks=0, image_crops=40)
    source = own_ring.owner(slot_of(keys[0]))
    target = next(server for server in own_ring.primaries() if server is not source)

    def move() -> None:
        own_ring.begin_move(slot_of(keys[0]), target)
        own_ring.move_keys(source, target, own_ring.tell(source, "GETKEYSINSLOT", slot_of(keys[0]), 20))

    if moves_when == "before":
        move()
    outcome = run(
        move if moves_when == "in the middle" else None,
        when=lambda scanned, total, deleted: scanned > 0,
        guarded=guarded,
        mode="by_deal",
        deals=(("acme", "d1"),),
    )

    assert own_ring.names() == set()
    assert (outcome.error, outcome.report.status, outcome.report.deals.purged) == (None, "completed", 1)
    assert outcome.report.keys.deleted + outcome.report.keys.vanished == 40


@pytest.mark.parametrize("manner", [(True, False, "redis")], ids=["sweep-by-tags"])
def test_what_went_of_a_slot_of_which_the_rest_is_refused_is_told(
    own_ring: Ring, tags: bool, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DEALPURGE_RETRY_SECONDS, settings.DEALPURGE_SCAN_COUNT = 1, 1000
    with own_ring.client(client_name="test") as client:
        keys = seed_deal(client, "acme", "d1", tags=True, locks=0, image_crops=20)
    source = own_ring.owner(slot_of(keys[0]))
    target = next(server for server in own_ring.primaries() if server is not source)
    own_ring.begin_move(slot_of(keys[0]), target)
    take, moved = Scan._take, list[bool]()

    def taking(scan: Scan, page: Sequence[bytes], cursor: int) -> None:
        if page and not moved:
            moved.append(True)
            own_ring.move_keys(source, target, keys[:10])
            own_ring.direct(target).config_set("min-replicas-to-write", 5)
        take(scan, page, cursor)

    monkeypatch.setattr(Scan, "_take", taking)
    outcome = run()

    own_ring.direct(target).config_set("min-replicas-to-write", 0)
    assert outcome.error is not None
    assert len(own_ring.names()) == 10
    assert outcome.report.keys.deleted == 10 or outcome.warned(BROKEN)


@pytest.mark.parametrize("when", [while_scanning, while_deleting])
def test_500_slots_move_during_the_run(own_ring: Ring, tags: bool, guarded: bool, when: When) -> None:
    scene = seeded(own_ring, tags=tags, guarded=guarded)

    def strike() -> None:
        for slot in range(1000, 1500):
            own_ring.move(slot, own_ring.servers[1])

    outcome = run(strike, when=when, guarded=guarded)

    assert_true(outcome, scene, own_ring)
    assert outcome.warned(REPLACED)


@pytest.mark.parametrize("when", [while_scanning, while_deleting])
def test_a_primary_dies_and_its_replica_takes_over(own_ring: Ring, tags: bool, guarded: bool, when: When) -> None:
    scene = seeded(own_ring, tags=tags, guarded=guarded)

    outcome = run(own_ring.servers[0].kill, when=when, guarded=guarded)

    wait_until(lambda: own_ring.servers[3] in own_ring.primaries(), what="failover")
    assert_true(outcome, scene, own_ring)
    assert outcome.warned(REPLACED)


def test_a_graceful_failover_raises_no_error_and_is_seen(own_ring: Ring, tags: bool, guarded: bool) -> None:
    scene = seeded(own_ring, tags=tags, guarded=guarded)

    outcome = run(lambda: own_ring.tell(own_ring.servers[3], "FAILOVER"), when=while_scanning, guarded=guarded)

    assert_true(outcome, scene, own_ring)
    assert outcome.warned(REPLACED)


@pytest.fixture
def replaced_between(own_ring: Ring, monkeypatch: pytest.MonkeyPatch) -> list[Command]:
    """Let the first primary be replaced when it has done half of the UNLINKs of a page; those that it has done."""
    done: list[Command] = []
    send = NodeConnection.send_all
    old, new = own_ring.servers[0], own_ring.servers[3]

    def send_all(connection: NodeConnection, commands: Sequence[Command]) -> int:
        unlinks = [command for command in commands if command[0] == "UNLINK"]
        if done or len(unlinks) < 2 or b"dealpurge-probe" in unlinks[0][1] or connection.node.address != old.address:
            return send(connection, commands)
        done.extend(unlinks[: len(unlinks) // 2])
        send(connection, done)
        wait_until(lambda: not own_ring.direct(old).exists(done[-1][1]), what="half of the page")
        own_ring.tell(new, "FAILOVER")
        wait_until(lambda: old not in own_ring.primaries() and new in own_ring.primaries(), what="failover")
        wait_until(lambda: all(own_ring.owner(slot_of(unlink[1])) is new for unlink in unlinks), what="agreement")
        return len(done) + send(connection, unlinks[len(done) :])

    monkeypatch.setattr(NodeConnection, "send_all", send_all)
    return done


@pytest.mark.parametrize("kind", ["redis", "valkey"])
def test_what_a_node_did_before_it_was_replaced_is_counted(own_ring: Ring, replaced_between: list[Command]) -> None:
    scene = seeded(own_ring, tags=False, guarded=False, deals=300)

    outcome = run()

    scene.assert_purged(*own_ring.clients())
    assert replaced_between
    assert outcome.warned(REPLACED)
    assert not outcome.warned(BROKEN)
    assert (outcome.report.keys.deleted, outcome.report.keys.vanished) == (len(scene.mine), 0)


@pytest.fixture
def down(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Let the first UNLINK of the second slot of a page be answered CLUSTERDOWN, unless it was carried out."""
    answered: list[Any] = []
    send = NodeConnection.send_all

    def send_all(connection: NodeConnection, commands: Sequence[Command]) -> int:
        unlinks = [command for command in commands if command[0] == "UNLINK"]
        if len(unlinks) > 2 and b"dealpurge-probe" not in unlinks[1][1] and not answered:
            answered.append(unlinks[1])
            commands = [("CLUSTERDOWN",) if command is unlinks[1] else command for command in commands]
        return send(connection, commands)

    def read_all(connection: NodeConnection, number: int) -> list[Any]:
        replies = ServerConnection.read_all(connection, number)
        return [ClusterDownError("The cluster is down") if "CLUSTERDOWN" in str(reply) else reply for reply in replies]

    monkeypatch.setattr(NodeConnection, "send_all", send_all)
    monkeypatch.setattr(NodeConnection, "read_all", read_all)
    return answered


def test_a_slot_that_is_down_for_a_moment_costs_no_count(ring: Ring, down: list[Any]) -> None:
    scene = seeded(ring, tags=False, guarded=False, deals=300)

    outcome = run()

    scene.assert_purged(*ring.clients())
    assert down
    assert (outcome.report.keys.deleted, outcome.report.keys.vanished) == (len(scene.mine), 0)


@pytest.mark.parametrize("guarded", [False, True])
@pytest.mark.parametrize("tags", [False, True])
def test_a_key_that_no_command_reaches_is_told_of(ring: Ring, settings: Settings, tags: bool, guarded: bool) -> None:
    """A broken migration left it on a node that has not its slot: SCAN lists it there (redis/redis#13269)."""
    settings.DEALPURGE_KEY_FAMILIES = tagged() if tags else {}
    scene = seeded(ring, tags=tags, guarded=guarded, deals=30)
    key = key_of("presence", "org1", "deal-00001", tags=tags)
    slot = slot_of(key)
    stray = next(server for server in ring.primaries() if server is not ring.owner(slot))
    ring.tell(stray, "SETSLOT", slot, "IMPORTING", ring.id_of(ring.owner(slot)))
    with ring.direct(stray).pipeline(transaction=False) as pipeline:
        pipeline.execute_command("ASKING").set(key, "x").execute()  # type: ignore[no-untyped-call]
    ring.tell(stray, "SETSLOT", slot, "STABLE")

    outcome = run(guarded=guarded)

    scene.assert_purged(*ring.clients())
    assert key in ring.names()
    keys = outcome.report.keys
    assert (keys.deleted, keys.vanished, keys.not_removed) == (len(scene.mine), 0, 1)
    assert (outcome.report.status, outcome.report.families["presence"]) == ("partial", 0)
    assert outcome.report.deals.purged == outcome.report.deals.matched - outcome.report.deals.skipped_active - 1
