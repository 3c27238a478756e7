"""What pages, lists and files say of restores that did not go to their end, whose rows are gone, or that are none."""

from __future__ import annotations

import csv
import html
import io
import re

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client

from dealpurge.models import PurgeRun
from tests.console.conftest import LIST, ClientOf, page_of
from tests.support.console_pages import Pages
from tests.support.restore_states import purge, restore, told

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def browser(client_of: ClientOf, superuser: User) -> Client:
    return client_of(superuser)


@pytest.fixture
def pages(superuser: User, valkey_client: redis.Redis) -> Pages:
    return Pages(superuser, valkey_client)


def words(browser: Client, address: str) -> str:
    response = browser.get(address)
    assert response.status_code == 200
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", response.content.decode())))


@pytest.mark.parametrize(
    ("status", "said"), [("completed", "were pruned"), ("cancelled", "holds no rows"), ("failed", "holds no rows")]
)
def test_a_preview_without_rows(browser: Client, pages: Pages, status: str, said: str) -> None:
    preview = restore(pages, status, report=told(status))
    preview.restored_deals.all().delete()

    page = words(browser, page_of(preview))

    assert said in page
    assert "No deal matches." not in page
    assert "No deal matches." in words(browser, page_of(restore(pages, status, report=told(status))) + "?deal=other")


@pytest.mark.parametrize("status", ["partial", "cancelled", "failed"])
def test_one_that_did_a_part_is_not_told_as_all(browser: Client, pages: Pages, status: str) -> None:
    whole, part = purge(pages), purge(pages)
    restore(pages, "completed", of=whole, dry_run=False, report=told(dry_run=False))
    restore(pages, status, of=part, dry_run=False, report=told(status, dry_run=False))

    assert "Restored by m.okafor on" in words(browser, page_of(whole))
    assert "Restored in part by m.okafor on" in words(browser, page_of(part))


def test_one_that_wrote_nothing_brought_nothing_back(browser: Client, pages: Pages) -> None:
    failed = restore(pages, "failed", dry_run=False, error="Redis cannot be reached.")

    assert "Brought back" not in words(browser, page_of(failed))


def test_it_fills_in_no_form_of_a_purge(browser: Client, pages: Pages) -> None:
    preview = restore(pages, "completed", report=told())

    answer = browser.get(f"{LIST}purge/?again={preview.pk}")

    assert (answer.status_code, answer.headers["Location"]) == (302, page_of(preview))


def test_the_list_says_would_of_deals_too(browser: Client, pages: Pages) -> None:
    restore(pages, "completed", report=told())

    assert "18,869 would come back" in words(browser, LIST)


def test_the_file_of_runs_tells_restores_from_purges(browser: Client, pages: Pages) -> None:
    run = restore(pages, "completed", dry_run=False, report=told(dry_run=False))

    exported = b"".join(browser.get(f"{LIST}export/").streaming_content)  # type: ignore[attr-defined]

    rows = {row["run_id"]: row for row in csv.DictReader(io.StringIO(exported.decode("utf-8-sig")))}
    assert rows[str(run.pk)]["restored_run_id"] == str(run.restored_run_id)
    assert rows[str(run.pk)]["keys_restored"] == "1171930"
    assert rows[str(run.restored_run_id)]["restored_run_id"] == ""


@pytest.mark.parametrize("term", ["deal-2", "birch:deal-2"])
def test_a_deal_is_found_in_restores_of_all(browser: Client, pages: Pages, term: str) -> None:
    run = restore(pages, "completed", dry_run=False, report=told(dry_run=False))
    PurgeRun.objects.exclude(pk=run.pk).update(reason="")

    assert str(run.pk) in browser.get(f"{LIST}?q={term}").content.decode()
    assert str(run.pk) not in browser.get(f"{LIST}?q=acme:{term.rpartition(':')[2]}").content.decode()
