"""A deal id that several organisations have is told of, whichever way it is purged."""

from __future__ import annotations

from typing import Any

import pytest
import redis
from pytest_django.fixtures import Settings

from dealpurge.engine.sweep.reporting import SEVERAL_WARNING, held_by_several
from dealpurge.scope import PurgeScope
from tests.support.purging import purge
from tests.support.seeding import HOUR, names, seed_deal


@pytest.fixture
def deals(valkey_settings: Settings, valkey_client: redis.Redis) -> redis.Redis:
    for org_id, deal_id in (("birch", "d1"), ("acme", "d1"), ("acme", "d2"), ("birch", "d3"), ("acme", "d3")):
        seed_deal(valkey_client, org_id, deal_id, age=2 * HOUR)
    valkey_client.set("checkpoint:d1:__empty__:1", "{}")
    return valkey_client


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("window", [None, HOUR, 3 * HOUR], ids=["sweep", "guarded", "active"])
def test_both_are_named_in_one_sentence(deals: redis.Redis, dry_run: bool, window: int | None) -> None:
    before = names(deals)

    report = purge(mode="by_deal", deals=((None, "d1"),), dry_run=dry_run, exclude_active_within_secs=window)

    assert report.warnings == (SEVERAL_WARNING.format("acme d1, birch d1"),)
    assert (names(deals) == before) is (dry_run or window == 3 * HOUR)


@pytest.mark.parametrize(
    ("deals_named", "told"),
    [
        (((None, "d2"),), None),
        ((("acme", "d1"), ("birch", "d1")), None),
        ((("acme", "d1"), (None, "d2")), None),
        (((None, "d3"), (None, "d1"), (None, "d2")), "acme d1, acme d3, birch d1, birch d3"),
    ],
    ids=["one holder", "organisations named", "another id named", "several ids"],
)
def test_only_what_a_bare_id_stands_for(deals: redis.Redis, deals_named: Any, told: str | None) -> None:
    report = purge(mode="by_deal", deals=deals_named, dry_run=True)

    assert [text for text in report.warnings if text.startswith("A deal id")] == (
        [SEVERAL_WARNING.format(told)] if told else []
    )


def test_a_purge_of_everything_is_not_searched_for_them() -> None:
    tokens = iter([b"acme:d1", b"birch:d1"])

    assert held_by_several(PurgeScope(mode="all"), tokens) == set()
    assert next(tokens) == b"acme:d1"
