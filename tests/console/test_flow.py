"""From the form over the preview to the live run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags
from pytest_django.fixtures import Settings

from dealpurge.models import PurgeRun, PurgeRunDeal
from dealpurge.runs import store
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from tests.support.seeding import seed_deal

from .conftest import FORM, LIST, ClientOf, MakePreview, latest, load, page_of


@pytest.fixture
def browser(client_of: ClientOf, purger: User) -> Client:
    return client_of(purger)


def text(response: Any) -> str:
    return " ".join(response.content.decode().split())


def preview(browser: Client, **fields: Any) -> PurgeRun:
    """Fill in the form, and look at the page that it leads to."""
    response = browser.post(FORM, {"mode": "all"} | fields)
    run = latest()
    assert response.headers["Location"] == page_of(run)
    browser.get(page_of(run))
    return run


def test_a_preview_deletes_nothing_and_shows_its_numbers(browser: Client, deals: redis.Redis) -> None:
    run = preview(browser, reason="ticket 4711")

    page = text(browser.get(page_of(run)))
    assert deals.dbsize() == 7
    assert (run.dry_run, run.deals_purged, run.keys_to_go, run.reason) == (True, 3, 6, "ticket 4711")
    assert "Preview: all deals" in page
    assert "dry run · nothing deleted" in page
    assert "Type <kbd>purge 3</kbd> to confirm" in page
    assert "ticket 4711" in page


def test_applying_purges_what_the_preview_showed(browser: Client, deals: redis.Redis, purger: User) -> None:
    run = preview(browser, mode="organisation", org_id="acme")

    response = browser.post(page_of(run, "apply"), {"typed": "purge"}, follow=True)

    live = latest()
    assert response.redirect_chain == [(page_of(live), 302)]
    assert (live.dry_run, live.preview, live.actor, live.keys_deleted) == (False, run, purger, 4)
    assert sorted(deals.keys()) == [b"canvas:lock:birch:deal-3", b"canvas:session:birch:deal-3:1", b"somebody:else"]


@pytest.mark.parametrize("typed", ["", "3", "purge", "purge 2", "purge 33", "all", "purge -3", "3 purge"])
def test_the_wrong_words_purge_nothing(browser: Client, deals: redis.Redis, typed: str) -> None:
    run = preview(browser)

    response = browser.post(page_of(run, "apply"), {"typed": typed})

    assert response.status_code == 200
    assert "That is not &quot;purge 3&quot;. Nothing was deleted." in text(response)
    assert not PurgeRun.objects.filter(dry_run=False).exists()
    assert deals.dbsize() == 7


@pytest.mark.parametrize("typed", ["1234", "1,234", "1 234", "1.234", "1’234"])  # noqa: RUF001 - as Swiss write it
def test_the_number_may_be_typed_with_its_grouping(
    browser: Client, make_preview: MakePreview, purger: User, typed: str
) -> None:
    run = make_preview(purger, deals_purged=1234, exclude_active_within_secs=60)

    browser.post(page_of(run, "apply"), {"typed": typed})

    assert PurgeRun.objects.filter(preview=run).exists()


def test_a_few_deals_with_the_guard_on_take_a_click_alone(browser: Client, deals: redis.Redis) -> None:
    lines = "acme:deal-1\r\n birch:deal-3 \r\n"
    run = preview(browser, mode="by_deal", deals=lines, guard="on", exclude_active_0="1", exclude_active_1="60")

    browser.post(page_of(run, "apply"))

    assert run.deals == [["acme", "deal-1"], ["birch", "deal-3"]]
    assert sorted(deals.keys("canvas:lock:*")) == [b"canvas:lock:acme:deal-2"]


def test_the_scope_comes_from_the_preview_and_not_from_the_form(browser: Client, deals: redis.Redis) -> None:
    run = preview(browser, mode="by_deal", deals="acme:deal-1")
    forged = {"mode": "all", "deals": "acme:deal-2", "org_id": "birch", "dry_run": "false"}

    browser.post(page_of(run, "apply"), {"typed": "purge"} | forged)

    live = PurgeRun.objects.get(preview=run)
    assert (live.mode, live.deals, live.org_id) == ("by_deal", [["acme", "deal-1"]], None)
    assert deals.exists("canvas:lock:acme:deal-2", "canvas:lock:birch:deal-3") == 2


def test_a_second_click_finds_the_run_of_the_first(browser: Client, deals: redis.Redis) -> None:
    run = preview(browser)

    first = browser.post(page_of(run, "apply"), {"typed": "purge 3"})
    second = browser.post(page_of(run, "apply"), {"typed": "purge 3"})

    assert PurgeRun.objects.filter(dry_run=False).count() == 1
    assert first.headers["Location"] == second.headers["Location"]


def refused(browser: Client, run: PurgeRun) -> str:
    """Apply, and return the page with the refusal."""
    response = browser.post(page_of(run, "apply"), {"typed": "purge 7"}, follow=True)
    assert not PurgeRun.objects.filter(dry_run=False).exists()
    return text(response)


def test_a_preview_of_somebody_else_is_not_applied(browser: Client, make_preview: MakePreview, superuser: User) -> None:
    assert "Only root, who made this preview, can apply it." in refused(browser, make_preview(superuser))


def test_a_preview_of_a_command_without_a_user_is_not_applied(browser: Client, make_preview: MakePreview) -> None:
    assert "Only somebody, who made this preview" in refused(browser, make_preview(None))


def test_an_old_preview_is_not_applied(browser: Client, make_preview: MakePreview, purger: User) -> None:
    old = make_preview(purger, finished_at=timezone.now() - timedelta(minutes=15, seconds=5))

    assert "too old" in refused(browser, old)


def test_a_preview_of_nearly_15_minutes_is_applied(browser: Client, make_preview: MakePreview, purger: User) -> None:
    run = make_preview(purger, finished_at=timezone.now() - timedelta(minutes=14, seconds=30))

    browser.post(page_of(run, "apply"), {"typed": "purge 7"})

    assert PurgeRun.objects.filter(preview=run).exists()


def test_a_preview_that_nobody_looked_at_is_not_applied(
    browser: Client, make_preview: MakePreview, purger: User
) -> None:
    assert "Look at the numbers" in refused(browser, make_preview(purger, seen=False))


def test_key_families_that_changed_since_need_another_preview(
    browser: Client, deals: redis.Redis, settings: Settings
) -> None:
    run = preview(browser)
    settings.DEALPURGE_KEY_FAMILIES = {"others": "somebody:{deal_id}"}

    page = text(browser.post(page_of(run, "apply"), {"typed": "purge 3"}, follow=True))

    assert "The key families in the settings have changed" in page
    assert deals.dbsize() == 7
    assert not PurgeRun.objects.filter(dry_run=False).exists()


def test_families_that_cannot_be_read_any_more_have_changed(
    browser: Client, deals: redis.Redis, settings: Settings
) -> None:
    run = preview(browser)
    settings.DEALPURGE_KEY_FAMILIES = {"broken": "{"}

    assert "The key families in the settings have changed" in text(browser.get(page_of(run)))


def test_a_page_that_was_read_before_the_end_showed_no_numbers(make_preview: MakePreview, purger: User) -> None:
    run = make_preview(purger, seen=False, status="running", heartbeat_at=Now())
    read_before = load(run)
    PurgeRun.objects.filter(pk=run.pk).update(status="completed")

    read_before.mark_seen(purger)

    assert load(run).run.seen_at is None


def test_a_look_by_somebody_else_does_not_count(
    browser: Client, client_of: ClientOf, make_preview: MakePreview, purger: User, superuser: User
) -> None:
    run = make_preview(purger, seen=False)

    client_of(superuser).get(page_of(run))

    run.refresh_from_db()
    assert run.seen_at is None


def test_nothing_to_purge_cannot_be_applied(browser: Client, make_preview: MakePreview, purger: User) -> None:
    run = make_preview(purger, deals_purged=0)

    assert "There is nothing to purge." in refused(browser, run)
    assert "to confirm" not in text(browser.get(page_of(run)))


@pytest.mark.parametrize("status", ["queued", "running", "failed", "cancelled", "partial"])
def test_an_unfinished_preview_is_not_applied(
    browser: Client, make_preview: MakePreview, purger: User, status: str
) -> None:
    refused(browser, make_preview(purger, status=status, heartbeat_at=Now()))


def test_a_live_run_is_no_preview(browser: Client, make_preview: MakePreview, purger: User) -> None:
    run = make_preview(purger, dry_run=False)

    browser.post(page_of(run, "apply"), {"typed": "purge 7"})

    assert PurgeRun.objects.count() == 1


def test_a_live_run_of_all_deals_elsewhere_is_linked(browser: Client, make_preview: MakePreview, purger: User) -> None:
    other = store.create(PurgeScope(mode="all", dry_run=False), Origin(source="command"))

    page = text(browser.post(page_of(make_preview(purger), "apply"), {"typed": "purge 7"}, follow=True))

    assert f'Another purge of all deals is under way. <a href="{page_of(other)}">' in page


def test_other_numbers_than_the_preview_had_are_shown_beside_them(browser: Client, deals: redis.Redis) -> None:
    run = preview(browser)
    deals.set("canvas:lock:acme:deal-9", "1")
    deals.delete("canvas:lock:acme:deal-1")
    deals.delete("canvas:session:acme:deal-1:1")
    deals.delete("canvas:session:acme:deal-2:1")

    page = text(browser.post(page_of(run, "apply"), {"typed": "purge 3"}, follow=True))

    assert 'Against the preview <span class="dp-quiet">as many deals, not as many keys</span>' in page
    assert '<th scope="row">Keys</th><td class="dp-num">6</td><td class="dp-num">4</td>' in page


def test_deals_that_became_active_in_between_are_said_to_have(browser: Client, deals: redis.Redis) -> None:
    run = preview(browser, guard="on", guard_asked="1", exclude_active_0="1", exclude_active_1="3600")
    seed_deal(deals, "acme", "deal-1", age=1)

    page = text(browser.post(page_of(run, "apply"), {"typed": "3"}, follow=True))

    assert "1 deal became active in between, so 1 fewer was purged" in page


def test_the_same_numbers_are_shown_once(browser: Client, deals: redis.Redis) -> None:
    run = preview(browser)

    page = text(browser.post(page_of(run, "apply"), {"typed": "purge 3"}, follow=True))

    assert "Against the preview" not in page
    assert "<dt>keys deleted</dt><dd>6</dd>" in page


def test_run_again_previews_the_scope_of_a_live_run(browser: Client, deals: redis.Redis) -> None:
    run = preview(browser, mode="by_deal", deals="acme:deal-1", include_checkpoints="on", reason="why not")
    browser.post(page_of(run, "apply"), {"typed": "purge"})
    live = PurgeRun.objects.get(preview=run)

    browser.post(page_of(live, "repeat"))

    again = latest()
    assert again.dry_run
    assert again.scope.deals == live.scope.deals
    assert (again.include_checkpoints, again.reason, again.preview) == (True, "why not", None)


def test_cancel_asks_a_running_run_to_stop(browser: Client) -> None:
    run = store.create(PurgeScope(mode="all", dry_run=False), Origin(source="api"))

    browser.post(page_of(run, "cancel"))

    run.refresh_from_db()
    assert (run.status, run.cancel_requested) == ("running", True)
    assert "Stopping…" in text(browser.get(page_of(run)))


def test_cancel_ends_a_queued_run(browser: Client) -> None:
    run = store.create(PurgeScope(mode="all", dry_run=False), Origin(source="api"), queued=True)

    page = text(browser.post(page_of(run, "cancel"), follow=True))

    run.refresh_from_db()
    assert run.status == "cancelled"
    assert "The run was told to stop." in page


def test_cancel_of_a_finished_run_says_that_it_is_over(
    browser: Client, make_preview: MakePreview, purger: User
) -> None:
    page = text(browser.post(page_of(make_preview(purger), "cancel"), follow=True))

    assert "The run was over already." in page


def test_a_lost_run_is_found_out_when_somebody_looks(browser: Client) -> None:
    run = store.create(PurgeScope(mode="all", dry_run=False), Origin(source="api"))
    heard = datetime(2026, 11, 23, 10, 31, 7, tzinfo=UTC)
    PurgeRun.objects.filter(pk=run.pk).update(heartbeat_at=heard, keys_deleted=1200)
    outcomes = ["purged"] * 2 + ["skipped_active"] + ["interrupted"] * 120
    rows = [
        PurgeRunDeal(run=run, org_id="acme", deal_id=f"d{n}", outcome=outcome) for n, outcome in enumerate(outcomes)
    ]
    PurgeRunDeal.objects.bulk_create(rows)

    page = text(browser.get(page_of(run)))

    assert "Lost: no sign of life from its worker for a minute" in page
    assert "At least 1,200 keys were deleted. It was last heard of on 23 Nov 2026, 10:31:07 UTC" in page
    assert "Those that are interrupted had lost keys when the run was last heard of" in page
    assert "All 123 Interrupted 120 Purged 2 Skipped, active 1" in " ".join(strip_tags(page).split())
    assert page.count('<tr role="row" class="dp-amber">') == 50
    assert "Run again" in page
    assert "at least 1,200" in text(browser.get(LIST))


@pytest.mark.parametrize("outcome", ["purged", "interrupted", "skipped_active"])
def test_a_lost_run_had_deleted_nothing_only_if_no_deal_says_otherwise(browser: Client, outcome: str) -> None:
    run = store.create(PurgeScope(mode="all", dry_run=False), Origin(source="api"))
    PurgeRun.objects.filter(pk=run.pk).update(heartbeat_at=datetime(2026, 11, 23, tzinfo=UTC))
    PurgeRunDeal.objects.create(run=run, org_id="acme", deal_id="d1", outcome=outcome)

    page = text(browser.get(page_of(run)))

    assert ("As far as is known it had deleted nothing." in page) == (outcome == "skipped_active")


def test_redis_down_is_told_in_plain_words(browser: Client, settings: Settings) -> None:
    settings.DEALPURGE_SERVER_LABEL = "redis-main"  # which stands for the address wherever that would be shown
    response = browser.post(FORM, {"mode": "all"}, follow=True)

    run = latest()
    assert run.status == "failed"
    assert run.error in text(response)
    assert "Traceback" not in text(response)
    assert "127.0.0.1:1" not in text(response)


def test_nothing_from_the_client_chooses_where_to_go(browser: Client, deals: redis.Redis) -> None:
    evil = {"next": "https://evil.example/", "_popup": "1", "return_url": "//evil.example"}
    run = preview(browser, **evil)

    for what in ("cancel", "repeat", "apply"):
        response = browser.post(f"{page_of(run, what)}?next=//evil.example", {"typed": "purge 3"} | evil)
        assert response.headers["Location"].startswith("/admin/dealpurge/purgerun/")
        assert "evil" not in response.headers["Location"]


@pytest.mark.django_db(transaction=True)
def test_a_site_with_atomic_requests_can_purge(
    browser: Client, deals: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import connection

    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    run = preview(browser)

    browser.post(page_of(run, "apply"), {"typed": "purge 3"})
    browser.post(page_of(run, "repeat"))
    browser.post(page_of(run, "cancel"))

    assert browser.get("/admin/dealpurge/purgerun/").status_code == 200
    assert PurgeRun.objects.get(preview=run).status == "completed"
