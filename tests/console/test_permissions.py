"""Every address of the console, for everybody, with every method."""

from __future__ import annotations

import uuid

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.test import Client

from dealpurge.models import PurgeRun

from .conftest import FORM, LIST, ClientOf, MakePreview, page_of

READING = ["", "export/", "{run}/change/", "{run}/progress/", "{run}/inventory/", "inventory/"]
READING += ["{run}/inventory/export/"]
PURGING = ["purge/", "inventory/scan/", "{run}/inventory/purge/", "{run}/apply/", "{run}/cancel/", "{run}/repeat/"]
METHODS = ["get", "post"]


@pytest.fixture
def run(make_preview: MakePreview, superuser: User) -> PurgeRun:
    return make_preview(superuser)


def answer(client: Client, method: str, path: str, run: PurgeRun) -> int:
    status: int = getattr(client, method)(LIST + path.format(run=run.pk)).status_code
    return status


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", READING + PURGING)
def test_strangers_are_sent_to_the_login(client: Client, run: PurgeRun, path: str, method: str) -> None:
    response = getattr(client, method)(LIST + path.format(run=run.pk))

    assert response.status_code == 302
    assert response.headers["Location"].startswith("/admin/login/?next=/admin/dealpurge/")
    assert PurgeRun.objects.count() == 1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", READING + PURGING)
def test_staff_without_the_permission_gets_403(
    client_of: ClientOf, staff: User, run: PurgeRun, path: str, method: str
) -> None:
    assert answer(client_of(staff), method, path, run) == 403
    assert PurgeRun.objects.count() == 1


@pytest.mark.parametrize("path", READING + PURGING)
@pytest.mark.parametrize("who", ["purger", "superuser"])
def test_who_may_purge_may_see_everything(
    client_of: ClientOf, request: pytest.FixtureRequest, run: PurgeRun, who: str, path: str
) -> None:
    client = client_of(request.getfixturevalue(who))

    assert answer(client, "get", path, run) in (200, 302)


@pytest.mark.parametrize("method", METHODS)
def test_who_may_only_view_runs_cannot_act(client_of: ClientOf, staff: User, run: PurgeRun, method: str) -> None:
    staff.user_permissions.add(Permission.objects.get(codename="view_purgerun"))
    client = client_of(staff)

    assert [answer(client, method, path, run) for path in PURGING] == [403] * len(PURGING)
    assert {answer(client, "get", path, run) for path in READING} <= {200, 302}
    assert b"<form" not in client.get(page_of(run)).content.split(b'id="content"')[1]
    assert b"Purge deals" not in client.get(LIST).content


@pytest.mark.parametrize("path", ["apply/", "cancel/", "repeat/"])
def test_a_get_changes_nothing_and_leads_to_the_run(
    client_of: ClientOf, superuser: User, run: PurgeRun, path: str
) -> None:
    response = client_of(superuser).get(f"{LIST}{run.pk}/{path}")

    assert response.headers["Location"] == page_of(run)
    assert PurgeRun.objects.count() == 1


@pytest.mark.parametrize("path", PURGING)
def test_a_post_without_the_token_is_refused(superuser: User, run: PurgeRun, path: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(superuser)

    assert answer(client, "post", path, run) == 403
    assert PurgeRun.objects.count() == 1


@pytest.mark.parametrize(
    "what",
    ["change", "progress", "inventory", "inventory/export", "inventory/purge", "apply", "cancel", "repeat"],
)
def test_an_unknown_run_is_404(client_of: ClientOf, superuser: User, what: str) -> None:
    assert client_of(superuser).post(page_of(uuid.uuid4(), what)).status_code == 404


def test_a_run_that_is_no_uuid_is_404(client_of: ClientOf, superuser: User) -> None:
    assert client_of(superuser).get(page_of("12")).status_code == 404


@pytest.mark.parametrize("path", ["add/", "{run}/delete/"])
def test_nothing_can_be_added_or_deleted(client_of: ClientOf, superuser: User, run: PurgeRun, path: str) -> None:
    client = client_of(superuser)

    assert {answer(client, method, path, run) for method in METHODS} == {403}


def test_a_permission_that_was_taken_away_ends_a_preview(
    client_of: ClientOf, purger: User, make_preview: MakePreview
) -> None:
    preview = make_preview(purger)
    client = client_of(purger)
    purger.user_permissions.remove(Permission.objects.get(codename="purge_deals"))

    assert client.post(page_of(preview, "apply"), {"typed": "purge 7"}).status_code == 403
    assert client.get(FORM).status_code == 403
    assert not PurgeRun.objects.filter(dry_run=False).exists()


def test_an_inactive_user_is_nobody(client: Client, purger: User, run: PurgeRun) -> None:
    client.force_login(purger)
    User.objects.filter(pk=purger.pk).update(is_active=False)

    assert answer(client, "get", "purge/", run) == 302


def test_anonymous_is_who_the_matrix_means(anonymous: AnonymousUser, client_of: ClientOf, run: PurgeRun) -> None:
    assert answer(client_of(anonymous), "get", "", run) == 302
