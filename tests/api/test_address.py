"""The endpoint's address in hosts of all kinds."""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import Mock

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from dealpurge.api import address as api_address
from dealpurge.models import PurgeRun
from dealpurge.runs import store
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope

CURL = "curl -sS -X POST http://testserver"


@pytest.mark.parametrize(
    ("urlconf", "address"),
    [
        ("project.urls", "/api/superadmin/purge_deals"),
        ("tests.support.urlconfs.plain", "/purges/purge_deals"),
        ("tests.support.urlconfs.nested", "/api/superadmin/purge_deals"),
        ("tests.support.urlconfs.tenants", None),
        ("tests.support.urlconfs.decorated", None),
        ("tests.support.urlconfs.without", None),
    ],
)
def test_its_address_is_the_hosts(settings: Settings, urlconf: str, address: str | None) -> None:
    settings.ROOT_URLCONF = urlconf

    assert api_address.address() == address


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("urlconf", "curl"),
    [("tests.support.urlconfs.nested", f"{CURL}/api/superadmin/purge_deals"), ("tests.support.urlconfs.without", None)],
)
def test_the_page_of_a_run_offers_no_call_that_nobody_answers(
    settings: Settings, superuser: User, client_of: Callable[[User], Client], urlconf: str, curl: str | None
) -> None:
    settings.ROOT_URLCONF = urlconf
    run = store.create(PurgeScope(mode="all"), Origin(source="api"))

    page = client_of(superuser).get(f"/admin/dealpurge/purgerun/{run.pk}/change/").content.decode()

    assert "python manage.py purge_deals --mode all" in page
    assert curl in page if curl else "curl" not in page


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("urlconf", "prefix"),
    [
        ("nested", "/api/superadmin"), ("tenants", "/acme/api"), ("options", "/api"), ("unnamed", "/acme/api"),
        ("numbered", "/7/api"), ("twice", "/old/api"), ("twice", "/new/api"),
        ("anything", "/%2Fother.test/%C3%BC%3F/api"),
    ],
)  # fmt: skip
def test_a_queued_run_has_an_address_below_any_prefix(
    settings: Settings, superuser: User, bearer: Callable[[User], dict[str, str]], urlconf: str, prefix: str
) -> None:
    settings.ROOT_URLCONF, settings.DEALPURGE_ENQUEUE = f"tests.support.urlconfs.{urlconf}", Mock()
    headers = bearer(superuser)

    queued = Client().post(
        f"{prefix}/purge_deals", {"mode": "all"}, "application/json", headers=headers | {"Prefer": "respond-async"}
    )
    location = queued.headers["Location"]

    assert (queued.status_code, location) == (202, f"{prefix}/purge_runs/{PurgeRun.objects.get().pk}")
    assert Client().get(location, headers=headers).json()["status"] == "queued"
    assert Client().post(f"{location}/cancel", headers=headers).json()["status"] == "cancelled"


@pytest.mark.django_db(transaction=True)
def test_a_queued_run_has_an_address_below_the_servers_own_prefix(
    settings: Settings, superuser: User, bearer: Callable[[User], dict[str, str]]
) -> None:
    settings.DEALPURGE_ENQUEUE = Mock()
    headers = bearer(superuser) | {"Prefer": "respond-async"}

    queued = Client(SCRIPT_NAME="/site").post(
        "/api/superadmin/purge_deals", {"mode": "all"}, "application/json", headers=headers
    )

    assert queued.headers["Location"] == f"/site/api/superadmin/purge_runs/{PurgeRun.objects.get().pk}"
