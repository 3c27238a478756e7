"""What is kept of what a purge deleted, in words that are true of it, and nothing where nothing was deleted."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from dealpurge.models import PurgeArchiveChunk, PurgeRun
from dealpurge.runs.outcome.archives import kept_of
from dealpurge.runs.outcome.counts import size
from tests.console.conftest import REPORT, ClientOf, MakePreview, page_of

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 26, 10, 31, 7, tzinfo=UTC)
UNTIL = NOW + timedelta(days=7)
ARCHIVED: dict[str, Any] = {
    "report": {**REPORT, "archive": {"bytes": 948_300_000, "chunks": 240, "until": "2026-12-03T10:31:07Z"}},
    "archive_alias": "archive",
    "archived_until": UNTIL,
    "keys_deleted": 28402,
    "started_at": NOW,
}
LOST = {**ARCHIVED, "status": "failed", "report": None}
REMOVED = {**ARCHIVED, "archive_removed_at": NOW + timedelta(days=2)}
NONE = "No archive was kept. This cannot be undone."
WORDS: dict[str, tuple[dict[str, Any], int, str | None]] = {
    "kept": (ARCHIVED, 0, "Archived: 948 MB until 3 Dec 2026, 10:31 UTC."),
    "of a run that failed": (ARCHIVED | {"status": "failed"}, 0, "Archived: 948 MB until 3 Dec 2026, 10:31 UTC."),
    "a second before its end": (ARCHIVED, 7 * 86400 - 1, "Archived: 948 MB until 3 Dec 2026, 10:31 UTC."),
    "past its time": (ARCHIVED, 7 * 86400, "Archive expired on 3 Dec 2026"),
    "cleared away": (
        {**ARCHIVED, "archive_removed_at": UNTIL + timedelta(days=1), "archive_removed_by": "cron"},
        9 * 86400,
        "Archive expired on 3 Dec 2026",
    ),
    "removed": (REMOVED | {"archive_removed_by": "d.silva"}, 0, "Archive removed by d.silva on 28 Nov 2026"),
    "removed, and past its time": (
        REMOVED | {"archive_removed_by": "d.\u202esilva"},
        9 * 86400,
        "Archive removed by d.\\u202esilva on 28 Nov 2026",
    ),
    "removed by nobody knows who": (REMOVED, 0, "Archive removed on 28 Nov 2026"),
    "declined": (ARCHIVED | {"report": {**REPORT, "archive": None}, "archive_alias": ""}, 0, NONE),
    "of before there was one": (ARCHIVED | {"report": REPORT, "archive_alias": "", "archived_until": None}, 0, NONE),
    "nothing deleted": (ARCHIVED | {"report": {**REPORT, "archive": None}, "keys_deleted": 0}, 0, None),
    "nothing in it": (
        ARCHIVED | {"report": {**REPORT, "archive": {"bytes": 0, "chunks": 0, "until": None}}, "keys_deleted": 0},
        0,
        None,
    ),
    "lost without one": (LOST | {"archive_alias": ""}, 0, NONE),
    "lost, and cleared away": (LOST | {"archive_removed_at": UNTIL}, 9 * 86400, "Archive expired on 3 Dec 2026"),
    "lost before anything": (LOST | {"keys_deleted": 0}, 0, None),
    "under way": (ARCHIVED | {"status": "running", "report": None}, 0, None),
    "a dry run": (ARCHIVED | {"dry_run": True}, 0, None),
}


def with_chunks(run: PurgeRun, *keys: int) -> None:
    for number, count in enumerate(keys, start=1):
        PurgeArchiveChunk.objects.create(
            run=run, server=1, number=number, name=f"{number}", keys=count, size=1000, length=9, families={}
        )


@pytest.mark.parametrize("name", WORDS)
def test_what_is_kept_is_said(make_preview: MakePreview, name: str) -> None:
    fields, seconds, words = WORDS[name]
    run = make_preview(None, **{"dry_run": False, **fields})

    kept = kept_of(PurgeRun.objects.get(pk=run.pk), NOW + timedelta(seconds=seconds))

    assert (kept and kept.words) == words
    assert kept is None or kept.complete


@pytest.mark.parametrize(("keys", "told"), [((17000, 200), "17,200 keys"), ((1,), "1 key")])
def test_of_a_run_that_was_lost_what_was_archived_by_then_is_said(
    make_preview: MakePreview, keys: tuple[int, ...], told: str
) -> None:
    run = make_preview(None, dry_run=False, **LOST)
    with_chunks(run, *keys)

    kept = kept_of(PurgeRun.objects.get(pk=run.pk), NOW)
    later = kept_of(PurgeRun.objects.get(pk=run.pk), UNTIL)

    assert kept
    assert (kept.words, kept.complete) == (f"Archive incomplete: the run was lost. {told} can be restored.", False)
    assert later
    assert (later.words, later.complete) == ("Archive expired on 3 Dec 2026", True)


def test_nobody_asks_the_database_of_a_run_that_tells(
    make_preview: MakePreview, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    runs = [make_preview(None, dry_run=False, **fields) for fields in (ARCHIVED, LOST | {"archive_alias": ""})]

    with django_assert_num_queries(0):
        assert all(kept_of(run, NOW) for run in runs)


def note(browser: Client, run: PurgeRun) -> str:
    page = browser.get(page_of(run)).content.decode()
    notes = [part.partition("</section>")[0] for part in page.split("<section ")[1:]]
    return "|".join(" ".join(re.sub("<[^>]+>", " ", text).split()) for text in notes if "rchive" in text)


def test_its_page_says_it(client_of: ClientOf, make_preview: MakePreview, purger: User) -> None:
    browser, until = client_of(purger), {"archived_until": timezone.now() + timedelta(days=1)}
    kept = make_preview(purger, dry_run=False, **ARCHIVED | until)
    lost = make_preview(purger, dry_run=False, **LOST | until)
    with_chunks(lost, 12)

    assert "Archived: 948 MB until" in note(browser, kept)
    assert 'class="dp-note dp-told">' in browser.get(page_of(kept)).content.decode()
    assert "12 keys can be restored." in note(browser, lost)
    assert 'class="dp-note dp-told dp-warn">' in browser.get(page_of(lost)).content.decode()
    assert note(browser, make_preview(purger)) == ""


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (9_940, "9.9 kB"),
        (9_960, "10 kB"),
        (999_499, "999 kB"),
        (999_500, "1.0 MB"),
        (948_000_000, "948 MB"),
        (3_100_000_000, "3.1 GB"),
        (999_500_000_000, "1.0 TB"),
        (4_000_000_000_000_000, "4,000 TB"),
    ],
)
def test_bytes_are_told_in_one_to_three_digits(count: int, words: str) -> None:
    assert size(count) == words
