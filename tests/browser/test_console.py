"""The flow of the console, as somebody on call goes through it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import redis
from django.contrib.auth.models import User
from playwright.sync_api import expect

from dealpurge.models import PurgeRun
from project.deals.models import Deal, Organization

from .conftest import LIST, Person, Worker

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

Sit = Callable[..., Person]


def number_in(text: str, pattern: str) -> int:
    found = re.search(pattern, text)
    assert found, f"{pattern} is not in {text!r}"
    return int(found[1].replace(",", ""))


def test_a_purge_is_seen_before_it_is_done(person: Sit, deals: redis.Redis) -> None:
    somebody = person()

    preview = somebody.preview(org_id="acme", reason="offboarding")
    shown = somebody.text()

    assert deals.dbsize() == 3112
    assert "deals would be purged\n7" in shown
    assert "deal-3" not in shown
    somebody.page.get_by_role("link", name="Would be skipped").click()
    assert "deal-3" in somebody.text()
    somebody.press("Purge 7 deals")
    expect(somebody.page.locator("h1")).to_contain_text("Purge: all deals of acme")
    expect(somebody.page.locator("#dp-end")).to_contain_text("Done:")
    assert somebody.run().preview == preview
    assert deals.dbsize() == 3112 - 7 * 250
    assert "offboarding" in somebody.text()


def test_what_was_typed_wrong_is_corrected_where_it_stands(person: Sit, deals: redis.Redis) -> None:
    somebody = person()
    somebody.preview()
    keys = somebody.page.keyboard

    somebody.page.click("text=To the confirmation ↓")
    somebody.page.fill("#id_typed", "8")
    keys.press("Enter")

    expect(somebody.page.locator(".errorlist")).to_have_text('That is not "10". Nothing was deleted.')
    expect(somebody.page.locator("#id_typed")).to_be_focused()
    expect(somebody.page.locator("#id_typed")).to_be_in_viewport()
    assert deals.dbsize() == 3112
    keys.press("Control+a")
    keys.type("10")
    keys.press("Enter")
    expect(somebody.page.locator("h1")).to_contain_text("Purge: all deals")
    expect(somebody.page.locator("#dp-end")).to_contain_text("Done:")
    assert deals.dbsize() == 3112 - 2500


def test_the_guard_is_turned_on_from_the_preview(person: Sit, deals: redis.Redis) -> None:
    somebody = person()
    unguarded = somebody.preview(org_id="acme", guard="off")
    assert "High risk: live work would be lost\n1\ndeal active in the last hour would be purged too" in somebody.text()

    somebody.page.dblclick("button:has-text('Turn the guard on')")

    expect(somebody.page.locator(".dp-risk")).to_have_count(0)
    assert somebody.run() != unguarded
    assert PurgeRun.objects.count() == 2
    somebody.press("Purge 7 deals")
    expect(somebody.page.locator("h1")).to_contain_text("Purge: all deals of acme")
    expect(somebody.page.locator("#dp-end")).to_contain_text("Done:")
    assert deals.dbsize() == 3112 - 7 * 250


def test_keys_are_shown_in_place_and_what_was_typed_stays(person: Sit, deals: redis.Redis) -> None:
    somebody = person()
    somebody.go(f"{LIST}purge/?mode=all")
    somebody.press("Preview")
    somebody.page.fill("#id_typed", "purge")
    keys, link = somebody.page.locator(".dp-more:visible code"), somebody.page.get_by_role("link", name="Show 5 keys")

    link.first.click()

    expect(keys).to_have_count(5)
    hide = somebody.page.get_by_role("link", name="Hide keys")
    expect(hide).to_have_attribute("aria-expanded", "true")
    assert somebody.page.input_value("#id_typed") == "purge"
    assert "?sample" not in somebody.page.url
    hide.click()
    expect(keys).to_have_count(0)


def test_progress_is_seen_moving(person: Sit, deals: redis.Redis, worker: Worker) -> None:
    worker.hold_at = [600, 1500]
    somebody = person()
    somebody.go(f"{LIST}purge/?mode=all")
    somebody.press("Preview")
    text = somebody.page.locator("#dp-progress")

    expect(text).to_contain_text("of about 3,112 keys")
    first = number_in(text.inner_text(), r"([\d,]+) of about")
    worker.release()
    expect(text).to_contain_text(re.compile(r"1,[5-9]\d\d of about"))

    assert 600 <= first < 1500
    assert "Nothing is deleted: this is a dry run." in somebody.text()
    assert int(somebody.page.get_attribute("progress[aria-label=Scan]", "value") or 0) >= 100 * 1500 // 3112
    worker.release()
    expect(somebody.page.locator("h1")).to_contain_text("dry run · nothing deleted")


def test_cancel_in_the_middle_tells_the_truth(person: Sit, deals: redis.Redis, worker: Worker) -> None:
    somebody = person()
    somebody.go(f"{LIST}purge/?mode=all")
    somebody.page.uncheck("[name=guard]")
    somebody.press("Preview")
    somebody.page.fill("#id_typed", "Purge 12")
    worker.hold_at = [1500]
    somebody.press("Purge 12 deals")
    expect(somebody.page.locator("#dp-progress")).to_contain_text(re.compile("Deleting: [1-9].* keys"))

    somebody.press("Stop this purge")

    expect(somebody.page.locator("#dp-badge")).to_have_text("cancelled")
    gone = number_in(somebody.text(), r"keys deleted\n([\d,]+)")
    assert 0 < gone < 3000
    assert deals.dbsize() == 3112 - gone
    assert somebody.run().keys_deleted == gone


def test_a_double_click_starts_one_run(person: Sit, deals: redis.Redis) -> None:
    somebody = person()
    somebody.preview(deals="acme:deal-1")

    somebody.page.dblclick("button:has-text('Purge 1 deal')")

    expect(somebody.page.locator("h1")).to_contain_text("Purge: deal-1 of acme")
    assert PurgeRun.objects.filter(dry_run=False).count() == 1


def test_a_double_click_on_preview_makes_one_run(person: Sit, deals: redis.Redis, worker: Worker) -> None:
    somebody = person()
    somebody.go(f"{LIST}purge/?mode=all")

    somebody.page.dblclick("button:has-text('Preview')")

    expect(somebody.page.locator("h1")).to_contain_text("Preview: all deals")
    assert PurgeRun.objects.count() == 1


def test_two_browsers_at_once(person: Sit, deals: redis.Redis, worker: Worker) -> None:
    ann, bob = person("root"), person("purger")
    for one in (ann, bob):
        one.preview()
        one.page.wait_for_selector("#id_typed")
        one.page.fill("#id_typed", "10")
    worker.hold_at = [600]
    ann.press("Purge 10 deals")
    expect(ann.page.locator("h1")).to_contain_text("Purge: all deals")

    bob.press("Purge 10 deals")

    expect(bob.page.locator(".messagelist")).to_contain_text("Another purge of all deals is under way.")
    bob.page.click("text=Look at it.")
    assert bob.run() == ann.run()
    assert PurgeRun.objects.filter(dry_run=False).count() == 1


def test_a_preview_of_somebody_else_has_no_button(person: Sit, deals: redis.Redis) -> None:
    preview = person("root").preview()
    bob = person("purger")

    bob.go(f"{LIST}{preview.pk}/change/")

    assert "Only root, who made this preview, can apply it." in bob.text()
    assert bob.page.locator("button:has-text('Purge')").count() == 0


def test_the_back_button_shows_that_the_preview_was_applied(person: Sit, deals: redis.Redis) -> None:
    somebody = person()
    somebody.preview(deals="acme:deal-1")
    somebody.press("Purge 1 deal")
    expect(somebody.page.locator("h1")).to_contain_text("Purge: deal-1 of acme")

    somebody.page.go_back()

    expect(somebody.page.locator(".dp-apply h2")).to_have_text("This preview was applied")
    assert somebody.page.locator("button:has-text('Purge 1 deal')").count() == 0


def test_a_session_that_expired_in_between_costs_a_login_and_nothing_else(person: Sit, deals: redis.Redis) -> None:
    somebody = person()
    preview = somebody.preview(deals="acme:deal-1")
    cookies = [cookie for cookie in somebody.context.cookies() if cookie["name"] != "sessionid"]
    somebody.context.clear_cookies(name="sessionid")
    assert cookies

    somebody.press("Purge 1 deal")
    somebody.log_in("root")

    expect(somebody.page.locator("h1")).to_contain_text("Preview: deal-1 of acme")
    assert somebody.run() == preview
    assert not PurgeRun.objects.filter(dry_run=False).exists()
    somebody.press("Purge 1 deal")
    expect(somebody.page.locator("h1")).to_contain_text("Purge: deal-1 of acme")


def test_a_session_that_expires_while_a_run_is_watched_leads_to_the_login(
    person: Sit, deals: redis.Redis, worker: Worker
) -> None:
    worker.hold_at = [600]
    somebody = person()
    somebody.go(f"{LIST}purge/?mode=all")
    somebody.press("Preview")
    somebody.page.wait_for_selector("#dp-phases progress")

    somebody.context.clear_cookies(name="sessionid")

    expect(somebody.page.locator("#id_username")).to_be_visible()


def test_without_the_permission_there_is_no_button_and_403_at_the_address(
    person: Sit, staff: User, deals: redis.Redis
) -> None:
    somebody = person("staff")

    somebody.go("/admin/deals/deal/")
    assert "Purge" not in somebody.page.inner_text("body")
    response = somebody.page.goto(f"{somebody.base}{LIST}purge/")

    assert response
    assert response.status == 403


def test_from_the_list_of_deals_to_a_purge_of_those_selected(person: Sit, deals: redis.Redis) -> None:
    acme = Organization.objects.create(slug="acme", name="Acme")
    for number in range(3):
        Deal.objects.create(deal_id=f"deal-{number}", organization=acme, name="A deal")
    somebody = person()
    somebody.go("/admin/deals/deal/")
    somebody.page.check("tr:has-text('deal-1') input")
    somebody.page.check("tr:has-text('deal-2') input")
    somebody.page.select_option("select[name=action]", "purge_redis_state")
    somebody.page.click("button[name=index]")

    assert sorted(somebody.page.input_value("[name=deals]").split()) == ["acme:deal-1", "acme:deal-2"]
    somebody.press("Preview")
    somebody.press("Purge 2 deals")

    expect(somebody.page.locator("#dp-end")).to_contain_text("Done: 2 deals purged")
    assert deals.dbsize() == 3112 - 500
    somebody.go("/admin/deals/deal/")
    somebody.page.click("th a:has-text('deal-1')")
    somebody.page.click("text=History")
    assert "Redis state purged" in somebody.text()


def test_the_page_of_a_deal_leads_to_its_purge(person: Sit, deals: redis.Redis) -> None:
    acme = Organization.objects.create(slug="acme", name="Acme")
    deal = Deal.objects.create(deal_id="deal-1", organization=acme, name="A deal")
    somebody = person()

    somebody.go(f"/admin/deals/deal/{deal.pk}/change/")
    somebody.page.click("text=Purge Redis state…")
    somebody.press("Preview")

    expect(somebody.page.locator("h1")).to_contain_text("Preview: deal-1 of acme")


def test_without_javascript_everything_works_by_reloading(person: Sit, deals: redis.Redis, worker: Worker) -> None:
    worker.hold_at = [600]
    somebody = person(java_script_enabled=False)
    somebody.go(f"{LIST}purge/")
    somebody.page.check("input[name=mode][value=all]")
    somebody.press("Preview")
    assert "This page reloads by itself every three seconds." in somebody.text()
    worker.release()

    somebody.page.wait_for_selector("#id_typed")
    somebody.page.fill("#id_typed", "10")
    somebody.press("Purge 10 deals")

    expect(somebody.page.locator("h1")).to_contain_text("completed")
    assert deals.dbsize() == 3112 - 2500


def test_an_id_that_is_a_script_is_text(person: Sit, deals: redis.Redis) -> None:
    evil = "<script>document.title='evil'</script>"
    deals.set(f"canvas:lock:acme:{evil}", "1")
    somebody = person()

    somebody.preview(deals=f"acme:{evil}")

    assert somebody.page.title() != "evil"
    assert evil in somebody.page.inner_text("h1")
    somebody.page.click(".dp-fold:has(.dp-code) > summary")
    assert r"'--deal-id=<script>document.title='\''evil'\''</script>'" in somebody.text()


def test_a_command_is_copied_as_it_stands(person: Sit, deals: redis.Redis) -> None:
    somebody = person(permissions=["clipboard-read", "clipboard-write"])
    somebody.preview(deals="acme:a'b")

    somebody.page.click(".dp-fold:has(.dp-code) > summary")
    somebody.page.click(".dp-copy >> nth=0")

    copied = somebody.page.evaluate("navigator.clipboard.readText()")
    assert copied == somebody.page.inner_text(".dp-code code >> nth=0")
    assert "--deal-id=a" in copied


def test_deals_are_picked_from_what_is_in_redis(person: Sit, deals: redis.Redis, worker: Worker) -> None:
    worker.hold_at = [600]
    somebody = person()
    somebody.go(LIST)
    somebody.page.click(".object-tools >> text=Deals in Redis")
    somebody.press("Scan Redis")
    expect(somebody.page.locator("#dp-progress")).to_contain_text("Scanning: ")
    worker.release()

    expect(somebody.page.locator(".dp-scanned tbody tr")).to_have_count(12)
    somebody.page.select_option("#dp-org", "birch")
    somebody.press("Filter")
    expect(somebody.page.locator(".dp-scanned tbody tr")).to_have_count(4)
    somebody.page.check("[aria-label='Select birch deal-8']")
    somebody.page.check("[aria-label='Select birch deal-10']")
    somebody.press("Purge those selected…")
    somebody.press("Preview")
    somebody.press("Purge 2 deals")

    expect(somebody.page.locator("#dp-end")).to_contain_text("Done: 2 deals purged")
    assert deals.dbsize() == 3112 - 500


@pytest.mark.parametrize("script", [True, False])
def test_all_deals_that_match_are_purged_by_the_button_that_says_so(
    person: Sit, deals: redis.Redis, worker: Worker, script: bool
) -> None:
    somebody = person(java_script_enabled=script)
    somebody.go(f"{LIST}inventory/")
    somebody.press("Scan Redis")
    somebody.page.wait_for_selector(".dp-scanned")
    somebody.page.select_option("#dp-org", "birch")
    somebody.press("Filter")
    every, ticked = somebody.page.locator(".dp-of-all"), somebody.page.locator(".dp-of-ticked")
    expect(ticked).to_be_visible()
    expect(every).to_be_hidden()

    somebody.page.check(".dp-all")

    expect(every).to_have_text("Preview purge of 4 deals")
    expect(ticked).to_be_hidden()
    expect(somebody.page.locator(".dp-scanned :checked")).to_have_count(4 if script else 0)
    every.click()
    expect(somebody.page.locator("#content")).to_contain_text("4 deals: birch")
    somebody.press("Preview")
    somebody.press("Purge 3 deals")
    expect(somebody.page.locator("#dp-end")).to_contain_text("Done: 3 deals purged")
    assert {tuple(deal) for deal in somebody.run().deals} == {("birch", f"deal-{n}") for n in range(8, 12)}


def test_a_row_that_is_left_out_takes_back_that_all_are_meant(person: Sit, deals: redis.Redis, worker: Worker) -> None:
    somebody = person()
    somebody.go(f"{LIST}inventory/")
    somebody.press("Scan Redis")
    somebody.page.check(".dp-all")

    somebody.page.uncheck(".dp-scanned [name=deals] >> nth=2")

    expect(somebody.page.locator(".dp-all")).not_to_be_checked()
    expect(somebody.page.locator(".dp-scanned :checked")).to_have_count(11)
    expect(somebody.page.locator(".dp-of-ticked")).to_be_visible()
