from __future__ import annotations

from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import translation
from pytest_django.fixtures import Settings

from dealpurge import services
from dealpurge.console.forms.purge import MAX_DEALS, PurgeForm, read_deals, write_deals
from dealpurge.exceptions import TooManyRequests
from dealpurge.models import PurgeRun

from .conftest import FORM, ClientOf, MakePreview


def form(**data: Any) -> PurgeForm:
    return PurgeForm({"mode": "all"} | data)


def scope_of(**data: Any) -> Any:
    filled = form(**data)
    assert filled.is_valid(), filled.errors
    return filled.cleaned_data["scope"]


def test_the_form_makes_dry_runs_only() -> None:
    assert scope_of(dry_run="false", live="on").dry_run is True


def test_named_deals_carry_their_own_organisation_or_none() -> None:
    scope = scope_of(mode="by_deal", deals="deal-1\nbirch:deal-1\n\n deal-2 ")

    assert scope.deals == ((None, "deal-1"), ("birch", "deal-1"), (None, "deal-2"))


def test_all_deals_of_one_organisation_are_a_choice_of_their_own() -> None:
    scope = scope_of(mode="organisation", org_id=" acme ")

    assert (scope.mode, scope.deals, scope.org_id) == ("all", (), "acme")
    assert scope_of(mode="all", org_id=" ").org_id is None


@pytest.mark.parametrize(
    ("data", "field", "words"),
    [
        ({"mode": "all", "org_id": "acme"}, "org_id", "An organisation is named."),
        ({"mode": "by_deal", "deals": "deal-1", "org_id": "acme"}, "org_id", "An organisation is named."),
        ({"mode": "organisation"}, "org_id", "Name the organisation."),
        ({"mode": "organisation", "org_id": "acme", "deals": "deal-1"}, "deals", "A purge of all deals names none."),
    ],
)
def test_what_belongs_to_another_choice_is_never_just_left_out(data: dict[str, str], field: str, words: str) -> None:
    errors = form(**data).errors

    assert list(errors) == [field]
    assert words in str(errors[field])


def test_a_deal_without_an_organisation_is_meant_in_any() -> None:
    assert scope_of(mode="by_deal", deals="deal-1").deals == ((None, "deal-1"),)


def test_white_space_that_an_id_may_have_is_kept() -> None:
    assert scope_of(mode="by_deal", deals="a\u2003b\u2028c\u00a0").deals == ((None, "a\u2003b\u2028c\u00a0"),)


@pytest.mark.parametrize(
    ("amount", "unit", "seconds"),
    [
        ("90", "1", 90),
        ("2", "3600", 7200),
        ("5", "", 5),
        ("9" * 10, "86400", 10**10),
    ],
)
def test_the_time_is_an_amount_and_a_unit(amount: str, unit: str, seconds: int | None) -> None:
    scope = scope_of(guard="on", exclude_active_0=amount, exclude_active_1=unit)

    assert scope.exclude_active_within_secs == seconds


def test_a_guard_that_is_off_has_no_time() -> None:
    asked = {"guard_asked": "1", "exclude_active_0": "1", "exclude_active_1": "3600"}
    assert scope_of(**asked).exclude_active_within_secs is None


def test_a_page_of_before_there_was_a_box_keeps_its_guard() -> None:
    """Open while the app was upgraded, it sends a time alone, which was the guard then."""
    assert scope_of(exclude_active_0="1", exclude_active_1="3600").exclude_active_within_secs == 3600
    assert scope_of(exclude_active_0="", exclude_active_1="3600").exclude_active_within_secs is None


@pytest.mark.parametrize("amount", ["", "0"])
def test_a_guard_without_a_time_is_a_mistake(amount: str) -> None:
    errors = form(guard_asked="1", guard="on", exclude_active_0=amount, exclude_active_1="3600").errors

    assert errors == {"exclude_active": ["Give a time, or do not skip active deals."]}


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"mode": "everything"}, "mode"),
        ({"mode": "by_deal"}, "deals"),
        ({"mode": "by_deal", "deals": "a:b:c"}, "deals"),
        ({"mode": "by_deal", "deals": "a b"}, "deals"),
        ({"mode": "by_deal", "deals": "$(touch x)"}, "deals"),
        ({"mode": "by_deal", "deals": "x" * 256}, "deals"),
        ({"mode": "by_deal", "deals": "{x}"}, "deals"),
        ({"mode": "by_deal", "deals": "acme:"}, "deals"),
        ({"mode": "by_deal", "deals": "x\n" * (MAX_DEALS + 1)}, "deals"),
        ({"mode": "all", "deals": "deal-1"}, "deals"),
        ({"mode": "organisation", "org_id": "a:b"}, "org_id"),
        ({"guard": "on", "exclude_active_0": "-1"}, "exclude_active"),
        ({"guard": "on", "exclude_active_0": "1.5"}, "exclude_active"),
        ({"guard": "on", "exclude_active_0": "1", "exclude_active_1": "7"}, "exclude_active"),
        ({"reason": "x" * 1001}, "reason"),
    ],
)
def test_what_is_refused_is_said_at_its_field(data: dict[str, str], field: str) -> None:
    assert list(form(**data).errors) == [field]


@pytest.mark.parametrize(
    ("data", "words", "german"),
    [
        ({"mode": "by_deal"}, "Name at least one deal.", "Mindestens einen Deal nennen."),
        ({"deals": "deal-1"}, "A purge of all deals names none.", "Für alle Deals werden keine einzelnen genannt."),
        ({"mode": "by_deal", "deals": "acme:"}, "An id has at least 1 character.", "Eine ID hat mindestens 1 Zeichen."),
        (
            {"mode": "organisation", "org_id": "x" * 256},
            "An id has at most 255 bytes.",
            "Eine ID hat höchstens 255 Bytes.",
        ),
        (
            {"mode": "organisation", "org_id": "a{b"},
            "An id has no control characters, spaces, ':', '{' or '}'.",
            "Eine ID enthält keine Steuerzeichen, Leerzeichen, „:“, „{“ oder „}“.",
        ),
    ],
)
def test_what_is_refused_is_said_in_the_words_of_the_form(data: dict[str, str], words: str, german: str) -> None:
    for language, expected in (("en", words), ("de", german)):
        with translation.override(language):
            assert [list(messages) for messages in form(**data).errors.values()] == [[expected]]


def test_without_an_events_family_nobody_can_be_judged(settings: Settings) -> None:
    settings.DEALPURGE_KEY_FAMILIES = {"events": []}

    assert "events family" in str(
        form(guard="on", exclude_active_0="1", exclude_active_1="60").errors["exclude_active"]
    )


@pytest.mark.parametrize(
    ("families", "words"), [(7, "must be a dictionary"), ({"x": "head:only"}, "must have {deal_id} once")]
)
def test_settings_that_no_purge_can_use_are_told_in_the_form(
    client_of: ClientOf, purger: User, settings: Settings, families: object, words: str
) -> None:
    settings.DEALPURGE_KEY_FAMILIES = families

    page = client_of(purger).post(FORM, {"mode": "all"})

    assert page.status_code == 200
    assert words in page.content.decode()
    assert not PurgeRun.objects.exists()


def test_deals_survive_being_written_and_read() -> None:
    deals = [("acme", "deal-1"), (None, "deal-2"), ("*", "<script>")]

    assert list(read_deals(write_deals(deals), None)) == deals


def test_the_form_proposes_to_leave_deals_of_the_last_hour(client_of: ClientOf, purger: User) -> None:
    page = client_of(purger).get(FORM).content.decode()

    assert 'name="exclude_active_0" value="1"' in page
    assert '<option value="3600" selected>' in page


def test_a_link_fills_in_the_form_and_nothing_else(client_of: ClientOf, purger: User) -> None:
    page = client_of(purger).get(FORM, {"mode": "by_deal", "deals": "acme:<b>\nd", "org_id": "x", "dry_run": "0"})

    initial = page.context["form"].initial
    assert initial == {"mode": "by_deal", "deals": "acme:<b>\nx:d", "org_id": ""}
    assert "acme:&lt;b&gt;" in page.content.decode()
    assert not PurgeRun.objects.exists()


def test_a_selection_too_long_for_a_link_is_posted(client_of: ClientOf, purger: User) -> None:
    page = client_of(purger).post(FORM, {"prefill": "1", "mode": "by_deal", "deals": ["a:1", "b:2"]})

    assert page.context["form"].initial["deals"] == "a:1\nb:2"
    assert not PurgeRun.objects.exists()


def test_an_earlier_run_can_be_changed_first(client_of: ClientOf, purger: User, make_preview: MakePreview) -> None:
    run = make_preview(purger, mode="by_deal", deals=[["acme", "d1"], [None, "d2"]], exclude_active_within_secs=5400)

    page = client_of(purger).get(FORM, {"again": str(run.pk)}).content.decode()

    assert "acme:d1\nd2" in page
    assert 'name="exclude_active_0" value="90"' in page


def test_too_many_requests_are_told(client_of: ClientOf, purger: User) -> None:
    with patch.object(services, "queue", side_effect=TooManyRequests(17)):
        response = client_of(purger).post(FORM, {"mode": "all"}, follow=True)

    assert "Try again in 17 seconds." in response.content.decode()


def test_a_refused_form_keeps_what_was_filled_in(client_of: ClientOf, purger: User) -> None:
    page = Client.post(client_of(purger), FORM, {"mode": "by_deal", "deals": "a b", "reason": "kept"})

    assert page.status_code == 200
    assert 'value="kept"' in page.content.decode()
    assert "has no control characters" in page.content.decode()


def test_a_link_to_all_deals_of_an_organisation_chooses_them(client_of: ClientOf, purger: User) -> None:
    page = client_of(purger).get(FORM, {"mode": "all", "org_id": "acme"})

    assert page.context["form"].initial == {"mode": "organisation", "org_id": "acme"}


FILLED = {
    "guard_asked": "1",
    "kept_key": "0123456789abcdef",
    "mode": "by_deal",
    "deals": "acme:d1\nd2",
    "exclude_active_0": "90",
    "exclude_active_1": "60",
    "include_checkpoints": "on",
    "reason": "OPS-1 & more",
}


def test_who_has_to_log_in_finds_the_form_as_it_was(client: Client, purger: User) -> None:
    answer = client.post(FORM, FILLED)
    assert answer.status_code == 302
    address = parse_qs(urlsplit(answer.headers["Location"]).query)["next"][0]
    assert answer.headers["Location"].startswith("/admin/login/?next=")

    client.force_login(purger)
    form = client.get(address).context["form"]

    assert form.initial == {
        "mode": "by_deal",
        "deals": "acme:d1\nd2",
        "reason": "OPS-1 & more",
        "guard": False,
        "leave_never_active": False,
        "include_checkpoints": True,
        "exclude_active": 5400,
    }
    assert not PurgeRun.objects.exists()


def test_deals_too_many_for_an_address_are_left_to_the_page(client: Client) -> None:
    answer = client.post(FORM, FILLED | {"deals": "acme:deal\n" * 9000})

    address = parse_qs(urlsplit(answer.headers["Location"]).query)["next"][0]
    assert len(answer.headers["Location"]) < 2000
    assert "deals" not in parse_qs(urlsplit(address).query)
    assert "kept=1&kept_key=0123456789abcdef" in address
    assert "include_checkpoints=on" in address


def test_nobody_is_sent_elsewhere_by_what_a_form_held(client: Client) -> None:
    answer = client.post(FORM + "?next=//evil.example", {"mode": "//evil.example", "next": "//evil.example"})

    assert parse_qs(urlsplit(answer.headers["Location"]).query)["next"] == [f"{FORM}?mode=%2F%2Fevil.example"]


@pytest.mark.parametrize("deals", ["acme:d1", "acme:deal\n" * 9000], ids=["few", "many"])
def test_a_selection_keeps_its_guard_through_a_login(client: Client, purger: User, deals: str) -> None:
    """It fills in the form, and never had a box that could have been left empty."""
    answer = client.post(FORM, {"prefill": "1", "mode": "by_deal", "deals": deals, "kept_key": "<b>"})
    client.force_login(purger)

    form = client.get(parse_qs(urlsplit(answer.headers["Location"]).query)["next"][0]).context["form"]

    assert "guard" not in form.initial
    assert form["guard"].value() is True
    assert form.initial.get("deals", "") in (deals, "")


def test_a_reason_is_asked_for_where_none_goes_without(
    client_of: ClientOf, purger: User, settings: Settings, make_preview: MakePreview
) -> None:
    settings.DEALPURGE_REASON_REQUIRED = True
    browser = client_of(purger)
    assert form().errors == {"reason": ["Give a reason or a ticket: here no purge goes without."]}
    assert form(reason=" ").errors
    assert scope_of(reason="OPS-1")
    run = make_preview(purger, org_id="acme", exclude_active_within_secs=7200)

    page = browser.post(f"/admin/dealpurge/purgerun/{run.pk}/repeat/", follow=True)

    assert "Give a reason or a ticket" in page.content.decode()
    assert page.context["form"].initial == {
        "mode": "organisation",
        "org_id": "acme",
        "guard": True,
        "leave_never_active": False,
        "include_checkpoints": False,
        "exclude_active": 7200,
    }
    assert PurgeRun.objects.count() == 1


def test_the_last_scan_tells_how_many_deals_there_are_and_of_whom(
    client_of: ClientOf, purger: User, make_preview: MakePreview
) -> None:
    assert "at the last scan" not in client_of(purger).get(FORM).content.decode()
    scan = make_preview(purger, inventory=True, deals_purged=24381)
    for number in range(3):
        for org, keys in (("acme", 1), ("globex", 2), (None, 3)):
            scan.inventory_deals.create(org_id=org, deal_id=f"d{number}", keys=keys, families={})

    page = client_of(purger).get(FORM)

    assert "(24,381 at the last scan)" in page.content.decode()
    assert page.context["organisations"] == ["globex", "acme"]
    assert '<option value="acme">' in page.content.decode()


@pytest.mark.parametrize("page", ["{run}/repeat/", "inventory/scan/"])
def test_a_setting_that_cannot_be_read_is_told_behind_every_button(
    client_of: ClientOf, purger: User, settings: Settings, make_preview: MakePreview, page: str
) -> None:
    settings.DEALPURGE_REASON_REQUIRED = "no"
    run = make_preview(purger)

    answer = client_of(purger).post(f"/admin/dealpurge/purgerun/{page.format(run=run.pk)}", follow=True)

    assert "DEALPURGE_REASON_REQUIRED is neither True nor False." in answer.content.decode()
    assert PurgeRun.objects.count() == 1
