"""The deals in Redis among the models of the host's admin sites, without a site of our own."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import include, path
from pytest_django.fixtures import Settings

from dealpurge.admin import InventoryDealAdmin, PurgeRunAdmin
from dealpurge.models import InventoryDeal, PurgeRun
from tests.console.conftest import LIST, ClientOf

HOME = "/admin/dealpurge/inventorydeal/"

both = admin.AdminSite(name="both")
both.register([PurgeRun], PurgeRunAdmin)
both.register([InventoryDeal], InventoryDealAdmin)
runs_only = admin.AdminSite(name="runs_only")
runs_only.register([PurgeRun], PurgeRunAdmin)
deals_only = admin.AdminSite(name="deals_only")
deals_only.register([InventoryDeal], InventoryDealAdmin)
urlpatterns = [
    path("both/", both.urls),
    path("runs/", runs_only.urls),
    path("deals/", deals_only.urls),
    path("", include("project.urls")),
]


@pytest.fixture
def sites(settings: Settings) -> None:
    settings.ROOT_URLCONF = __name__


def models_of(browser: Client, address: str) -> list[dict[str, Any]]:
    page = browser.get(address)
    apps = [app for app in page.context["app_list"] if app["app_label"] == "dealpurge"]
    return [model for app in apps for model in app["models"]]


@pytest.mark.parametrize("address", ["/admin/", "/admin/dealpurge/"])
def test_it_stands_above_the_runs_and_can_only_be_looked_at(browser: Client, address: str) -> None:
    first, second = models_of(browser, address)

    assert (str(first["name"]), first["admin_url"]) == ("Deals in Redis", HOME)
    assert (str(second["name"]), second["admin_url"]) == ("Purge runs", LIST)
    assert first["add_url"] is None
    assert first["perms"] == {"add": False, "change": False, "delete": False, "view": True}


def test_the_sidebar_shows_where_one_is(browser: Client) -> None:
    sidebar = browser.get(HOME).content.decode().partition('id="nav-sidebar"')[2].partition("</nav>")[0]

    assert f'<a href="{HOME}" aria-current="page">Deals in Redis</a>' in sidebar
    assert sidebar.count('aria-current="page"') == 1


@pytest.mark.parametrize("path", ["add/", "1/", "1/change/", "1/delete/", "1/history/"])
def test_there_is_nothing_below_it(browser: Client, path: str) -> None:
    assert browser.get(HOME + path).status_code == 404


def test_who_may_view_runs_has_it_and_nobody_else(client_of: ClientOf, staff: User) -> None:
    assert models_of(client_of(staff), "/admin/") == []
    assert client_of(staff).get(HOME).status_code == 403

    staff.user_permissions.add(Permission.objects.get(codename="view_purgerun"))
    staff = User.objects.get(pk=staff.pk)

    assert len(models_of(client_of(staff), "/admin/")) == 2
    assert client_of(staff).get(HOME).status_code == 200


def test_strangers_are_sent_to_the_login(client: Client, db: None) -> None:
    assert client.get(HOME).headers["Location"].startswith("/admin/login/")


def test_each_site_has_its_own(sites: None, browser: Client, inventory: PurgeRun) -> None:
    page = browser.get("/both/dealpurge/inventorydeal/").content.decode()

    assert '<a href="/both/dealpurge/inventorydeal/">Deal purge</a>' in page
    assert f'action="/both/dealpurge/purgerun/{inventory.pk}/inventory/purge/"' in page
    assert 'href="/both/dealpurge/purgerun/deal/?org=acme&amp;deal=busy"' in page
    assert "/admin/dealpurge/" not in page
    assert browser.get("/both/dealpurge/purgerun/inventory/").headers["Location"] == "/both/dealpurge/inventorydeal/"


def test_a_site_with_the_runs_alone_has_the_page_at_the_old_address(
    sites: None, browser: Client, inventory: PurgeRun
) -> None:
    page = browser.get("/runs/dealpurge/purgerun/inventory/")

    assert page.status_code == 200
    assert '<a href="/runs/dealpurge/purgerun/inventory/">Deal purge</a>' in page.content.decode()
    assert [str(model["name"]) for model in models_of(browser, "/runs/")] == ["Purge runs"]


def test_a_site_without_the_runs_shows_nothing(sites: None, superuser: User, client_of: ClientOf) -> None:
    browser = client_of(superuser)

    assert models_of(browser, "/deals/") == []
    assert browser.get("/deals/dealpurge/inventorydeal/").status_code == 404
