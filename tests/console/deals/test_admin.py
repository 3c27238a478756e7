"""The host's deals with the mixin: buttons for who may purge, in any admin site, beside other packages' templates."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.test import Client, RequestFactory
from django.urls import include, path
from pytest_django.fixtures import Settings

from dealpurge.admin import DealPurgeAdminMixin, PurgeRunAdmin
from dealpurge.console.deals import admin as deals_admin
from dealpurge.models import PurgeRun
from project.deals.models import Deal, Organization
from tests.console.conftest import ClientOf

DEALS = "/admin/deals/deal/"

console = admin.AdminSite(name="console")


class DealAdmin(DealPurgeAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]
    purge_org_field = "organization__slug"


console.register(PurgeRun, PurgeRunAdmin)
console.register(Deal, DealAdmin)
urlpatterns = [path("console/", console.urls), path("", include("project.urls"))]


@pytest.fixture
def deals(db: None) -> list[Deal]:
    acme, birch = (Organization.objects.create(slug=slug, name=slug.title()) for slug in ("acme", "birch"))
    names = [(acme, "deal-1"), (acme, "deal-2"), (birch, "deal-1")]
    return [Deal.objects.create(deal_id=deal_id, organization=org, name="A deal") for org, deal_id in names]


def select(client: Client, deals: list[Deal], **extra: str) -> Any:
    data = {"action": "purge_redis_state", "_selected_action": [str(deal.pk) for deal in deals]}
    return client.post(DEALS, data | extra)


def test_the_action_leads_into_the_console_with_each_rows_own_organisation(
    client_of: ClientOf, purger: User, deals: list[Deal]
) -> None:
    response = select(client_of(purger), deals)

    where = urlsplit(response.headers["Location"])
    query = parse_qs(where.query)
    assert where.path == "/admin/dealpurge/purgerun/purge/"
    assert query["mode"] == ["by_deal"]
    assert sorted(query["deals"][0].split("\n")) == ["acme:deal-1", "acme:deal-2", "birch:deal-1"]
    assert not PurgeRun.objects.exists()


def test_a_large_selection_arrives_too(client_of: ClientOf, purger: User, deals: list[Deal]) -> None:
    many = [Deal(deal_id=f"deal-of-a-longer-name-{n}", organization_id=deals[0].organization_id) for n in range(200)]
    Deal.objects.bulk_create(many)

    page = select(client_of(purger), deals[:1], select_across="1")

    assert page.status_code == 200
    assert page.context["form"].initial["deals"].count("\n") == 202
    assert b'action="/admin/dealpurge/purgerun/purge/"' in page.content


def test_more_deals_than_a_page_should_carry_are_refused(client_of: ClientOf, purger: User, deals: list[Deal]) -> None:
    with patch.object(deals_admin, "MAX_DEALS", 2):
        response = select(client_of(purger), deals)

    assert response.headers["Location"] == DEALS


def test_rows_without_an_id_do_not_make_room_for_others(client_of: ClientOf, purger: User, deals: list[Deal]) -> None:
    Deal.objects.filter(pk=deals[0].pk).update(deal_id="")

    with patch.object(deals_admin, "MAX_DEALS", 2):
        response = select(client_of(purger), deals)

    assert response.headers["Location"] == DEALS


@pytest.mark.parametrize("text", [" deal-2", "deal-2 ", "x\ndeal-2", "birch:deal-1", "a b", "{x}", "", ":"])
def test_an_id_that_no_key_has_is_left_out_and_never_read_as_another(
    client_of: ClientOf, purger: User, deals: list[Deal], text: str
) -> None:
    Deal.objects.filter(pk=deals[0].pk).update(deal_id=text)
    client = client_of(purger)

    one = client.post(DEALS, {"action": "purge_redis_state", "_selected_action": [str(deals[0].pk)]}, follow=True)
    two = select(client, [deals[0], deals[2]])

    assert one.redirect_chain == [(DEALS, 302)]
    assert b"1 selected deal has no id, or no organisation" in one.content
    assert parse_qs(urlsplit(two.headers["Location"]).query)["deals"] == ["birch:deal-1"]
    assert b"Purge Redis state" not in client.get(f"{DEALS}{deals[0].pk}/change/").content


def test_a_row_without_organisation_does_not_stand_for_every_organisation(deals: list[Deal]) -> None:
    loose = type("Loose", (DealAdmin,), {"purge_org_field": "name"})(Deal, console)
    Deal.objects.filter(pk=deals[0].pk).update(name="")
    Deal.objects.filter(pk=deals[1].pk).update(name="acme")

    assert list(loose.purge_deals_of(Deal.objects.order_by("pk")[:2])) == [("acme", "deal-2")]


@pytest.mark.parametrize("strange", ["abc", "7.5", str(10**30), "é", "-1"])
@pytest.mark.parametrize("field", ["id", "organization", "organization__id"])
def test_ids_that_a_field_of_the_host_cannot_hold_find_nothing_and_harm_nothing(
    deals: list[Deal], field: str, strange: str
) -> None:
    numbered = type("Numbered", (DealAdmin,), {"purge_deal_field": field, "purge_org_field": None})(Deal, console)
    birch = deals[2]
    known = str(birch.pk if field == "id" else birch.organization_id)

    assert numbered.purge_find([(None, strange), (None, known)]) == {(None, known): birch}


def test_a_relation_means_its_key_on_the_page_as_in_the_list(deals: list[Deal]) -> None:
    related = type("Related", (DealAdmin,), {"purge_org_field": "organization"})(Deal, console)

    in_the_list = list(related.purge_deals_of(Deal.objects.filter(pk=deals[0].pk)))

    assert in_the_list == [related._purge_pair(deals[0])] == [(str(deals[0].organization_id), "deal-1")]


def test_staff_without_the_permission_has_no_action_and_no_buttons(
    client_of: ClientOf, staff: User, deals: list[Deal]
) -> None:
    client = client_of(staff)

    for address in (DEALS, f"{DEALS}{deals[0].pk}/change/"):
        page = client.get(address).content
        assert b"purge" not in page.lower()
    response = select(client, deals)
    assert "/purge/" not in response.headers.get("Location", "")


def test_the_list_and_the_page_have_buttons(client_of: ClientOf, purger: User, deals: list[Deal]) -> None:
    client = client_of(purger)

    assert b'href="/admin/dealpurge/purgerun/purge/?mode=all">Purge all deals' in client.get(DEALS).content
    page = client.get(f"{DEALS}{deals[0].pk}/change/").content
    assert b'href="/admin/dealpurge/purgerun/purge/?mode=by_deal&amp;deals=acme%3Adeal-1">Purge Redis state' in page
    assert b"historylink" in page


def test_the_page_that_adds_a_deal_has_no_button(client_of: ClientOf, purger: User) -> None:
    assert b"Purge Redis" not in client_of(purger).get(f"{DEALS}add/").content


def test_everything_stays_in_a_sites_own_admin(
    client_of: ClientOf, superuser: User, deals: list[Deal], settings: Settings
) -> None:
    settings.ROOT_URLCONF = __name__
    client = client_of(superuser)

    pages = [
        client.get("/console/deals/deal/"),
        client.get(f"/console/deals/deal/{deals[0].pk}/change/"),
        client.get("/console/dealpurge/purgerun/"),
        client.get("/console/dealpurge/purgerun/purge/"),
        client.post("/console/dealpurge/purgerun/purge/", {"mode": "all"}, follow=True),
    ]

    assert {page.status_code for page in pages} == {200}
    assert pages[-1].redirect_chain[0][0].startswith("/console/dealpurge/purgerun/")
    for page in pages:
        assert b"/console/" in page.content
        assert b"/admin/d" not in page.content.replace(b"/static/admin/", b"")


@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [
        ("purge_deal_field", "deal_id", False),
        ("purge_deal_field", "slug", True),
        ("purge_deal_field", None, True),
        ("purge_org_field", None, False),
        ("purge_org_field", "organization_id", False),
        ("purge_org_field", "organization__slug", False),
        ("purge_org_field", "organization__code", True),
        ("purge_org_field", "name__slug", True),
    ],
)
def test_fields_that_lead_nowhere_are_errors(name: str, value: str | None, wrong: bool) -> None:
    wrongly = type("Wrong", (DealAdmin,), {name: value})

    assert [error.id for error in wrongly(Deal, console).check()] == ["dealpurge.E020"] * wrong


def test_a_host_that_wants_no_actions_gets_none() -> None:
    quiet = type("Quiet", (DealAdmin,), {"actions": None})

    assert quiet(Deal, console).actions is None


def test_actions_of_the_host_stay(client_of: ClientOf, purger: User, deals: list[Deal]) -> None:
    own = type("Own", (DealAdmin,), {"actions": ["archive"], "archive": lambda *args: None})

    assert list(own(Deal, console).actions) == ["archive", "purge_redis_state"]


def request_of(user: User) -> HttpRequest:
    request = RequestFactory().get("/")
    request.user = user
    return request


class OwnTemplates(DealAdmin):
    change_list_template = "admin/own_list.html"
    change_form_template = "admin/own_form.html"


def with_tool(parent: str, label: str) -> str:
    block = f"{{% block object-tools-items %}}<li>{label}</li>{{% endblock %}}"
    return f'{{% extends "admin/{parent}" %}}{block}'


OWN = {
    "admin/own_list.html": with_tool("change_list.html", "own list"),
    "admin/own_form.html": with_tool("change_form.html", "own form"),
}


@pytest.fixture
def own_templates(settings: Settings) -> None:
    loaders = [("django.template.loaders.locmem.Loader", OWN), "django.template.loaders.app_directories.Loader"]
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "APP_DIRS": False}]
    settings.TEMPLATES[0]["OPTIONS"] = {**settings.TEMPLATES[0]["OPTIONS"], "loaders": loaders}


def test_the_templates_of_the_host_or_of_another_package_are_extended(
    own_templates: None, superuser: User, deals: list[Deal]
) -> None:
    own = OwnTemplates(Deal, admin.site)

    shown: Any = own.changelist_view(request_of(superuser))
    shown = shown.render().content
    form: Any = own.changeform_view(request_of(superuser), str(deals[0].pk))
    form = form.render().content

    assert b"<li>own list</li>" in shown
    assert b"Purge all deals" in shown
    assert b"<li>own form</li>" in form
    assert b"Purge Redis state" in form


def test_a_package_that_comes_before_the_mixin_is_extended_too(
    own_templates: None, superuser: User, deals: list[Deal]
) -> None:
    class Exporting:
        """As django-import-export does it."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.change_list_template = "admin/own_list.html"

    both = type("Both", (Exporting, DealAdmin), {})(Deal, admin.site)

    shown = both.changelist_view(request_of(superuser)).render().content

    assert b"<li>own list</li>" in shown
    assert b"Purge all deals" in shown
