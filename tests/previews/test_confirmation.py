"""The words in which somebody is asked, on a page and at a terminal."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django.fixtures import Settings

from dealpurge import services
from dealpurge.previews.confirmation import Confirmation
from dealpurge.scope import PurgeScope

HOUR = 3600
GUARDED: dict[str, Any] = {"mode": "all", "org_id": "acme", "exclude_active_within_secs": HOUR}
NAMED: dict[str, Any] = {"mode": "by_deal", "deals": (("acme", "d1"),)}
ALL: dict[str, Any] = {"mode": "all", "include_checkpoints": True}


@pytest.fixture(autouse=True)
def _production(settings: Settings) -> None:
    settings.DEALPURGE_ENVIRONMENT = {"name": "production", "tone": "production"}


def asked(scope: dict[str, Any], deals: int = 8993, **known: Any) -> Confirmation:
    return Confirmation(services.risk(PurgeScope(**scope), deals=deals, **known))


def lines(confirmation: Confirmation) -> list[str]:
    return [f"{line.number} {line.words.text}" for line in confirmation.lines]


def test_live_work_comes_first() -> None:
    confirmation = asked(ALL, active=41, checkpoints=31204)

    assert confirmation.heading == "High risk: live work would be lost"
    assert lines(confirmation) == [
        "41 deals active in the last hour would be purged too: the guard is off.",
        "31,204 checkpoint keys would be deleted. Synthesis runs in flight on these deals are aborted.",
        "8,993 deals of all organisations, in production.",
    ]
    assert [(badge.words, badge.bad) for badge in confirmation.badges] == [
        ("8,993 deals", False),
        ("guard off", True),
        ("checkpoints included", True),
    ]
    assert confirmation.is_high


def test_what_goes_without_an_archive_is_gone_for_good(settings: Settings) -> None:
    settings.DEALPURGE_ARCHIVE = "default"
    confirmation = asked({**ALL, "keep_archive": False}, active=41, checkpoints=2)

    assert lines(confirmation)[2:] == [
        "8,993 deals would be gone for good: no archive is kept.",
        "8,993 deals of all organisations, in production.",
    ]
    assert [(badge.words, badge.bad) for badge in confirmation.badges][-1] == ("no archive", True)
    assert lines(asked({**GUARDED, "keep_archive": False}, deals=1))[0] == (
        "1 deal would be gone for good: no archive is kept."
    )


@pytest.mark.parametrize("active", [None, 0])
def test_of_active_deals_that_are_not_known_or_none_no_number_is_told(active: int | None) -> None:
    confirmation = asked(NAMED, deals=2, active=active)

    assert confirmation.heading == "Read before you purge"
    assert lines(confirmation) == ["2 deals would be purged even if somebody works on them: the guard is off."]
    assert not confirmation.is_high


def test_two_reasons_without_active_deals_are_a_high_risk() -> None:
    assert asked(ALL, active=0).heading == "High risk"


def test_checkpoints_that_are_not_there_yet() -> None:
    assert lines(asked(GUARDED | {"include_checkpoints": True}, deals=1)) == [
        "0 checkpoint keys were found. Those that are written until the purge would be deleted."
    ]


def test_no_reason_has_no_words() -> None:
    confirmation = asked(GUARDED, deals=1)

    assert (confirmation.heading, confirmation.lines, [*confirmation.badges]) == ("", [], [])
    assert confirmation.words is None


@pytest.mark.parametrize(
    ("scope", "deals", "words"),
    [
        (GUARDED, 1, "Purge 1 deal"),
        (GUARDED, 8993, "Purge 8,993 deals"),
        (ALL, 8993, "Purge 8,993 deals, active ones too"),
        (NAMED, 1, "Purge 1 deal, even if active"),
    ],
)
def test_the_button_says_it_all(scope: dict[str, Any], deals: int, words: str) -> None:
    assert asked(scope, deals=deals).button == words


def test_the_question_names_the_environment(settings: Settings) -> None:
    assert asked(GUARDED).question == "Purge 8,993 deals from production?"
    assert lines(asked(GUARDED)) == ["8,993 deals, in production."]

    settings.DEALPURGE_ENVIRONMENT = None
    assert asked(GUARDED).question == "Purge 8,993 deals?"
    assert lines(asked(GUARDED)) == ["8,993 deals would be purged."]
    assert lines(asked({**GUARDED, "org_id": None})) == ["8,993 deals of all organisations."]


def test_of_how_many_organisations_they_are(settings: Settings) -> None:
    named = {**NAMED, "exclude_active_within_secs": 3600}
    assert lines(asked(named, organisations=2)) == ["8,993 deals of 2 organisations, in production."]
    assert lines(asked(GUARDED, organisations=1)) == ["8,993 deals of one organisation, in production."]
    assert lines(asked(ALL, organisations=2))[-1] == "8,993 deals of all organisations, in production."

    settings.DEALPURGE_ENVIRONMENT = None
    assert lines(asked(named, organisations=1204)) == ["8,993 deals of 1,204 organisations."]


def test_what_was_typed_wrong_is_said_with_what_was_wanted() -> None:
    assert asked(ALL).wrong == 'That is not "production 8993". Nothing was deleted.'
    assert asked(ALL).instruction.text == 'Type "production 8993" to confirm'
    assert asked(ALL).instruction.html == "Type <kbd>production 8993</kbd> to confirm"


def test_a_name_is_text_on_a_page(settings: Settings) -> None:
    settings.DEALPURGE_ENVIRONMENT = {"name": "<b>{0}%s"}
    confirmation = asked(GUARDED)

    assert confirmation.instruction.html == "Type <kbd>8993</kbd> to confirm"
    assert confirmation.lines[0].words.html == "deals, in <strong>&lt;b&gt;{0}%s</strong>."
    assert confirmation.lines[0].words.text == "deals, in <b>{0}%s."
    assert confirmation.question == "Purge 8,993 deals from <b>{0}%s?"


@pytest.mark.parametrize("words", ["yes", "Yes "])
def test_a_terminal_has_no_button(words: str) -> None:
    confirmation = Confirmation(services.risk(PurgeScope(**GUARDED), deals=1), click="yes")

    assert confirmation.confirmed_by(words)
    assert not confirmation.confirmed_by("")
    assert asked(GUARDED, deals=1).confirmed_by("")
