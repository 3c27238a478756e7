"""Whatever the door, a purge that exceeds its limits deletes nothing, says by how much, and is written down so."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
import redis

from dealpurge.models import PurgeRunDeal
from tests.support.commands import Purge

from .doors import BOTH, IDLE, KEYS, WORDS, Doors, assert_nothing_went, every_door, latest

pytestmark = pytest.mark.django_db(transaction=True)


@every_door
@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"at_most_deals": 3}, WORDS),
        ({"at_most_keys": 19}, "20 keys would go, 1 more than the limit of 19: the purge is refused."),
        ({"at_most_deals": 3, "at_most_keys": 19}, BOTH),
        ({"at_most_deals": 3, "at_most_keys": 20}, WORDS),
    ],
    ids=["deals", "keys", "both", "deals of both"],
)
def test_what_exceeds_a_limit_deletes_nothing(
    deals: redis.Redis, doors: Doors, door: Callable[..., str | None], limits: dict[str, int], words: str
) -> None:
    said = door(doors, **limits)

    assert said is not None
    assert words.startswith(said)
    assert_nothing_went(deals, words, KEYS + 1)


@every_door
def test_what_fits_exactly_goes(deals: redis.Redis, doors: Doors, door: Callable[..., str | None]) -> None:
    assert door(doors, at_most_deals=IDLE, at_most_keys=KEYS) is None

    run = latest()
    assert deals.keys() == [b"somebody:else"]
    assert (run.status, run.keys_deleted, run.deals_purged) == ("completed", KEYS, IDLE)
    assert run.report is not None
    assert (run.report["at_most_deals"], run.report["at_most_keys"]) == (IDLE, KEYS)
    assert PurgeRunDeal.objects.filter(run=run, outcome="purged").count() == IDLE


def test_the_record_of_a_refusal_names_who_was_active(with_an_active_one: redis.Redis, doors: Doors) -> None:
    guarded = bool(doors.window)

    said = doors.service(at_most_deals=3)

    assert said == (WORDS if guarded else WORDS.replace("4", "5", 1).replace("1 more", "2 more"))
    rows = PurgeRunDeal.objects.values_list("deal_id", "outcome")
    assert list(rows) == ([("deal-9", "skipped_active")] if guarded else [])
    report = latest().report
    assert report is not None
    assert report["deals"] == {
        "matched": 5,
        "purged": 0,
        "skipped_active": int(guarded),
        "skipped_never_active": 0,
        "interrupted": 0,
        "not_found": 0,
        "organisations": 0,
        "active": None,
    }


def test_who_is_asked_at_a_terminal_is_not_asked_for_what_is_refused(
    deals: redis.Redis, purge: Purge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda: pytest.fail("asked"))

    outcome = purge("--mode=all", "--no-dry-run", "--at-most-deals=3")

    assert outcome.code == 1
    assert f"{WORDS} Nothing was purged." in outcome.err
    assert latest().dry_run
    assert deals.dbsize() == KEYS + 1
