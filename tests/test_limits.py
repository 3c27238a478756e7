"""Whatever the door, a purge that exceeds its limits deletes nothing, says by how much, and is written down so."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from dealpurge import services
from dealpurge.engine.limits import Budget
from dealpurge.exceptions import DealPurgeError, LimitExceeded, PurgeConfigurationError, ScopeError
from dealpurge.keys.families import Keyspace
from dealpurge.models import PurgeRun, PurgeRunDeal
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from dealpurge.servers.connection import ServerConnection
from tests.support.commands import Outcome, Purge
from tests.support.seeding import HOUR, seed_deal

pytestmark = pytest.mark.django_db(transaction=True)

ENDPOINT = "/api/superadmin/purge_deals"
FORM = "/admin/dealpurge/purgerun/purge/"
#: Four idle deals of four keys and their events, one active deal, and a key of others.
IDLE, KEYS = 4, 20
ORIGIN = Origin(source="command", actor_name="ann")
WORDS = "4 deals would go, 1 more than the limit of 3: the purge is refused."
BOTH = "4 deals would go, 1 more than the limit of 3, and 20 keys, 1 more than the limit of 19: the purge is refused."


@pytest.fixture
def deals(valkey_settings: Settings, valkey_client: redis.Redis) -> redis.Redis:
    for number in range(IDLE):
        seed_deal(valkey_client, "acme", f"deal-{number}", age=2 * HOUR)
    valkey_client.set("somebody:else", "1")
    return valkey_client


@pytest.fixture
def with_an_active_one(deals: redis.Redis) -> redis.Redis:
    seed_deal(deals, "birch", "deal-9", age=10)
    return deals


@dataclass
class Doors:
    """Each way to a live purge of all deals: the words that it was refused with, if it was."""

    settings: Settings
    client: Client
    headers: dict[str, str]
    command: Purge
    #: Seconds within which active deals stay.
    window: int | None

    def service(self, **limits: Any) -> str | None:
        return refused(lambda: services.purge_deals(**self.scope, **limits))

    def run_of_a_queue(self, **limits: Any) -> str | None:
        self.settings.DEALPURGE_ENQUEUE = "tests.test_limits.nothing"
        run = services.queue(PurgeScope(**self.scope, **limits), ORIGIN)
        return refused(lambda: services.run(run.pk))

    def run_of_a_queue_by_settings(self, **limits: Any) -> str | None:
        """Of the worker, which the web process may not know."""
        self.settings.DEALPURGE_ENQUEUE = "tests.test_limits.nothing"
        run = services.queue(PurgeScope(**self.scope), ORIGIN)
        self.set(limits)
        return refused(lambda: services.run(run.pk))

    def endpoint(self, **limits: Any) -> str | None:
        self.set(limits)
        answer = self.ask()
        body = answer.json()
        if answer.status_code == 200:
            return None
        assert (answer.status_code, body["code"], body["deleted"]) == (409, "limit_exceeded", 0)
        assert "Retry-After" not in answer.headers
        assert body["report"]["deals"]["purged"] == body["report"]["keys"]["deleted"] == 0
        return str(body["detail"])

    def command_by_options(self, **limits: Any) -> str | None:
        return self.run_command(*(f"--{name.replace('_', '-')}={limit}" for name, limit in limits.items()))

    def command_by_settings(self, **limits: Any) -> str | None:
        self.set(limits)
        return self.run_command()

    def command_by_both(self, **limits: Any) -> str | None:
        """The lower one holds."""
        self.set(dict.fromkeys(limits, 1000))
        return self.command_by_options(**limits)

    def ask(self, **headers: str) -> Any:
        body = {"mode": "all", "dry_run": False, "exclude_active_within_secs": self.window}
        headers = self.headers | headers
        return self.client.post(ENDPOINT, json.dumps(body), content_type="application/json", headers=headers)

    def run_command(self, *options: str) -> str | None:
        guard = [f"--exclude-active-within-secs={self.window}"] if self.window else []
        outcome = self.command("--mode=all", "--no-dry-run", "--no-input", *guard, *options)
        if outcome.code == 0:
            return None
        assert (outcome.code, outcome.out) == (1, "")
        words, colon, rest = outcome.err.removeprefix("CommandError: ").partition(": the purge is refused.")
        assert rest.startswith(" The purge failed, having deleted 0 keys. (Run ")
        return words + colon

    @property
    def scope(self) -> dict[str, Any]:
        return {"mode": "all", "dry_run": False, "exclude_active_within_secs": self.window}

    def set(self, limits: dict[str, int]) -> None:
        for name, limit in limits.items():
            setattr(self.settings, f"DEALPURGE_{name.removeprefix('at_').replace('most', 'MAX').upper()}", limit)


def nothing(run_id: str) -> None:
    """What a queue does with a run that no worker takes."""


def refused(purge: Callable[[], object]) -> str | None:
    try:
        purge()
    except LimitExceeded as exc:
        return str(exc)
    return None


@pytest.fixture(params=[None, HOUR], ids=["sweep", "guarded"])
def doors(
    request: pytest.FixtureRequest,
    settings: Settings,
    superuser: User,
    bearer: Callable[[User], dict[str, str]],
    purge: Purge,
) -> Doors:
    return Doors(settings, Client(raise_request_exception=False), bearer(superuser), purge, request.param)


DOORS = [
    Doors.service,
    Doors.run_of_a_queue,
    Doors.run_of_a_queue_by_settings,
    Doors.endpoint,
    Doors.command_by_options,
    Doors.command_by_settings,
    Doors.command_by_both,
]
every_door = pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)


def latest() -> PurgeRun:
    return PurgeRun.objects.latest("created_at")


def assert_nothing_went(deals: redis.Redis, words: str, before: int) -> None:
    run = latest()
    assert deals.dbsize() == before
    assert (run.status, run.error, run.keys_deleted, run.deals_purged) == ("failed", words, 0, 0)
    assert run.report is not None
    assert (run.report["deals"]["purged"], run.report["keys"]["deleted"]) == (0, 0)
    assert run.report["status"] == "failed"
    assert not PurgeRunDeal.objects.filter(outcome="purged").exists()
    assert run.keys_scanned == run.keys_total == before


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
        "active": None,
    }


# The admin


@pytest.fixture
def browser(purger: User) -> Client:
    client = Client()
    client.force_login(purger)
    return client


def preview(browser: Client) -> str:
    """Make a preview and look at it; the address of its page."""
    page = browser.post(FORM, {"mode": "all"}).headers["Location"]
    browser.get(page)
    return page


def test_a_preview_tells_that_it_exceeds_a_limit_and_cannot_be_applied(
    deals: redis.Redis, browser: Client, settings: Settings
) -> None:
    settings.DEALPURGE_MAX_DEALS = 3

    page = preview(browser)
    answer = browser.post(page.replace("/change/", "/apply/"), {"typed": "purge 4"})

    assert WORDS in browser.get(page).content.decode()
    assert 'name="typed"' not in browser.get(page).content.decode()
    assert answer.status_code == 302
    assert not PurgeRun.objects.filter(dry_run=False).exists()
    assert deals.dbsize() == KEYS + 1


@pytest.mark.parametrize("limits", [{"MAX_DEALS": IDLE}, {"MAX_KEYS": KEYS}, {}])
def test_a_preview_within_its_limits_is_applied(
    deals: redis.Redis, browser: Client, settings: Settings, limits: dict[str, int]
) -> None:
    for name, limit in limits.items():
        setattr(settings, f"DEALPURGE_{name}", limit)

    browser.post(preview(browser).replace("/change/", "/apply/"), {"typed": "purge 4"})

    assert (latest().dry_run, latest().status) == (False, "completed")
    assert deals.keys() == [b"somebody:else"]


@pytest.mark.parametrize("setting", [{"MAX_DEALS": 3}, {"MAX_KEYS": 19}])
def test_a_limit_that_came_behind_the_preview_holds(
    deals: redis.Redis, browser: Client, settings: Settings, setting: dict[str, int]
) -> None:
    page = preview(browser)
    for name, limit in setting.items():
        setattr(settings, f"DEALPURGE_{name}", limit)

    browser.post(page.replace("/change/", "/apply/"), {"typed": "purge 4"})

    assert not PurgeRun.objects.filter(dry_run=False).exists()
    assert deals.dbsize() == KEYS + 1


def test_deals_that_came_behind_the_preview_count(deals: redis.Redis, browser: Client, settings: Settings) -> None:
    settings.DEALPURGE_MAX_DEALS = 4
    page = preview(browser)
    seed_deal(deals, "acme", "deal-4", age=2 * HOUR)

    browser.post(page.replace("/change/", "/apply/"), {"typed": "purge 4"})

    words = "5 deals would go, 1 more than the limit of 4: the purge is refused."
    assert_nothing_went(deals, words, KEYS + 5 + 1)
    assert words in browser.get(f"/admin/dealpurge/purgerun/{latest().pk}/change/").content.decode()


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


# A key of an idempotent request


def test_a_key_is_free_again_after_a_refusal(deals: redis.Redis, doors: Doors) -> None:
    doors.set({"at_most_deals": 3})
    first = doors.ask(**{"Idempotency-Key": "k"})
    doors.set({"at_most_deals": 4})

    again = doors.ask(**{"Idempotency-Key": "k"})

    assert (first.status_code, again.status_code) == (409, 200)
    assert again.json()["run_id"] != first.json()["run_id"]
    assert deals.keys() == [b"somebody:else"]


def test_a_key_is_free_again_after_a_stop_in_the_count(
    deals: redis.Redis, doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    doors.set({"at_most_deals": 4})
    doors.settings.DEALPURGE_REQUEST_TIMEOUT = 20
    read, overdue = ServerConnection.read, list[bool]()

    def slow(connection: ServerConnection) -> Any:
        reply = read(connection)
        if isinstance(reply, list) and not overdue:  # the first page
            overdue.append(True)
            monkeypatch.setattr("dealpurge.clock.Deadline.passed", property(lambda self: True))
        return reply

    with monkeypatch.context() as patch:
        patch.setattr(ServerConnection, "read", slow)
        first = doors.ask(**{"Idempotency-Key": "k"})
    assert overdue
    body = first.json()
    assert (first.status_code, body["deleted"], body["report"]["status"]) == (503, 0, "cancelled")
    assert body["report"]["deals"]["purged"] == 0
    assert deals.dbsize() == KEYS + 1
    monkeypatch.undo()

    again = doors.ask(**{"Idempotency-Key": "k"})

    assert (again.status_code, again.json()["deals"]["purged"]) == (200, IDLE)


def test_a_second_answer_of_what_stopped_at_its_limit_in_the_deletes(
    deals: redis.Redis, doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is told 503, at which a client tries again."""
    doors.settings.DEALPURGE_SCAN_COUNT = 1
    doors.settings.DEALPURGE_MAX_PLAN_MEMORY = 1
    doors.set({"at_most_keys": KEYS})
    check = Budget.check

    def check_and_write(self: Budget, count: int, keys: int) -> None:
        check(self, count, keys)
        for number in range(50):
            seed_deal(deals, "birch", f"new-{number}", age=2 * HOUR)

    monkeypatch.setattr(Budget, "check", check_and_write)

    first = doors.ask(**{"Idempotency-Key": "k"})
    left = deals.dbsize()
    again = doors.ask(**{"Idempotency-Key": "k"})

    body = first.json()
    assert (first.status_code, body["code"]) == (409, "limit_exceeded")
    assert 0 < body["deleted"] == KEYS + 50 * 5 + 1 - left <= KEYS
    assert body["detail"].startswith("Stopped before more keys than the limit of 20 went")
    assert (again.status_code, again.json()) == (409, body)
    assert deals.dbsize() == left
    assert PurgeRun.objects.count() == 1


# A setting that is no limit


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
    doors.settings.DEALPURGE_ENQUEUE = "tests.test_limits.nothing"
    run = services.queue(PurgeScope(**doors.scope), ORIGIN)
    doors.settings.DEALPURGE_MAX_DEALS = 0

    with pytest.raises(DealPurgeError):
        services.run(run.pk)

    assert (latest().status, latest().error) == ("failed", "DEALPURGE_MAX_DEALS is no limit: 0.")
    assert deals.dbsize() == KEYS + 1


def test_a_preview_is_not_applied_by_a_setting_that_is_no_limit(
    deals: redis.Redis, browser: Client, settings: Settings
) -> None:
    page = preview(browser)
    settings.DEALPURGE_MAX_KEYS = "500"

    answer = browser.post(page.replace("/change/", "/apply/"), {"typed": "purge 4"}, follow=True)

    assert "DEALPURGE_MAX_KEYS is no limit: &#x27;500&#x27;." in answer.content.decode()
    assert not PurgeRun.objects.filter(dry_run=False).exists()
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


# Versions before


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
    settings.DEALPURGE_ENQUEUE = "tests.test_limits.nothing"
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
