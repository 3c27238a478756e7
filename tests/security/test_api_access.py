"""Who gets through the endpoint: every kind of credentials, every kind of user, every address."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from django.utils import timezone
from knox.models import AuthToken
from pytest_django.fixtures import Settings
from rest_framework.authentication import SessionAuthentication

from dealpurge import services
from dealpurge.checks import check_settings
from dealpurge.models import PurgeRun
from dealpurge.scope import PurgeScope

from .conftest import API, LIVE, PURGE, Bearer, Call

pytestmark = pytest.mark.django_db

#: Method and address of everything that the endpoint does.
OPERATIONS = [
    ("POST", PURGE),
    ("GET", f"{API}purge_runs/%s"),
    ("POST", f"{API}purge_runs/%s/cancel"),
    ("POST", f"{API}purge_runs/%s/restore"),
]


@pytest.fixture
def service_calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of the service."""
    calls: list[str] = []
    for name in ("start", "queue", "cancel", "start_restore", "queue_restore"):
        monkeypatch.setattr(services, name, lambda *args, name=name, **options: calls.append(name))
    return calls


def statuses(run: PurgeRun, headers: dict[str, str], client: Client | None = None, **extra: Any) -> list[int]:
    """What each operation answers, in their order."""
    client = client or Client(raise_request_exception=False)
    answers = [
        client.generic(
            method, path % run.pk if "%s" in path else path, BODY, "application/json", headers=headers, **extra
        )
        for method, path in OPERATIONS
    ]
    for answer in answers:
        if answer.status_code == 401:
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Cache-Control"] == "no-store"
    return [answer.status_code for answer in answers]


BODY = b'{"mode": "by_deal", "deal_id": "deal-1", "dry_run": false}'

# Headers


HEADERS: dict[str, str] = {
    "empty": "",
    "spaces": "   ",
    "no token": "Bearer",
    "no token but a space": "Bearer ",
    "no scheme": "%s",
    "no space": "Bearer%s",
    "a tab": "Bearer\t%s",
    "two tokens": "Bearer %s %s",
    "two headers in one": "Bearer %s, Bearer %s",
    "two headers in one, closely": "Bearer %s,Bearer %s",
    "another first": "Basic cm9vdDpyb290, Bearer %s",
    "something behind": "Bearer %s;",
    "a leading space": " Bearer %s",
    "a newline behind": "Bearer %s\n",
    "a newline within": "Bearer\n %s",
    "NUL behind": "Bearer %s\0",
    "quotes": 'Bearer "%s"',
    "a parameter": "Bearer token=%s",
    "Token": "Token %s",
    "JWT": "JWT %s",
    "Digest": 'Digest username="root", response="%s"',
    "Basic": "Basic cm9vdDpyb290",
    "another word for it": "Bearer: %s",
    "a longer word": "BearerToken %s",
    "letters that look alike": "\u0412\u0435arer %s",
    "a non-ASCII token": "Bearer tokén",
    "bytes of no encoding": "Bearer \udcff\udcfe",
    "a full-width letter": "\uff22earer %s",
    "a glob": "Bearer *",
    "SQL": "Bearer '%20OR%201=1--",
    "very long": "Bearer " + "a" * 100_000,
    "hundreds of spaces and no token": "Bearer" + " " * 100_000,
    "unknown": "Bearer " + "a" * 64,
    "the key without the rest": "Bearer {key}",
    "the digest in the database": "Bearer {digest}",
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_that_is_not_one_bearer_token_is_401(
    name: str, waiting: PurgeRun, superuser: User, service_calls: list[str]
) -> None:
    row, token = AuthToken.objects.create(user=superuser)
    value = HEADERS[name].replace("%s", token).format(key=row.token_key, digest=row.digest)

    assert statuses(waiting, {"Authorization": value}) == [401] * 4
    assert service_calls == []


def test_no_header_is_401(waiting: PurgeRun, service_calls: list[str]) -> None:
    assert statuses(waiting, {}) == [401] * 4
    assert service_calls == []


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR", "Bearer    "])
def test_the_scheme_may_be_written_in_any_case(
    scheme: str, waiting: PurgeRun, superuser: User, engine_calls: list[PurgeScope]
) -> None:
    _, token = AuthToken.objects.create(user=superuser)

    assert statuses(waiting, {"Authorization": f"{scheme} {token}"}) == [200, 200, 200, 422]


# Tokens


def revoke(token: AuthToken) -> None:
    token.delete()


def revoke_in_the_admin(token: AuthToken) -> None:
    """As an operator does it, through the pages of the admin."""
    browser = Client()
    browser.force_login(User.objects.create_superuser("operator", password="operator"))
    page = f"/admin/knox/authtoken/{token.pk}/delete/"
    assert browser.get(page).status_code == 200
    assert browser.post(page, {"post": "yes"}).status_code == 302
    assert not AuthToken.objects.filter(pk=token.pk).exists()


def let_expire(token: AuthToken) -> None:
    AuthToken.objects.filter(pk=token.pk).update(expiry=timezone.now() - timedelta(seconds=1))


def deactivate_its_user(token: AuthToken) -> None:
    User.objects.filter(pk=token.user_id).update(is_active=False)


def delete_its_user(token: AuthToken) -> None:
    User.objects.filter(pk=token.user_id).delete()


ENDINGS = [revoke, revoke_in_the_admin, let_expire, deactivate_its_user, delete_its_user]


@pytest.mark.parametrize("end", ENDINGS, ids=[end.__name__ for end in ENDINGS])
def test_a_token_that_worked_ends_at_once(
    end: Callable[[AuthToken], None], waiting: PurgeRun, superuser: User, service_calls: list[str]
) -> None:
    row, token = AuthToken.objects.create(user=superuser)
    header = {"Authorization": f"Bearer {token}"}
    assert Client().get(f"{API}purge_runs/{waiting.pk}", headers=header).status_code == 200

    end(row)

    assert statuses(waiting, header) == [401] * 4
    assert service_calls == []


# Users


def nobody_special(user: User) -> None:
    pass


def staff(user: User) -> None:
    user.is_staff = True
    user.user_permissions.set(Permission.objects.filter(content_type__app_label__in=("deals", "auth", "knox")))


def viewer(user: User) -> None:
    user.user_permissions.add(permission("view_purgerun"))


def purger(user: User) -> None:
    user.user_permissions.add(permission("purge_deals"))


def restorer(user: User) -> None:
    user.user_permissions.add(permission("restore_deals"))


def purger_by_group(user: User) -> None:
    group = Group.objects.create(name="on call")
    group.permissions.add(permission("purge_deals"))
    user.groups.add(group)


def superuser(user: User) -> None:
    user.is_superuser = True


def permission(codename: str) -> Permission:
    return Permission.objects.get(content_type__app_label="dealpurge", codename=codename)


#: What purge, show, cancel and restore answer to whom, the last one to the body of a purge. Runs belong to nobody: who
#: may purge may stop any purge.
USERS: list[tuple[Callable[[User], None], list[int]]] = [
    (nobody_special, [403, 403, 403, 403]),
    (staff, [403, 403, 403, 403]),
    (viewer, [403, 200, 403, 403]),
    (purger, [200, 200, 200, 403]),
    (purger_by_group, [200, 200, 200, 403]),
    (restorer, [403, 200, 403, 422]),
    (superuser, [200, 200, 200, 422]),
]


@pytest.mark.parametrize(("make", "expected"), USERS, ids=[make.__name__ for make, _ in USERS])
def test_the_permission_decides(
    make: Callable[[User], None],
    expected: list[int],
    bearer: Bearer,
    waiting: PurgeRun,
    engine_calls: list[PurgeScope],
) -> None:
    user = User.objects.create_user("somebody")
    make(user)
    user.save()

    assert statuses(waiting, bearer(user)) == expected

    assert len(engine_calls) == (expected[0] == 200)
    waiting.refresh_from_db()
    assert (waiting.status == "cancelled") == (expected[2] == 200)


def test_403_says_nothing_of_a_run(bearer: Bearer) -> None:
    """Whether a run exists is for who may see it."""
    headers = bearer(User.objects.create_user("somebody"))
    unknown = f"{API}purge_runs/00000000-0000-4000-8000-000000000000"

    assert Client().get(unknown, headers=headers).status_code == 403
    assert Client().get(unknown).status_code == 401


def test_the_permission_is_read_anew_for_each_request(
    bearer: Bearer, purge: Call, engine_calls: list[PurgeScope]
) -> None:
    user = User.objects.create_user("somebody")
    headers, client = bearer(user), Client()
    answers = []
    for change in (user.user_permissions.add, user.user_permissions.remove) * 2:
        change(permission("purge_deals"))
        answers.append(purge(headers, client=client).status_code)

    assert answers == [200, 403, 200, 403]
    assert len(engine_calls) == 2


# What is no credential


@pytest.fixture
def session(superuser: User) -> Client:
    """The browser of a superuser who is logged in, its CSRF token at hand."""
    browser = Client(enforce_csrf_checks=True, raise_request_exception=False)
    browser.force_login(superuser)
    browser.get("/admin/dealpurge/purgerun/purge/")
    return browser


def test_a_superusers_session_is_no_credential(session: Client, waiting: PurgeRun, service_calls: list[str]) -> None:
    assert statuses(waiting, {}, session) == [401] * 4
    token = session.cookies["csrftoken"].value
    assert statuses(waiting, {"X-CSRFToken": token, "Referer": "http://testserver/"}, session) == [401] * 4
    assert service_calls == []


def test_a_form_of_another_site_gets_nothing(session: Client, service_calls: list[str]) -> None:
    """Such a form sends cookies, and may spell JSON in text/plain."""
    headers = {"Origin": "https://evil.example"}

    for content_type in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer: Any = session.generic("POST", PURGE, BODY, content_type, headers=headers)
        assert answer.status_code == 401
        assert not [name for name in answer.headers if name.startswith("Access-Control")]
    assert service_calls == []


ELSEWHERE: dict[str, dict[str, Any]] = {
    "query string": {"path": f"{PURGE}?token=%s&access_token=%s&authorization=Bearer%%20%s&api_key=%s"},
    "body": {"body": {**LIVE, "token": "%s", "access_token": "%s", "Authorization": "Bearer %s"}},
    "cookie": {"headers": {"Cookie": "Authorization=Bearer %s; token=%s; access_token=%s"}},
    "X-Api-Key": {"headers": {"X-Api-Key": "%s", "X-Auth-Token": "%s", "Token": "%s"}},
    "Proxy-Authorization": {"headers": {"Proxy-Authorization": "Bearer %s"}},
    "X-Authorization": {"headers": {"X-Authorization": "Bearer %s", "X-Forwarded-Authorization": "Bearer %s"}},
    "forwarded names": {
        "headers": dict.fromkeys(
            (
                *("X-Forwarded-User", "X-Remote-User", "Remote-User", "X-User", "X-Forwarded-Email"),
                *("X-Auth-Request-User", "X-Authenticated-User", "X-WEBAUTH-USER"),
            ),
            "root",
        )
    },
    "REMOTE_USER": {"REMOTE_USER": "root"},
    "loopback": {"REMOTE_ADDR": "127.0.0.1", "headers": {"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1"}},
    "another address in a header": {
        "path": f"{API}nowhere",
        "headers": {"X-Original-URL": PURGE, "X-Rewrite-URL": PURGE},
    },
}


def with_token(value: Any, token: str) -> Any:
    if isinstance(value, dict):
        return {name: with_token(item, token) for name, item in value.items()}
    return value.replace("%s", token) if isinstance(value, str) else value


@pytest.mark.parametrize("place", ELSEWHERE)
def test_a_good_token_in_another_place_is_no_credential(
    place: str, purge: Call, superuser: User, service_calls: list[str]
) -> None:
    token = AuthToken.objects.create(user=superuser)[1]

    answer = purge(**with_token(ELSEWHERE[place], token))

    assert answer.status_code == (404 if place == "another address in a header" else 401)
    assert token not in answer.content.decode()
    assert service_calls == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"])
def test_another_method_is_405_whatever_a_header_says(
    method: str, superuser: User, bearer: Bearer, service_calls: list[str]
) -> None:
    overrides = {
        "X-HTTP-Method-Override": "POST",
        "X-HTTP-Method": "POST",
        "X-Method-Override": "POST",
    }
    client = Client(raise_request_exception=False)

    answer: Any = client.generic(
        method, f"{PURGE}?_method=POST", BODY, "application/json", headers=bearer(superuser) | overrides
    )

    assert answer.status_code == 405
    assert service_calls == []


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_run_is_not_cancelled_by_another_method(
    method: str, superuser: User, bearer: Bearer, waiting: PurgeRun
) -> None:
    """Neither is one that is shown changed by what a header says."""
    client = Client()
    headers = bearer(superuser) | {"X-HTTP-Method-Override": method}

    shown = client.get(f"{API}purge_runs/{waiting.pk}?_method={method}", headers=headers)
    cancelled = client.get(f"{API}purge_runs/{waiting.pk}/cancel", headers=headers)

    assert (shown.status_code, cancelled.status_code) == (200, 405)
    waiting.refresh_from_db()
    assert waiting.status == "queued"


# Before the body


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"mode": "all", "dryRun": true}', b"x" * 2_000_000])
def test_whatever_the_body_a_stranger_reads_the_same(purge: Call, body: bytes) -> None:
    answer = purge({}, body)

    assert answer.status_code == 401
    assert answer.json() == {"detail": "Authentication credentials were not provided."}


def test_who_may_not_purge_learns_nothing_of_the_body(bearer: Bearer, purge: Call) -> None:
    headers = bearer(User.objects.create_user("somebody"))

    assert {purge(headers, body).status_code for body in (b"{", b"\xff", b"x" * 2_000_000)} == {403}


# The classes


class BySession(SessionAuthentication):
    """A host's class that says Bearer and means cookies."""

    def authenticate_header(self, request: Any) -> str:
        return "Bearer"


def test_a_session_class_named_on_purpose_is_not_asked(
    settings: Settings, session: Client, bearer: Bearer, waiting: PurgeRun, superuser: User, service_calls: list[str]
) -> None:
    settings.DEALPURGE_AUTHENTICATION_CLASSES = [
        "rest_framework.authentication.SessionAuthentication",
        "rest_framework.authentication.BasicAuthentication",
        "rest_framework.authentication.RemoteUserAuthentication",
        "knox.auth.TokenAuthentication",
    ]

    assert statuses(waiting, {}, session, REMOTE_USER="root") == [401] * 4
    assert statuses(waiting, {"Authorization": "Basic cm9vdDpyb290"}, session) == [401] * 4
    assert service_calls == []
    assert Client().get(f"{API}purge_runs/{waiting.pk}", headers=bearer(superuser)).status_code == 200


def test_a_session_behind_a_bearer_header_still_wants_its_csrf_token(
    settings: Settings, session: Client, waiting: PurgeRun
) -> None:
    settings.DEALPURGE_AUTHENTICATION_CLASSES = [BySession]
    header = {"Authorization": "Bearer x"}

    assert statuses(waiting, {}, session) == [401] * 4
    assert statuses(waiting, header, session)[0] == 403
    assert statuses(waiting, header | {"Origin": "https://evil.example"}, session)[0] == 403


def test_the_hosts_own_classes_are_asked_only_if_they_speak_bearer(
    settings: Settings,
    session: Client,
    waiting: PurgeRun,
    bearer: Bearer,
    superuser: User,
    engine_calls: list[PurgeScope],
) -> None:
    settings.REST_FRAMEWORK = {
        "DEFAULT_AUTHENTICATION_CLASSES": [
            "rest_framework.authentication.SessionAuthentication",
            "rest_framework.authentication.BasicAuthentication",
            "knox.auth.TokenAuthentication",
        ]
    }

    assert statuses(waiting, {}, session) == [401] * 4
    assert statuses(waiting, {"Authorization": "Basic cm9vdDpyb290"}) == [401] * 4
    assert statuses(waiting, bearer(superuser)) == [200, 200, 200, 422]


@pytest.mark.parametrize("classes", [[], ["rest_framework.authentication.SessionAuthentication"]])
def test_without_a_bearer_class_nobody_gets_in_and_the_check_says_so(
    settings: Settings, classes: list[str], session: Client, waiting: PurgeRun, bearer: Bearer, superuser: User
) -> None:
    settings.DEALPURGE_AUTHENTICATION_CLASSES = classes

    assert statuses(waiting, bearer(superuser), session) == [401] * 4
    assert "dealpurge.E016" in {message.id for message in check_settings()}
