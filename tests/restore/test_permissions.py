"""The user of the README who restores, one with fewer rights, and one who may not write everywhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from pytest_django.fixtures import Settings

from dealpurge.exceptions import RedisUnavailable
from tests.support.archiving import MemoryKeeper, purge_into, snapshot
from tests.support.restoring import counts, restore_from
from tests.support.seeding import seed_scene
from tests.support.servers import RedisServer

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
ACL = re.search(r"^ACL SETUSER restorer .*$", README, re.MULTILINE)
NEEDED = ("restore", "set", "exists")

Let = Callable[..., None]


@pytest.fixture
def let(redis_server: RedisServer, server: redis.Redis, settings: Settings) -> Iterator[Let]:
    """Gives the user who restores more rules, or fewer; the purges have another one."""
    assert ACL
    host, port = redis_server.address

    def rules(*words: str) -> None:
        server.execute_command("ACL", "SETUSER", "restorer", *words)  # type: ignore[no-untyped-call]

    rules("reset", *ACL[0].split()[3:])
    settings.DEALPURGE_RESTORE_REDIS_CLIENT = lambda: redis.Redis(host, port, username="restorer", password="password")
    yield rules
    server.acl_deluser("restorer")


def purged(server: redis.Redis, keeper: MemoryKeeper) -> dict[bytes, object]:
    """With the values that were there before."""
    seed_scene(server, deals=20)
    before = snapshot(server)
    purge_into(keeper)
    return before


def test_the_user_of_the_readme_restores(server: redis.Redis, keeper: MemoryKeeper, let: Let) -> None:
    before = purged(server, keeper)

    looked = restore_from(keeper, dry_run=True)
    done = restore_from(keeper)

    assert snapshot(server) == before
    assert counts(looked)["restored"] == counts(done)["restored"] == len(keeper.keys)


@pytest.mark.parametrize("command", NEEDED)
def test_what_is_lacking_is_named(server: redis.Redis, keeper: MemoryKeeper, let: Let, command: str) -> None:
    purged(server, keeper)
    let(f"-{command}")

    with pytest.raises(RedisUnavailable, match=command.upper()):
        restore_from(keeper, dry_run=command == "exists")


def test_without_the_server_s_clock_ours_will_do(server: redis.Redis, keeper: MemoryKeeper, let: Let) -> None:
    before = purged(server, keeper)
    let("-time", "-info")

    assert not restore_from(keeper).unfinished
    assert snapshot(server) == before


def test_keys_that_the_user_may_not_write_are_counted(server: redis.Redis, keeper: MemoryKeeper, let: Let) -> None:
    before = purged(server, keeper)
    let("resetkeys", "~canvas:*")

    tally = restore_from(keeper)

    there = snapshot(server)
    written = {key for key in keeper.keys if key.startswith(b"canvas:")}
    assert written < set(keeper.keys)
    assert {key for key in there if key in keeper.keys} == written
    assert {key: before[key] for key in there} == there
    assert tally.refused.total() == len(keeper.keys) - len(written)
    assert tally.unfinished
