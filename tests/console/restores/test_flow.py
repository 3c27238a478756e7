"""From a purge's page, or a deal's timeline, by way of a preview to a restore, and what the pages say of it."""

from __future__ import annotations

import html
import re
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from django.contrib.auth.models import Permission, User
from django.test import Client
from pytest_django.fixtures import Settings

from dealpurge.models import PurgeArchiveChunk, PurgeRun
from tests.console.conftest import LIST, ClientOf, page_of
from tests.support.archive_storages import keep_archives_in, purged
from tests.support.seeding import key_of

pytestmark = pytest.mark.django_db(transaction=True)
DEALS = tuple(f"deal-{number}" for number in range(4))
KEYS = 4 * len(DEALS)


@pytest.fixture
def place(valkey_settings: Settings, tmp_path: Path) -> Path:
    """Where the archives are."""
    keep_archives_in(valkey_settings, tmp_path)
    valkey_settings.DEALPURGE_ENVIRONMENT = {"name": "production", "tone": "production"}
    valkey_settings.DEALPURGE_CONFIRM_DEALS = 4
    return tmp_path


@pytest.fixture
def purge(valkey_client: redis.Redis, place: Path) -> PurgeRun:
    return purged(valkey_client, DEALS, left=timedelta(days=1))


@pytest.fixture
def browser(client_of: ClientOf, superuser: User) -> Client:
    return client_of(superuser)


def words(page: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def shown(browser: Client, run: PurgeRun, query: str = "") -> str:
    response = browser.get(page_of(run) + query)
    assert response.status_code == 200
    return words(response.content.decode())


def previewed(browser: Client, of: PurgeRun, **fields: str) -> PurgeRun:
    response = browser.post(page_of(of, "restore"), fields)
    run = PurgeRun.objects.latest("created_at")
    assert response.headers["Location"] == page_of(run)
    assert run.is_restore
    assert run.dry_run
    return run


def applied(browser: Client, preview: PurgeRun, typed: str = "") -> PurgeRun | None:
    browser.get(page_of(preview))
    browser.post(page_of(preview, "restore/apply"), {"typed": typed})
    return PurgeRun.objects.filter(preview=preview).first()


def test_a_wrong_purge_is_undone(browser: Client, purge: PurgeRun, valkey_client: redis.Redis) -> None:
    assert "Restore…" in shown(browser, purge)

    preview = previewed(browser, purge)
    page = shown(browser, preview)
    assert "nothing written yet" in page
    assert "deals in the archive 4" in page
    assert "Restore 4 deals to production?" in page
    assert "Type 4 to confirm" in page
    assert not valkey_client.dbsize()

    assert applied(browser, preview, "5") is None
    assert not valkey_client.dbsize()
    run = applied(browser, preview, "4")

    assert run is not None
    assert valkey_client.dbsize() == KEYS
    assert f"Restored: 4 deals, {KEYS} keys" in shown(browser, run)
    assert "This preview was applied" in shown(browser, preview)
    assert "Restored by root on" in shown(browser, purge)
    assert purge.report == PurgeRun.objects.get(pk=purge.pk).report


def test_a_reason(browser: Client, purge: PurgeRun, settings: Settings) -> None:
    settings.DEALPURGE_REASON_REQUIRED = True
    preview = previewed(browser, purge)
    assert "Reason or ticket" in shown(browser, preview)

    assert applied(browser, preview, "4") is None
    assert "here nothing is restored without" in shown(browser, preview)
    browser.post(page_of(preview, "restore/apply"), {"typed": "4", "reason": " OPS-1 "})

    assert PurgeRun.objects.get(preview=preview).reason == "OPS-1"


def test_one_deal_from_its_timeline(browser: Client, purge: PurgeRun, valkey_client: redis.Redis) -> None:
    timeline = f"{LIST}deal/?org=acme&deal=deal-2"
    assert "Preview the restore of this deal" in browser.get(timeline).content.decode()

    preview = previewed(browser, purge, deals="acme:deal-2")
    assert "Restore 1 deal to production?" in shown(browser, preview)
    applied(browser, preview)

    names = valkey_client.keys()
    assert len(names) == 4
    assert all(b":deal-2" in name for name in names)
    assert "Restores of this deal" in browser.get(timeline).content.decode()


def test_deals_that_somebody_has_worked_on(browser: Client, purge: PurgeRun, valkey_client: redis.Redis) -> None:
    newer = key_of("locks", "acme", "deal-1")
    valkey_client.set(newer, "newer")

    preview = previewed(browser, purge)
    page = shown(browser, preview)
    assert "1 deal has been worked on since the purge" in page
    assert "Keys exist again 1 Nothing in the way 3 All 4" in page
    assert "deal-1" in page
    assert "deal-2" not in page.partition("Which deals")[2].partition("Restore 4")[0]
    assert newer not in page
    row = preview.restored_deals.get(deal_id="deal-1")
    assert newer in shown(browser, preview, f"?keys={row.pk}")
    assert "deal-2" in shown(browser, preview, "?show=clear")

    without = previewed(browser, preview, leave_mixed="1")
    assert "1 deal is left out" in shown(browser, without)
    assert "Restore 3 deals" in shown(browser, without)
    applied(browser, without)
    assert valkey_client.dbsize() == KEYS - 4 + 1
    assert valkey_client.get(newer) == b"newer"


def test_a_damaged_archive(browser: Client, purge: PurgeRun, valkey_client: redis.Redis, place: Path) -> None:
    (place / PurgeArchiveChunk.objects.filter(run=purge).latest("pk").name).unlink()

    preview = previewed(browser, purge)
    page = shown(browser, preview)

    assert "Files of the archive are damaged" in page
    assert f"missing, {KEYS} keys" in page
    assert "Preview the rest" in page
    assert "Restore 4 deals" not in page
    assert applied(browser, preview, "4") is None


@pytest.mark.parametrize("query", ["?show=x&sort=y&keys=z&p=99999&org=%00", "?deal=%F0%9F&sort=-", "?org=acme&p=-1"])
def test_no_query_is_an_error(browser: Client, purge: PurgeRun, query: str) -> None:
    shown(browser, previewed(browser, purge), query)


def test_the_list_and_the_files_tell_them_apart(browser: Client, purge: PurgeRun) -> None:
    preview = previewed(browser, purge)
    run = applied(browser, preview, "4")
    assert run is not None

    page = words(browser.get(LIST).content.decode())
    assert "restore preview" in page
    assert f"{KEYS} would come back" in page
    assert "restore" in words(browser.get(f"{LIST}?kind=restore").content.decode())
    only = browser.get(f"{LIST}?kind=purge").content.decode()
    assert str(purge.pk) in only
    assert str(run.pk) not in only
    exported = b"".join(browser.get(page_of(run, "deals")).streaming_content).decode()  # type: ignore[attr-defined]
    assert exported.splitlines()[0].startswith("run_id,org_id,deal_id,keys_archived,keys_restored")
    assert len(exported.splitlines()) == 1 + len(DEALS)


def staff(*permissions: str) -> User:
    user = User.objects.create_user("-".join(permissions), is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


def test_who_may_not_restore(client_of: ClientOf, browser: Client, purge: PurgeRun, valkey_client: redis.Redis) -> None:
    other = client_of(staff("purge_deals", "view_purgerun"))
    preview = previewed(browser, purge)
    shown(browser, preview)

    assert "Restore…" not in shown(other, purge)
    assert "Restore 4 deals" not in shown(other, preview)
    for address in (page_of(purge, "restore"), page_of(preview, "restore"), page_of(preview, "restore/apply")):
        assert other.post(address, {"typed": "4"}).status_code == 403
    for what in ("apply", "repeat", "rest"):
        other.post(page_of(preview, what), {"typed": "4", "kind": "rest"})
    assert not valkey_client.dbsize()
    assert not PurgeRun.objects.filter(dry_run=False).exclude(pk=purge.pk).exists()


def test_who_may_restore_alone(client_of: ClientOf, purge: PurgeRun, valkey_client: redis.Redis) -> None:
    other = client_of(staff("restore_deals"))

    preview = previewed(other, purge)
    assert applied(other, preview, "4")

    assert valkey_client.dbsize() == KEYS
    assert other.post(f"{LIST}purge/", {"mode": "all"}).status_code == 403


def test_a_preview_is_applied_by_who_made_it(
    client_of: ClientOf, browser: Client, purge: PurgeRun, valkey_client: redis.Redis
) -> None:
    preview = previewed(browser, purge)
    other = client_of(staff("restore_deals", "purge_deals"))

    assert applied(other, preview, "4") is None
    assert "Only root, who made this preview, can apply it." in shown(other, preview)
    assert not valkey_client.dbsize()


@pytest.mark.parametrize("what", ["repeat", "rest", "apply"])
def test_a_restore_never_becomes_a_purge(
    browser: Client, purge: PurgeRun, valkey_client: redis.Redis, what: str
) -> None:
    preview = previewed(browser, purge)
    run = applied(browser, preview, "4")
    assert run is not None

    for one in (preview, run):
        browser.post(page_of(one, what), {"typed": "4", "kind": "rest"})

    assert valkey_client.dbsize() == KEYS
    assert not PurgeRun.objects.filter(restored_run=None).exclude(pk=purge.pk).exists()


def test_an_archive_of_elsewhere_has_no_button(browser: Client, purge: PurgeRun) -> None:
    PurgeRun.objects.filter(pk=purge.pk).update(environment="staging")

    page = shown(browser, purge)

    assert "This archive is of staging." in page
    assert "Restore…" not in page


def test_a_preview_too_old_is_not_applied(browser: Client, purge: PurgeRun, valkey_client: redis.Redis) -> None:
    preview = previewed(browser, purge)
    shown(browser, preview)
    PurgeRun.objects.filter(pk=preview.pk).update(finished_at=preview.created_at - timedelta(hours=1))

    assert applied(browser, preview, "4") is None
    assert "Expired." in shown(browser, preview)
    assert not valkey_client.dbsize()
