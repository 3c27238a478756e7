"""What could be lost by a purge, and what has to be typed before it."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django.fixtures import Settings

from dealpurge import services
from dealpurge.risk import Level, Reason, Risk
from dealpurge.scope import PurgeScope

HOUR = 3600
NAMED: dict[str, Any] = {"mode": "by_deal", "deals": (("acme", "d1"),)}
GUARDED: dict[str, Any] = {**NAMED, "exclude_active_within_secs": HOUR}


@pytest.fixture(autouse=True)
def _production(settings: Settings) -> None:
    settings.DEALPURGE_ENVIRONMENT = {"name": "production", "tone": "production"}


def risk(scope: dict[str, Any] | None = None, /, *, deals: int = 1, **known: Any) -> Risk:
    return services.risk(PurgeScope(**(scope or GUARDED)), deals=deals, **known)


def kinds(found: Risk) -> list[str]:
    return [reason.kind for reason in found.reasons]


def test_a_few_deals_with_the_guard_on_are_no_risk() -> None:
    found = risk(deals=24)

    assert (found.reasons, found.level, found.words, found.guarded) == ((), Level.CALM, None, True)


def test_from_a_number_of_deals_on_it_is_typed() -> None:
    found = risk(deals=25)

    assert found.reasons == (Reason(kind="deals", count=25),)
    assert (found.level, found.words) == (Level.NOTE, "25")


def test_the_number_is_a_setting_of_the_moment(settings: Settings) -> None:
    settings.DEALPURGE_CONFIRM_DEALS = 2

    assert (risk(deals=1).words, risk(deals=2).words) == (None, "2")


def test_all_deals_in_redis_are_many_however_few_they_are() -> None:
    assert risk({"mode": "all", "exclude_active_within_secs": HOUR}, deals=1).words == "1"


def test_all_deals_of_one_organisation_count_by_their_number() -> None:
    scope = {"mode": "all", "org_id": "acme", "exclude_active_within_secs": HOUR}

    assert (risk(scope, deals=24).words, risk(scope, deals=25).words) == (None, "25")


@pytest.mark.parametrize("seconds", [None, 0])
def test_without_a_guard_the_environment_is_typed(seconds: int | None) -> None:
    found = risk({**NAMED, "exclude_active_within_secs": seconds}, active=None)

    assert found.reasons == (Reason(kind="guard_off", count=None),)
    assert (found.level, found.words, found.guarded) == (Level.NOTE, "production", False)


def test_checkpoints_are_counted() -> None:
    found = risk({**GUARDED, "include_checkpoints": True}, checkpoints=31204)

    assert found.reasons == (Reason(kind="checkpoints", count=31204),)
    assert (found.level, found.words) == (Level.NOTE, "production")


def test_checkpoints_may_go_that_nobody_has_found_yet() -> None:
    assert kinds(risk({**GUARDED, "include_checkpoints": True}, checkpoints=0)) == ["checkpoints"]


def test_checkpoints_that_stay_are_no_reason() -> None:
    assert kinds(risk(checkpoints=5)) == []


def test_a_purge_that_goes_without_its_archive_asks_for_the_environment(settings: Settings) -> None:
    settings.DEALPURGE_ARCHIVE = "default"
    found = risk({**GUARDED, "keep_archive": False}, deals=3)

    assert found.reasons == (Reason(kind="no_archive", count=3),)
    assert (found.level, found.words, found.guarded) == (Level.NOTE, "production", True)
    assert risk({**GUARDED, "keep_archive": False}, deals=25).words == "production 25"
    assert kinds(risk({**GUARDED, "keep_archive": True})) == []


def test_an_archive_that_nobody_has_is_no_reason() -> None:
    assert kinds(risk({**GUARDED, "keep_archive": False})) == []


def test_both_kinds_of_words_are_typed() -> None:
    found = risk({"mode": "all", "include_checkpoints": True}, deals=8993, checkpoints=1, active=41)

    assert kinds(found) == ["deals", "guard_off", "checkpoints"]
    assert found.words == "production 8993"


@pytest.mark.parametrize(
    ("scope", "deals", "active", "level"),
    [
        ({**GUARDED, "include_checkpoints": True}, 25, None, Level.HIGH),
        ({**GUARDED, "keep_archive": False}, 25, None, Level.HIGH),
        ({**NAMED, "keep_archive": False}, 1, 1, Level.LIVE_WORK),
        ({"mode": "all", "include_checkpoints": True}, 25, None, Level.HIGH),
        ({"mode": "all"}, 25, 0, Level.HIGH),
        ({"mode": "all"}, 25, 1, Level.LIVE_WORK),
        (NAMED, 1, 1, Level.LIVE_WORK),
        (NAMED, 1, 0, Level.NOTE),
        (GUARDED, 1, 1, Level.CALM),  # they stay
    ],
)
def test_how_high_it_is(
    settings: Settings, scope: dict[str, Any], deals: int, active: int | None, level: Level
) -> None:
    settings.DEALPURGE_ARCHIVE = "default"
    assert risk(scope, deals=deals, active=active).level == level


@pytest.mark.parametrize("environment", [None, {"name": " . "}])
def test_an_environment_without_a_name_has_a_word_in_its_place(settings: Settings, environment: Any) -> None:
    settings.DEALPURGE_ENVIRONMENT = environment

    assert risk(NAMED).words == "purge"
    assert risk({"mode": "all"}, deals=3).words == "purge 3"
    assert not risk(NAMED).confirmed_by("")


@pytest.mark.parametrize(
    "typed",
    [
        "production 8993",
        "Production 8,993",
        "  PRODUCTION\u00a08\u202f993 ",
        "production8993",
        "production 8.993",
        "production 8'993",
        "production 8\u2019993",
    ],
)
def test_case_blanks_and_separators_do_not_matter(typed: str) -> None:
    assert risk({"mode": "all"}, deals=8993).confirmed_by(typed)


@pytest.mark.parametrize(
    "typed", ["", " ", "production", "8993", "8993 production", "production 8992", "production 89931", "staging 8993"]
)
def test_anything_else_matters(typed: str) -> None:
    assert not risk({"mode": "all"}, deals=8993).confirmed_by(typed)


@pytest.mark.parametrize("typed", ["", "whatever"])
def test_where_nothing_has_to_be_typed_nothing_is_wrong(typed: str) -> None:
    assert risk().confirmed_by(typed)


@pytest.mark.parametrize(
    ("name", "typed"), [("Prüfung", "PRU\u0308FUNG"), ("prod.eu-1", "PROD.EU-1"), ("Straße", "strasse")]
)
def test_a_name_is_the_same_however_it_is_spelt(settings: Settings, name: str, typed: str) -> None:
    settings.DEALPURGE_ENVIRONMENT = {"name": name}

    assert risk(NAMED).confirmed_by(typed)
