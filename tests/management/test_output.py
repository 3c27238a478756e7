"""What a terminal shows: words in the tense that is true."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management.color import no_style
from django.utils.translation import override

from dealpurge.management import output
from dealpurge.report import ArchiveReport, DealCounts, KeyCounts, PurgeReport, SkippedDeal
from dealpurge.scope import PurgeScope


def report(
    *, dry_run: bool = False, status: Any = "completed", keep_archive: bool = True, **fields: Any
) -> PurgeReport:
    scope = PurgeScope(mode="all", dry_run=dry_run, keep_archive=keep_archive)
    started_at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    return PurgeReport(run_id=None, status=status, scope=scope, started_at=started_at, **fields)


def shown(of: PurgeReport, verbosity: int = 1) -> str:
    return "\n".join(output.lines(of, no_style(), verbosity=verbosity))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            {"deals": DealCounts(purged=1), "keys": KeyCounts(deleted=1)},
            "Deleted 1 key of 1 deal.",
        ),
        (
            {"deals": DealCounts(purged=1234, skipped_active=1), "keys": KeyCounts(deleted=56789)},
            "Deleted 56,789 keys of 1,234 deals and skipped 1 active deal.",
        ),
        (
            {
                "status": "partial",
                "deals": DealCounts(purged=2, skipped_active=3, interrupted=4),
                "keys": KeyCounts(deleted=5, not_removed=6),
            },
            "Deleted 5 keys of 2 deals, skipped 3 active deals, stopped half-way at 4 deals that became active "
            "and could not remove 6 keys.",
        ),
        ({"status": "cancelled", "keys": KeyCounts(deleted=5)}, "The purge was cancelled, having deleted 5 keys."),
        ({"status": "failed", "keys": KeyCounts(deleted=0)}, "The purge failed, having deleted 0 keys."),
        (
            {"dry_run": True, "families": {"locks": 2, "events": 1}, "deals": DealCounts(purged=2)},
            "Dry run: a purge would delete 3 keys of 2 deals.",
        ),
        (
            {"dry_run": True, "families": {"locks": 1}, "deals": DealCounts(purged=1, skipped_active=2)},
            "Dry run: a purge would delete 1 key of 1 deal and skip 2 active deals.",
        ),
        (
            {"dry_run": True, "status": "cancelled", "families": {"locks": 4}},
            "The dry run was cancelled, having found 4 keys that a purge would delete.",
        ),
    ],
)
def test_the_sentence_is_true(fields: dict[str, Any], sentence: str) -> None:
    assert output.sentence(report(**fields)) == sentence


def test_everything_that_was_left_is_said() -> None:
    keys = KeyCounts(checkpoints_kept=1, unattributed=2000, vanished=3, unclaimed=4)
    sample = ("notes:deal-1", "x:deal-1", "y:deal-1", "z:deal-1")

    text = shown(report(families={"locks": 0}, keys=keys, unclaimed_sample=sample, warnings=("Mind the gap.",)))

    assert text == (
        "Family        Deleted\n"
        "locks               0\n"
        "all families        0\n"
        "\n"
        "Kept: 1 checkpoint key (--include-checkpoints takes them too).\n"
        "Left: 2,000 keys that name no organisation.\n"
        "Gone before their turn, expired or removed by others: 3 keys.\n"
        "Left: 4 keys with the deal's id that belong to no family: notes:deal-1, x:deal-1, y:deal-1, ...\n"
        "purge_deals --explain KEY says why.\n"
        "Warning: Mind the gap.\n"
        "\n"
        "Deleted 0 keys of 0 deals."
    )


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"archive": (3, 63)}, "Archived: 948 MB until 6 Mar 2026, 03:04 UTC."),
        ({"archive": (3, None)}, "Archived: 948 MB."),
        ({"archive": (0, 7)}, "No archive was kept. This cannot be undone."),
        ({"archive": (0, 7), "keys": KeyCounts()}, None),
        ({}, None),
        ({"keep_archive": False}, "No archive was kept. This cannot be undone."),
        ({"keep_archive": False, "keys": KeyCounts()}, None),
    ],
)
@pytest.mark.parametrize("language", ["en", "de"])
def test_what_is_kept_is_said_last(fields: dict[str, Any], line: str | None, language: str) -> None:
    told = {"keys": KeyCounts(deleted=5)} | fields
    if "archive" in told:
        chunks, days = told["archive"]
        until = None if days is None else report().started_at + timedelta(days=days)
        told["archive"] = ArchiveReport(bytes=948_300_000, chunks=chunks, until=until)

    with override(language):
        text = shown(report(**told), verbosity=0)

    assert text.splitlines()[1:] == ([line] if line else [])


def skipped(count: int) -> PurgeReport:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    deals = tuple(SkippedDeal(org_id="acme", deal_id=f"deal-{n}", last_active_at=moment) for n in range(count))
    return report(skipped=deals[:100], skipped_truncated=count > 100, deals=DealCounts(skipped_active=count))


@pytest.mark.parametrize(
    ("count", "verbosity", "rows", "rest"),
    [
        (10, 1, 10, ""),
        (11, 1, 10, "... and 1 more"),
        (100, 2, 100, ""),
        (1200, 2, 100, "... and 1,100 more"),
    ],
)
def test_skipped_deals_are_listed_up_to_a_point(count: int, verbosity: int, rows: int, rest: str) -> None:
    text = shown(skipped(count), verbosity)

    assert text.count("last active 2026-01-02T03:04:05Z") == rows
    assert rest in text
    assert ("more" in text) is bool(rest)


def test_ids_are_escaped() -> None:
    deals = (
        SkippedDeal(org_id=None, deal_id="\x1b[2J", last_active_at=None),
        SkippedDeal(org_id="a\u202e", deal_id="\\", last_active_at=None),
    )

    text = shown(report(skipped=deals, deals=DealCounts(skipped_active=2)))

    assert "\\x1b[2J     activity unknown\n" in text
    assert "a\\u202e \\\\  activity unknown\n" in text


def test_a_dry_run_shows_some_of_its_keys_if_asked_to() -> None:
    long = "canvas:lock:" + "x" * 90
    dry = report(dry_run=True, families={"locks": 2}, samples={"locks": ("canvas:lock:a b", long)})

    asked = shown(dry, verbosity=2)

    lines = ["Some of these keys, picked at random", "locks:", "  canvas:lock:a b", f"  {long}", ""]
    assert "\n".join(lines) in asked
    assert "picked at random" not in shown(dry)
    assert "picked at random" not in shown(report(dry_run=True, families={"locks": 2}), verbosity=2)
