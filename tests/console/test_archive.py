"""The archive on the pages that ask for a purge: offered, declined for a reason, and kept through every way back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from dealpurge.console import formatting
from dealpurge.console.forms.prefilled import of_run
from dealpurge.console.forms.purge import PurgeForm
from dealpurge.models import PurgeRun

from .conftest import FORM, ClientOf, MakePreview, latest, page_of

pytestmark = pytest.mark.django_db(transaction=True)

#: As the form sends it whose box was not ticked.
DECLINED = {"mode": "all", "archive_asked": "1", "reason": "OPS-1"}
KEPT = {"mode": "all", "archive_asked": "1", "keep_archive": "on"}
WITHOUT_REASON = "Give a reason or a ticket: without an archive the purge cannot be undone."


@pytest.fixture
def browser(client_of: ClientOf, purger: User) -> Client:
    return client_of(purger)


def page(browser: Client, address: str, **query: str) -> str:
    return " ".join(browser.get(address, query).content.decode().split())


def kept(data: dict[str, str]) -> bool:
    form = PurgeForm(data)
    assert form.is_valid(), form.errors
    return bool(form.cleaned_data["scope"].keep_archive)


# The form


@pytest.mark.usefixtures("archive")
@pytest.mark.parametrize(("days", "label"), [(7, "7 days"), (1, "1 day")])
def test_an_archive_is_offered_and_proposed(browser: Client, settings: Settings, days: int, label: str) -> None:
    settings.DEALPURGE_ARCHIVE_DAYS = days

    shown = page(browser, FORM)

    until = formatting.day(datetime.now(UTC) + timedelta(days=days))
    assert f" Keep an archive for {label}</label>" in shown
    assert f"The purge can be undone until {until}." in shown
    assert 'name="keep_archive" aria-describedby="id_keep_archive_helptext" id="id_keep_archive" checked>' in shown


def test_where_there_is_none_it_is_not_spoken_of(browser: Client) -> None:
    assert "archive" not in page(browser, FORM)
    assert kept(DECLINED)


@pytest.mark.usefixtures("archive")
def test_a_box_that_is_not_ticked_declines_it() -> None:
    assert not kept(DECLINED)
    assert kept(KEPT)


@pytest.mark.usefixtures("archive")
def test_a_page_of_before_there_was_a_box_keeps_an_archive() -> None:
    assert kept({"mode": "all"})


@pytest.mark.usefixtures("archive")
@pytest.mark.parametrize("reason", ["", " "])
def test_nobody_declines_it_for_no_reason(browser: Client, reason: str) -> None:
    form = PurgeForm({**DECLINED, "reason": reason})

    assert form.errors == {"reason": [WITHOUT_REASON]}
    shown = " ".join(browser.post(FORM, {**DECLINED, "reason": reason}).content.decode().split())
    assert 'id="id_keep_archive"> Keep an archive' in shown
    assert not PurgeRun.objects.exists()


def test_a_storage_that_is_none_is_told_in_the_form(browser: Client, settings: Settings) -> None:
    settings.DEALPURGE_ARCHIVE = "nowhere"

    assert "archive" not in page(browser, FORM)
    assert "DEALPURGE_ARCHIVE names no storage of STORAGES." in browser.post(FORM, {"mode": "all"}).content.decode()
    assert not PurgeRun.objects.exists()


# The ways back to it


@pytest.mark.usefixtures("archive")
def test_a_run_that_is_changed_first_keeps_the_choice(browser: Client, make_preview: MakePreview, purger: User) -> None:
    for declined in (True, False):
        run = make_preview(purger, archive_declined=declined)

        assert of_run(run)["keep_archive"] is not declined
        assert ('id="id_keep_archive" checked' in page(browser, FORM, again=str(run.pk))) is not declined


@pytest.mark.usefixtures("archive")
@pytest.mark.parametrize("deals", ["acme:d1", "acme:deal\n" * 9000], ids=["few", "many"])
@pytest.mark.parametrize(("sent", "ticked"), [(DECLINED, False), (KEPT, True), ({}, True)], ids=["no", "yes", "never"])
def test_who_has_to_log_in_finds_the_box_as_it_was(
    client: Client, purger: User, deals: str, sent: dict[str, str], ticked: bool
) -> None:
    answer = client.post(FORM, {"guard_asked": "1", **sent, "mode": "by_deal", "deals": deals})
    client.force_login(purger)

    form = client.get(parse_qs(urlsplit(answer.headers["Location"]).query)["next"][0]).context["form"]

    assert form["keep_archive"].value() is ticked


@pytest.mark.usefixtures("archive")
def test_a_preview_made_again_goes_without_it_too(browser: Client, deals: redis.Redis) -> None:
    browser.post(FORM, DECLINED)
    browser.post(page_of(latest(), "repeat"))

    assert [run.archive_declined for run in PurgeRun.objects.all()] == [True, True]


def test_a_run_of_before_is_not_repeated_for_no_reason(
    browser: Client, make_preview: MakePreview, purger: User, archive: Path
) -> None:
    run = make_preview(purger, archive_declined=True)

    answer: Any = browser.post(page_of(run, "repeat"), follow=True)

    assert WITHOUT_REASON in answer.content.decode()
    assert answer.context["form"]["keep_archive"].value() is False
    assert PurgeRun.objects.count() == 1


def test_where_there_is_none_to_decline_no_reason_is_asked_for(
    browser: Client, make_preview: MakePreview, purger: User
) -> None:
    browser.post(page_of(make_preview(purger, archive_declined=True), "repeat"))

    assert PurgeRun.objects.count() == 2


# The preview, and the purge made of it


def test_a_storage_that_cannot_be_written_is_told_on_the_page_of_the_purge(
    browser: Client, deals: redis.Redis, archive: Path
) -> None:
    archive.write_text("a file where a folder should be")
    before = deals.dbsize()
    browser.post(FORM, KEPT)
    preview = latest()
    page(browser, page_of(preview))

    browser.post(page_of(preview, "apply"), {"typed": "purge 3"})

    shown = page(browser, page_of(latest()))
    assert "Failed: The archive cannot be written; nothing unarchived was deleted." in shown
    assert deals.dbsize() == before


def test_the_purge_goes_without_it_as_the_form_said(browser: Client, deals: redis.Redis, archive: Path) -> None:
    browser.post(FORM, {**DECLINED, "mode": "organisation", "org_id": "acme"})
    preview = latest()
    shown = page(browser, page_of(preview))

    assert preview.archive_declined
    assert "<dt><strong>2</strong></dt><dd>deals would be <strong>gone for good</strong>: no archive is kept.</dd>" in (
        shown
    )
    assert "no archive</span>" in shown
    assert "Type <kbd>purge</kbd> to confirm" in shown
    browser.post(page_of(preview, "apply"), {"typed": "purge"})

    live = latest()
    assert (live.status, live.dry_run, live.archive_declined, live.archive_alias) == ("completed", False, True, "")
    assert not live.archive_chunks.exists()
    assert not archive.exists()


def test_the_purge_is_archived_as_the_form_said(browser: Client, deals: redis.Redis, archive: Path) -> None:
    browser.post(FORM, KEPT)
    preview = latest()
    assert "no archive" not in page(browser, page_of(preview))
    browser.post(page_of(preview, "apply"), {"typed": "purge 3"})

    live = latest()
    assert (preview.archive_declined, live.archive_declined, live.archive_alias) == (False, False, "archive")
    assert sum(live.archive_chunks.values_list("keys", flat=True)) == live.keys_deleted == 6
    assert [path for path in archive.rglob("*") if path.is_file()]


@pytest.mark.usefixtures("archive")
def test_a_preview_cannot_be_applied_while_its_storage_is_none(
    browser: Client, make_preview: MakePreview, purger: User, settings: Settings
) -> None:
    run = make_preview(purger, archive_declined=True)
    settings.DEALPURGE_ARCHIVE = "nowhere"

    shown = page(browser, page_of(run))

    assert "DEALPURGE_ARCHIVE names no storage of STORAGES." in shown
    assert "dp-danger" not in shown
