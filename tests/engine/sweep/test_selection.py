"""What a purge of named deals tells of keys that may be theirs, or may not."""

from __future__ import annotations

import pytest
import redis
from pytest_django.fixtures import Settings

from dealpurge.engine.sweep.selection import ORGANISATION_WARNING, THREAD_WARNING
from tests.support.purging import purge
from tests.support.seeding import names, seed_deal

ORG_FIRST, DEAL_ONLY = "checkpoint:acme:d1:__empty__:1", "checkpoint:d1:__empty__:1"


@pytest.mark.parametrize(
    ("thread", "key", "told"),
    [
        ("{deal_id}", ORG_FIRST, True),
        ("{deal_id}", DEAL_ONLY, False),
        ("{deal_id}", "checkpoint:birch:d1:__empty__:1", False),
        ("{deal_id}", "checkpoint_write:d9:__empty__:1:task:d1", False),
        ("{org_id}:{deal_id}", DEAL_ONLY, True),
        ("{org_id}:{deal_id}", ORG_FIRST, False),
        ("{org_id}:{deal_id}", "checkpoint:acme:d9:d1:1", False),
    ],
)
@pytest.mark.parametrize("include", [True, False])
def test_checkpoints_that_another_template_of_threads_would_find_are_told_of(
    valkey_settings: Settings, valkey_client: redis.Redis, thread: str, key: str, told: bool, include: bool
) -> None:
    valkey_settings.DEALPURGE_CHECKPOINT_THREAD = thread
    seed_deal(valkey_client, "acme", "d1")
    valkey_client.set(key, "x")

    report = purge(mode="by_deal", deals=(("acme", "d1"),), include_checkpoints=include)

    assert (THREAD_WARNING.format("d1") in report.warnings) == told
    assert not told or names(valkey_client) == {key}


@pytest.mark.parametrize(("deal", "told"), [("acme", True), ("d1", False)])
def test_an_organisation_named_as_a_deal_is_told_of_before_its_checkpoints_go(
    valkey_settings: Settings, valkey_client: redis.Redis, deal: str, told: bool
) -> None:
    seed_deal(valkey_client, "acme", "d1")
    valkey_client.set(ORG_FIRST, "x")

    report = purge(mode="by_deal", deals=((None, deal),), include_checkpoints=True, dry_run=True)

    assert (ORGANISATION_WARNING.format("acme") in report.warnings) == told


@pytest.mark.parametrize("key", ["canvas:notes:{d1}:acme", "{d1}:notes", ":1:notes:{acme:d1}"])
def test_a_key_of_no_family_with_the_id_in_braces_is_unclaimed(
    valkey_settings: Settings, valkey_client: redis.Redis, key: str
) -> None:
    valkey_client.set(key, "x")

    report = purge(mode="by_deal", deals=((None, "d1"),))

    assert (report.keys.unclaimed, report.unclaimed_sample) == (1, (key,))
