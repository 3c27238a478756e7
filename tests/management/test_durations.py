"""Durations as people write them."""

from __future__ import annotations

from argparse import ArgumentParser

import pytest

from dealpurge.management.durations import duration, seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("45m", 2700),
        ("12h", 43200),
        ("90d", 7776000),
        ("2w", 1209600),
        ("1d12h", 129600),
        ("1w1d1h1m1s", 694861),
        ("0s", 0),
        ("007d", 604800),
    ],
)
def test_a_duration_in_seconds(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("90", "'90' has no unit"),
        ("", "'' is no duration"),
        ("d", "'d' is no duration"),
        ("90 d", "'90 d' is no duration"),
        ("-1d", "'-1d' is no duration"),
        ("1.5d", "'1.5d' is no duration"),
        ("90D", "'90D' is no duration"),
        ("3y", "'3y' is no duration"),
        ("90d\n", r"'90d\n' is no duration"),
        ("1_0d", "'1_0d' is no duration"),
        ("\u0661d", "'\u0661d' is no duration"),
        ("1d12", "'1d12' is no duration"),
        ("9" * 5000 + "d", "is no duration"),
        ("1d1d", "'1d1d' has a unit twice"),
        ("12h1d", "'12h1d' has a unit twice, or a smaller one before a larger"),
    ],
)
def test_what_is_none_is_quoted_and_examples_are_given(text: str, words: str) -> None:
    with pytest.raises(ValueError, match="write it as 90d, 12h") as refused:
        seconds_of(text)

    assert words in str(refused.value)


def test_an_option_that_takes_one_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    parser = ArgumentParser()
    parser.add_argument("--older-than", type=duration)

    assert parser.parse_args(["--older-than", "1w"]).older_than == 604800
    with pytest.raises(SystemExit):
        parser.parse_args(["--older-than", "400"])
    assert "argument --older-than: '400' has no unit" in capsys.readouterr().err
