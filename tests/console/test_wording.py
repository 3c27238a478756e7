from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.utils import translation

from dealpurge.console import formatting
from dealpurge.models import PurgeRun

NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(("value", "words"), [(0, "0"), (999, "999"), (1180000, "1,180,000"), (None, "")])
def test_numbers_are_grouped(value: int | None, words: str) -> None:
    assert formatting.number(value) == words


def test_numbers_are_grouped_as_the_language_does_it() -> None:
    with translation.override("de"):
        assert formatting.number(1180000) == "1.180.000"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(1, "1 second"), (90, "90 seconds"), (60, "1 minute"), (3600, "1 hour"), (7200, "2 hours"), (864000, "10 days")],
)
def test_spans_take_the_largest_whole_unit(seconds: int, words: str) -> None:
    assert formatting.span(seconds) == words


@pytest.mark.parametrize(
    ("milliseconds", "words"), [(41, "41 ms"), (812, "0.8 s"), (59_900, "59.9 s"), (125_400, "2 min 5 s")]
)
def test_durations_are_as_precise_as_needed(milliseconds: int, words: str) -> None:
    assert formatting.duration(milliseconds) == words


def test_times_are_told_in_utc() -> None:
    moment = datetime(2026, 11, 23, 22, 30, 5, tzinfo=timezone(timedelta(hours=1)))

    assert formatting.utc(moment) == "23 Nov 2026, 21:30:05 UTC"


@pytest.mark.parametrize(
    ("age", "words"), [(5, "just now"), (-60, "just now"), (60, "1\xa0minute ago"), (7300, "2\xa0hours ago")]
)
def test_ages_are_told_in_words(age: int, words: str) -> None:
    assert formatting.ago(NOON - timedelta(seconds=age), NOON) == words


def test_todays_times_need_no_date() -> None:
    assert formatting.clock(NOON - timedelta(hours=1), NOON) == "11:00:00 UTC"
    assert formatting.clock(NOON - timedelta(hours=13), NOON) == "22 Nov 2026, 23:00:00 UTC"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"mode": "all"}, "all deals"),
        ({"mode": "all", "org_id": "org037"}, "all deals of org037"),
        ({"mode": "by_deal", "deals": [[None, "d"]], "deals_named": 1}, "d"),
        ({"mode": "by_deal", "deals": [["a", "d"]], "deals_named": 1}, "d of a"),
        ({"mode": "by_deal", "deals": [["a", "d"], ["b", "e"]], "deals_named": 2}, "d of a and 1 other"),
        ({"mode": "by_deal", "deals": [["a", "d"]], "deals_named": 10_000}, "d of a and 9,999 others"),
        ({"mode": "by_deal", "deals": [[None, "a\u202eb"]], "deals_named": 1}, "a\\u202eb"),
    ],
)
def test_scopes_in_words(fields: dict[str, object], words: str) -> None:
    assert formatting.scope(PurgeRun(**fields)) == words
