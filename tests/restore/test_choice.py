"""Some deals, some families, or no deal of which keys exist again: exactly what is asked for is written, and what a
file cannot have is not read."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from pytest_django.fixtures import Settings

from dealpurge.keys.families import Keyspace
from dealpurge.scope import Deal
from tests.support.archiving import MemoryKeeper, purge_into, snapshot
from tests.support.restoring import MemorySource, counts, restore_from
from tests.support.seeding import HOUR, key_of, names, seed_deal, seed_scene

#: Keys of the one family here without an organisation: of two namesakes, of one deal alone, and of nobody else.
ORGLESS = [f"digitization:cache:{deal_id}:page" for deal_id in ("1", "2", "3")]
DEALS = [("acme", "1"), ("acme", "2"), ("other", "1"), ("acme", "12")]
LOCK = key_of("locks", "acme", "2")


@pytest.fixture
def keys(server: redis.Redis, keeper: MemoryKeeper, settings: Settings) -> set[str]:
    """What was archived: five keys of each deal, and those without an organisation."""
    settings.DEALPURGE_KEY_FAMILIES = {"digitization_cache": ["digitization:cache:{deal_id}"]}
    keys = {key for deal in DEALS for key in seed_deal(server, *deal, age=60)}
    server.mset(dict.fromkeys(ORGLESS, "x"))
    purge_into(keeper)
    assert not server.dbsize()
    return keys | set(ORGLESS)


def of_deals(keys: set[str], *deals: Deal) -> set[str]:
    """Those of the deals, as a purge of them would take them."""
    chosen = set()
    for key in keys:
        ids = key.split(":")[2:]
        org_id, deal_id = (None, ids[0]) if key in ORGLESS else (ids[0], ids[1])
        if any(deal_id == deal and (org is None or org_id in (None, org)) for org, deal in deals):
            chosen.add(key)
    return chosen


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(
    ("deals", "number"),
    [
        ([("acme", "1")], 6),
        ([(None, "1")], 11),
        ([("acme", "2")], 6),
        ([("acme", "12")], 5),
        ([("acme", "3")], 1),
        ([(None, "3")], 1),
        ([("acme", "1"), (None, "2")], 12),
        ([("other", "2"), ("nobody", "9")], 1),
        ([("nobody", "9")], 0),
    ],
)
def test_some_deals(
    server: redis.Redis, keeper: MemoryKeeper, keys: set[str], deals: list[Deal], number: int, dry_run: bool
) -> None:
    wanted = of_deals(keys, *deals)

    tally = restore_from(keeper, deals=tuple(deals), dry_run=dry_run)

    assert names(server) == (set() if dry_run else wanted)
    assert counts(tally) == ({"restored": number} if number else {})
    assert sum(count.restored for count in tally.deals().values()) == number == len(wanted)
    assert not tally.unfinished


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("families", [("locks",), ("locks", "events"), ("digitization_cache",), ("brush_findings",)])
@pytest.mark.parametrize("deals", [(), ((None, "1"),)])
def test_some_families(
    server: redis.Redis,
    keeper: MemoryKeeper,
    keys: set[str],
    families: tuple[str, ...],
    deals: tuple[Deal, ...],
    dry_run: bool,
) -> None:
    heads = tuple(key_of(family, "", "").rstrip(":1") + ":" for family in families)
    wanted = {key for key in (of_deals(keys, *deals) if deals else keys) if key.startswith(heads)}

    tally = restore_from(keeper, families=families, deals=deals, dry_run=dry_run)

    assert names(server) == (set() if dry_run else wanted)
    assert counts(tally) == ({"restored": len(wanted)} if wanted else {})
    chosen = {Keyspace.from_settings().names[index]: number for index, number in tally.families.items() if number}
    assert chosen.keys() <= set(families)
    assert sum(chosen.values()) == len(wanted)


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(
    ("written", "left_out", "keys_left_out"),
    [
        (LOCK, "acme:2", 6),
        ("digitization:cache:2:page", "acme:2", 6),
        (key_of("locks", "acme", "1"), "acme:1", 5),
        ("digitization:cache:1:page", "1", 1),
        ("digitization:cache:3:page", "3", 1),
    ],
)
def test_deals_of_which_keys_exist_again_stay_as_they_are(
    server: redis.Redis,
    keeper: MemoryKeeper,
    keys: set[str],
    written: str,
    left_out: str,
    keys_left_out: int,
    dry_run: bool,
) -> None:
    """A key without an organisation is told with the one deal of its id, and not with one of several."""
    server.set(written, "newer")

    tally = restore_from(keeper, leave_mixed=True, dry_run=dry_run)

    org_id, _, deal_id = left_out.rpartition(":")
    out = of_deals(keys, (org_id or None, deal_id)) - (set(ORGLESS) if left_out == "acme:1" else set())
    if left_out == "1":
        out = {written}
    assert names(server) == ({written} if dry_run else keys - out | {written})
    assert server.get(written) == b"newer"
    assert len(out) == keys_left_out
    assert counts(tally) == {"restored": len(keys) - keys_left_out}
    (token,) = tally.left_out
    found = tally.deals()[token]
    assert token == left_out.encode()
    assert (found.left_out, found.archived, found.restored, found.kept) == (True, keys_left_out, 0, 1)
    assert found.names == (written.encode(),)
    assert [count.left_out for count in tally.deals().values()].count(True) == 1


def test_only_some_families_decide_whether_a_deal_is_mixed_where_these_are_asked_for(
    server: redis.Redis, keeper: MemoryKeeper, keys: set[str]
) -> None:
    server.set(LOCK, "newer")

    tally = restore_from(keeper, leave_mixed=True, families=("image_crops",))

    assert counts(tally) == {"restored": 12}
    assert names(server) == {key for key in keys if "image_crop" in key} | {LOCK}
    assert not tally.left_out


@pytest.fixture
def guarded(server: redis.Redis, small_chunks: None, keeper: MemoryKeeper) -> MemorySource:
    """The archive of a purge that spared active deals: its files are sorted by deal."""
    seed_scene(server, deals=300)
    purge_into(keeper, exclude_active_within_secs=HOUR)
    source = MemorySource(keeper, Keyspace.from_settings())
    assert len(source.files) > 8
    return source


def test_of_a_sorted_archive_only_the_files_of_a_deal_are_read(
    server: redis.Redis, keeper: MemoryKeeper, guarded: MemorySource
) -> None:
    strangers, deal = names(server), ("org3", "deal-00010")
    having = {name for name in guarded.stored if any(b":org3:deal-00010" in key for key in guarded.keys_of(name))}

    tally = restore_from(keeper, source=guarded, deals=(deal,))

    assert having
    assert set(guarded.reads) == having
    assert len(having) <= 2
    assert {key for key in names(server) - strangers if ":org3:deal-00010" in key} == names(server) - strangers
    assert counts(tally) == {"restored": 6}
    assert tally.total == sum(file.keys for file in guarded.files if file.name in having)


@pytest.mark.parametrize(
    "deals", [(("org0", "deal-00000"),), (("org6", "deal-00097"),), (("org1", "deal-00001"), ("org5", "deal-00096"))]
)
def test_each_deal_is_found_wherever_it_is(
    server: redis.Redis, keeper: MemoryKeeper, guarded: MemorySource, deals: tuple[Deal, ...]
) -> None:
    strangers = names(server)

    tally = restore_from(keeper, source=guarded, deals=deals)

    pairs = tuple(f":{org_id}:{deal_id}" for org_id, deal_id in deals)
    there = names(server) - strangers
    assert all(any(pair in key for pair in pairs) for key in there)
    assert len(there) == tally.restored.total() == 6 * len(deals)
    assert len(set(guarded.reads)) <= 2 * len(deals) < len(guarded.files)


def test_a_deal_of_whichever_organisation_may_be_in_any_file(
    server: redis.Redis, keeper: MemoryKeeper, guarded: MemorySource
) -> None:
    tally = restore_from(keeper, source=guarded, deals=((None, "deal-00010"),))

    assert set(guarded.reads) == {file.name for file in guarded.files}
    assert counts(tally) == {"restored": 6}


def test_files_that_have_nothing_of_a_family_are_not_read(
    server: redis.Redis, keeper: MemoryKeeper, before: dict[bytes, Any], source: MemorySource
) -> None:
    lists = [file.name for file in source.files if file.families.get("presence")]

    tally = restore_from(keeper, source=source, families=("presence",))

    assert source.reads == lists == []
    assert counts(tally) == {}
    assert snapshot(server).keys() == before.keys() - set(source.keys_of(*source.stored))


def test_keys_without_an_organisation_are_looked_for_too(
    server: redis.Redis, small_chunks: None, keeper: MemoryKeeper, settings: Settings
) -> None:
    """In files that are sorted by deals with one."""
    settings.DEALPURGE_KEY_FAMILIES = {"digitization_cache": ["digitization:cache:{deal_id}"]}
    for number in range(100):
        seed_deal(server, "acme", f"deal-{number}", age=2 * HOUR)
    server.set("digitization:cache:zebra", "x")
    purge_into(keeper, exclude_active_within_secs=HOUR)
    source = MemorySource(keeper, Keyspace.from_settings())

    tally = restore_from(keeper, source=source, deals=(("acme", "zebra"),))

    assert names(server) == {"digitization:cache:zebra"}
    assert counts(tally) == {"restored": 1}
    assert len(set(source.reads)) == 1 < len(source.files)
