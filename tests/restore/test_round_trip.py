"""What a purge took comes back as it was, on the server it was taken from and on newer ones."""

from __future__ import annotations

from dataclasses import asdict

import redis
from hypothesis import given, settings

from dealpurge.keys.families import Keyspace
from tests.archive.test_exactness import filled, gone_of
from tests.support import cases
from tests.support.archiving import MemoryKeeper, purge_into, snapshot
from tests.support.cases import FIXTURES_STAY, Case
from tests.support.contents import Content, write
from tests.support.restoring import restore_from
from tests.support.samples import sample


def check(client: redis.Redis, case: Case, keys: dict[bytes, Content]) -> None:
    keeper = MemoryKeeper()
    client.flushall()
    write(client, keys)
    before, gone = snapshot(client), gone_of(case, keys)
    with cases.in_force(case):
        keyspace = Keyspace.from_settings()
        purge_into(keeper, **asdict(case.request))
    looked = restore_from(keeper, keyspace, dry_run=True)
    assert snapshot(client).keys() == before.keys() - gone

    done = restore_from(keeper, keyspace)

    assert snapshot(client) == before
    for tally in (looked, done):
        assert sum(tally.restored.values()) == tally.to_write == len(gone)
        assert [tally.kept, tally.expired, tally.unfinished, tally.cancelled] == [{}, {}, False, False]
        assert sum(tally.families.values()) == len(gone)
    assert looked.deals() == done.deals()
    again = restore_from(keeper, keyspace)
    assert sum(again.kept.values()) == len(gone)
    assert not again.restored
    assert snapshot(client) == before


@settings(max_examples=sample(40, 150), derandomize=True, suppress_health_check=FIXTURES_STAY)
@given(drawn=filled())
def test_all_that_went_is_there_again(server: redis.Redis, drawn: tuple[Case, dict[bytes, Content]]) -> None:
    check(server, *drawn)
