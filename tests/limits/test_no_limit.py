"""What is no limit is refused at every door, and a limit by a worker that does not know it."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
import redis
from django.test import Client
from pytest_django.fixtures import Settings

from dealpurge import services
from dealpurge.exceptions import DealPurgeError, PurgeConfigurationError, ScopeError
from dealpurge.keys.families import Keyspace
from dealpurge.models import PurgeRun
from dealpurge.scope import PurgeScope
from tests.support.commands import Outcome, Purge
from tests.support.runs import ORIGIN
from tests.support.seeding import HOUR

from .doors import FORM, KEYS, NO_WORKER, Doors, latest

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("name", ["DEALPURGE_MAX_DEALS", "DEALPURGE_MAX_KEYS"])
@pytest.mark.parametrize("value", [0, -1, True, False, "500", 1.5], ids=repr)
def test_a_setting_that_is_no_limit_refuses_at_every_door(
    deals: redis.Redis, doors: Doors, browser: Client, name: str, value: object
) -> None:
    setattr(doors.settings, name, value)
    words = f"{name} is no limit: {value!r}."
    deals.config_resetstat()

    def service(dry_run: bool) -> None:
        services.purge_deals(**doors.scope | {"dry_run": dry_run})

    for dry_run in (True, False):
        with pytest.raises(PurgeConfigurationError) as raised:
            service(dry_run)
        assert str(raised.value) == words
    with pytest.raises(PurgeConfigurationError):
        services.queue(PurgeScope(**doors.scope), ORIGIN)
    answer = doors.ask()
    assert (answer.status_code, answer.json()["detail"]) == (503, words)
    outcome = doors.command("--mode=all", "--no-dry-run", "--no-input")
    assert (outcome.code, outcome.out) == (1, "")
    assert words in outcome.err
    assert words.replace("'", "&#x27;") in browser.post(FORM, {"mode": "all"}, follow=True).content.decode()

    assert not PurgeRun.objects.exists()
    assert "cmdstat_scan" not in deals.info("commandstats")
    assert deals.dbsize() == KEYS + 1


def test_a_setting_that_is_no_limit_for_a_worker_refuses_its_run(deals: redis.Redis, doors: Doors) -> None:
    doors.settings.DEALPURGE_ENQUEUE = NO_WORKER
    run = services.queue(PurgeScope(**doors.scope), ORIGIN)
    doors.settings.DEALPURGE_MAX_DEALS = 0

    with pytest.raises(DealPurgeError):
        services.run(run.pk)

    assert (latest().status, latest().error) == ("failed", "DEALPURGE_MAX_DEALS is no limit: 0.")
    assert deals.dbsize() == KEYS + 1


def test_the_largest_limit_of_all_is_stored(deals: redis.Redis, purge: Purge) -> None:
    outcome: Outcome = purge("--mode=all", f"--at-most-deals={10**30}", f"--at-most-keys={10**30}")

    assert outcome.code == 0
    assert (latest().at_most_deals, latest().at_most_keys) == (10**15, 10**15)


@pytest.mark.parametrize("name", ["at_most_deals", "at_most_keys"])
@pytest.mark.parametrize("value", [0, -1, True, "500", 1.5], ids=repr)
def test_what_is_asked_and_is_no_limit_is_refused(deals: redis.Redis, name: str, value: Any) -> None:
    fields: dict[str, Any] = {"mode": "all", "dry_run": False, name: value}

    with pytest.raises(ScopeError) as raised:
        services.purge_deals(**fields)

    assert [error.field for error in raised.value.errors] == [name]
    assert not PurgeRun.objects.exists()


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5"])
def test_an_option_that_is_no_limit_is_a_mistake_of_usage(deals: redis.Redis, purge: Purge, value: str) -> None:
    assert purge("--mode=all", f"--at-most-deals={value}").code == 2
    assert not PurgeRun.objects.exists()


@pytest.mark.parametrize(
    "fields",
    [
        {"leave_never_active": True, "exclude_active_within_secs": HOUR},
        {"at_most_deals": 100},
        {"at_most_keys": 100},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_a_worker_that_knows_nothing_of_it_refuses_the_run(
    deals: redis.Redis, settings: Settings, fields: dict[str, Any]
) -> None:
    """One of an older version compares the digest that its families alone have, and would purge more than was asked."""
    settings.DEALPURGE_ENQUEUE = NO_WORKER
    plain = services.queue(PurgeScope(mode="by_deal", deals=((None, "deal-0"),), dry_run=False), ORIGIN)
    run = services.queue(PurgeScope(mode="all", dry_run=False, **fields), ORIGIN)

    assert plain.families_digest == Keyspace.from_settings().digest(plain.scope)
    assert run.families_digest != plain.families_digest

    unknown = {"leave_never_active": False, "at_most_deals": None, "at_most_keys": None}
    PurgeRun.objects.filter(pk=run.pk).update(**unknown)  # as an older version reads it
    with pytest.raises(PurgeConfigurationError, match=r"Restart the worker\.$"):
        services.run(run.pk)
    assert deals.dbsize() == KEYS + 1


def test_the_digest_of_what_older_versions_know_is_theirs() -> None:
    """Runs that they queued are carried out, and the other way round."""
    families = [
        (name, [item.text for item in one.templates]) for name, one in Keyspace.from_settings().families.items()
    ]
    expected = sha256(repr(families).encode()).hexdigest()

    assert Keyspace.from_settings().digest(PurgeScope(mode="all", exclude_active_within_secs=5)) == expected
