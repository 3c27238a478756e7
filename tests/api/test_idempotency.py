"""A request that is asked again with its ``Idempotency-Key``: what it is answered, and that nothing is purged twice."""

from __future__ import annotations

from collections.abc import Callable
from http.client import HTTPConnection
from threading import Event
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest
import redis
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from dealpurge import services
from dealpurge.engine import purging
from dealpurge.models import PurgeRun
from dealpurge.runs import store
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from tests.conftest import PointCacheAt
from tests.security.test_races import at_once
from tests.support.scripted import ScriptedServer
from tests.support.seeding import key_of, seed_deal
from tests.support.servers import wait_until

from .conftest import JSON, PATH, Answer, Bearer, Post

pytestmark = pytest.mark.django_db(transaction=True)

HEADER = "Idempotency-Key"
SECRET = "4f6c1f7e-key-that-is-a-s3cr3t"
ONE = {"mode": "by_deal", "deal_id": "deal-1", "dry_run": False}
ALL = {"mode": "all", "dry_run": False}
ASYNC = {"Prefer": "respond-async"}
LONG = 20.0


class Ask(Protocol):
    def __call__(self, body: object = ..., key: str = ..., **headers: str) -> Answer: ...


@pytest.fixture
def ask(post: Post) -> Ask:
    """Ask for a live purge of one deal, with a key."""

    def send(body: object = ONE, key: str = SECRET, **headers: str) -> Answer:
        return post(body, **{HEADER: key}, **headers)

    return send


@pytest.fixture
def queue(settings: Settings) -> list[str]:
    """The ids of runs that wait for a worker."""
    waiting: list[str] = []
    settings.DEALPURGE_ENQUEUE = waiting.append
    return waiting


def told(answer: Answer) -> Any:
    """An answer without its bytes, in which PostgreSQL puts names in another order."""
    return answer.status_code, answer.json(), {name: value for name, value in answer.headers.items() if name != "Vary"}


def only_run() -> PurgeRun:
    return PurgeRun.objects.get()


def assert_refused(answer: Answer, code: str, value: str) -> None:
    assert answer.status_code == 422
    (item,) = answer.json()["detail"]
    assert (item["type"], item["loc"], item["input"]) == (code, ["header", HEADER], value)


# The same again


def test_what_was_purged_is_told_again_and_not_done_again(ask: Ask, fake_redis: redis.Redis) -> None:
    seed_deal(fake_redis, "acme", "deal-1")
    first = ask()
    assert (first.status_code, first.json()["keys"]["deleted"] > 0, fake_redis.dbsize()) == (200, True, 0)
    seed_deal(fake_redis, "acme", "deal-1")
    there = fake_redis.dbsize()

    second = ask()

    assert told(second) == told(first)
    assert second.headers["X-Purge-Run-ID"] == str(only_run().pk)
    assert fake_redis.dbsize() == there > 0


@pytest.mark.skipif(connection.vendor == "postgresql", reason="its JSON keeps no order of names")
def test_to_the_byte(ask: Ask, fake_redis: redis.Redis) -> None:
    assert ask().content == ask().content


@pytest.mark.parametrize(
    "same",
    [
        {"dry_run": "off", "deal_id": "deal-1", "mode": "by_deal"},
        {**ONE, "dry_run": 0, "org_id": None, "include_checkpoints": "no", "exclude_active_within_secs": None},
    ],
)
def test_a_body_that_means_the_same_is_the_same(ask: Ask, purged: list[PurgeScope], same: object) -> None:
    assert ask().json() == ask(same).json()
    assert len(purged) == 1


@pytest.mark.parametrize("seconds", [["5", 5.0], [10**10, 10**11]])
def test_so_are_seconds(ask: Ask, purged: list[PurgeScope], seconds: list[object]) -> None:
    answers = [ask(ALL | {"exclude_active_within_secs": each}) for each in seconds]

    assert {answer.status_code for answer in answers} == {200}
    assert len(purged) == 1


@pytest.mark.parametrize(
    "other",
    [
        ALL,
        {"deal_id": "deal-2"},
        {"org_id": "acme"},
        {"include_checkpoints": True},
        {"exclude_active_within_secs": 0},
    ],
    ids=str,
)
@pytest.mark.parametrize("headers", [{}, ASYNC], ids=["now", "in the background"])
def test_another_body_is_refused(
    ask: Ask, purged: list[PurgeScope], other: dict[str, Any], headers: dict[str, str]
) -> None:
    ask()

    answer = ask(other if other is ALL else ONE | other, **headers)

    assert_refused(answer, "value_error", SECRET)
    assert answer.json()["detail"][0]["msg"] == "Value error, this key was used with another body"
    assert len(purged) == 1


def test_a_worker_gets_it_once(ask: Ask, queue: list[str], purged: list[PurgeScope]) -> None:
    first = ask(**ASYNC)

    assert first.status_code == 202
    assert told(ask(**ASYNC)) == told(first)
    assert queue == [str(only_run().pk)]

    services.run(queue[0])
    later = ask(**ASYNC)
    assert (later.status_code, later.json()["status"], len(purged)) == (202, "completed", 1)
    assert later.headers["Location"] == first.headers["Location"]
    assert later.headers["Preference-Applied"] == "respond-async"
    assert len(queue) == 1


def test_who_would_wait_for_it_is_told_that_it_is_under_way(
    ask: Ask, queue: list[str], purged: list[PurgeScope]
) -> None:
    ask(**ASYNC)

    for _ in range(2):
        answer = ask()
        run = only_run()
        detail = f"The run of this Idempotency-Key is under way (run {run.pk})."
        assert (answer.status_code, answer.json()) == (409, {"detail": detail, "run_id": str(run.pk)})
        assert (answer.headers["Retry-After"], answer.headers["X-Purge-Run-ID"]) == ("10", str(run.pk))
        store.claim(run.pk) if run.status == "queued" else None

    assert (run.status, purged) == ("running", [])


def test_who_waits_gets_the_report_of_what_a_worker_did(ask: Ask, queue: list[str], purged: list[PurgeScope]) -> None:
    ask(**ASYNC)
    report = services.run(queue[0])

    answer = ask()

    assert (answer.status_code, answer.json()) == (200, report.as_dict())


def test_who_does_not_wait_gets_the_run_that_was_waited_for(
    ask: Ask, queue: list[str], purged: list[PurgeScope]
) -> None:
    report = ask().json()

    answer = ask(**ASYNC)

    assert (answer.status_code, answer.json()["report"], queue) == (202, report, [])
    assert answer.headers["Location"].endswith(report["run_id"])


# At once


def test_a_client_that_hung_up_gets_its_report_in_the_end(
    live_server: LiveServer, cache_at: PointCacheAt, superuser: User, bearer: Bearer
) -> None:
    keys = [key_of("image_crops", "acme", "deal-1", number) for number in range(200)]
    working, go_on = Event(), Event()

    def wait(words: list[bytes]) -> None:
        if words[0] == b"UNLINK":
            working.set()
            assert go_on.wait(LONG)

    headers = bearer(superuser) | {"Content-Type": JSON, HEADER: SECRET}

    def begin() -> HTTPConnection:
        client = HTTPConnection(urlsplit(live_server.url).netloc, timeout=LONG)
        client.request("POST", PATH, b'{"mode": "all", "dry_run": false}', headers)
        return client

    def ask() -> Any:
        client = begin()
        with client.getresponse() as answer:
            body = answer.read()
        client.close()
        return answer, body

    with ScriptedServer(keys, wait) as server:
        cache_at(server.url)
        try:
            first = begin()
            assert working.wait(LONG)
            first.close()
            meanwhile, _ = ask()
        finally:
            go_on.set()
        wait_until(lambda: only_run().is_over, what="the run's end")
        server.keys.update(dict.fromkeys(key.encode() for key in keys[:50]))
        asked = server.asked["UNLINK"]
        last, body = ask()

        assert (meanwhile.status, last.status) == (409, 200)
        run = only_run()
        assert meanwhile.headers["X-Purge-Run-ID"] == last.headers["X-Purge-Run-ID"] == str(run.pk)
        assert str(run.pk).encode() in body
        assert (run.keys_deleted, len(server.keys), server.asked["UNLINK"]) == (200, 50, asked)


@pytest.mark.parametrize("number", [2, 8])
@pytest.mark.parametrize("body", [ONE, ALL], ids=["by_deal", "all"])
def test_of_many_at_once_one_purges(
    superuser: User, bearer: Bearer, monkeypatch: pytest.MonkeyPatch, number: int, body: dict[str, Any]
) -> None:
    others, answered, purged = Event(), list[int](), list[PurgeScope]()
    headers = bearer(superuser) | {HEADER: SECRET}

    def until_the_others_are_answered(scope: PurgeScope, *rest: Any) -> None:
        purged.append(scope)
        assert others.wait(LONG)

    def ask() -> Any:
        answer = Client().post(PATH, body, content_type=JSON, headers=headers)
        answered.append(answer.status_code)
        if len(answered) >= number - 1:
            others.set()
        return answer

    monkeypatch.setattr(purging, "purge", until_the_others_are_answered)
    answers = at_once(*[ask] * number)

    assert sorted(answer.status_code for answer in answers) == [200] + [409] * (number - 1)
    assert {answer.headers["X-Purge-Run-ID"] for answer in answers} == {str(only_run().pk)}
    assert len(purged) == 1


def test_another_users_key_is_another_key(ask: Ask, purger: User, bearer: Bearer, purged: list[PurgeScope]) -> None:
    headers = bearer(purger) | {HEADER: SECRET}

    ids = {ask().json()["run_id"], Client().post(PATH, ONE, content_type=JSON, headers=headers).json()["run_id"]}

    assert len(ids) == len(purged) == 2
    assert {run.actor for run in PurgeRun.objects.all()} == {purger, User.objects.get(username="root")}


def test_another_token_of_the_same_user_is_not(
    ask: Ask, superuser: User, bearer: Bearer, purged: list[PurgeScope]
) -> None:
    headers = bearer(superuser) | {HEADER: SECRET}

    assert ask().json() == Client().post(PATH, ONE, content_type=JSON, headers=headers).json()
    assert len(purged) == 1


# Beside other refusals


def test_who_may_purge_no_more_is_told_nothing(purger: User, bearer: Bearer, purged: list[PurgeScope]) -> None:
    headers = bearer(purger) | {HEADER: SECRET}
    assert Client().post(PATH, ONE, content_type=JSON, headers=headers).status_code == 200
    purger.user_permissions.clear()

    answer = Client().post(PATH, ONE, content_type=JSON, headers=headers)

    assert (answer.status_code, "run_id" in answer.json()) == (403, False)


def test_a_request_that_comes_again_is_no_further_one(
    ask: Ask, post: Post, settings: Settings, purged: list[PurgeScope]
) -> None:
    settings.DEALPURGE_RATE_LIMIT = settings.DEALPURGE_RATE_LIMIT_LIVE_ALL = "2/day"

    assert [ask(ALL).status_code for _ in range(4)] == [200] * 4
    assert [post(ALL).status_code, ask(ALL).status_code] == [200, 200]
    assert [ask(ALL, "another").status_code, post(ALL).status_code] == [429, 429]
    assert ask(ALL).status_code == 200
    assert len(purged) == 2


def test_nor_one_too_many_under_way(ask: Ask, settings: Settings, queue: list[str], purged: list[PurgeScope]) -> None:
    settings.DEALPURGE_MAX_LIVE_RUNS = 1

    codes = [ask(**ASYNC).status_code, ask(**ASYNC).status_code, ask().status_code, ask(ONE, "another").status_code]

    assert codes == [202, 202, 409, 429]


def test_a_purge_of_all_deals_by_somebody_else_is_in_the_way(ask: Ask, purged: list[PurgeScope]) -> None:
    other = store.create(PurgeScope(mode="all", dry_run=False), Origin(source="command"))

    answer = ask(ALL)
    assert (answer.status_code, answer.json()["run_id"]) == (409, str(other.pk))
    assert answer.json()["detail"].startswith("Another purge of all deals is in progress")

    PurgeRun.objects.update(status="completed", exclusive=None)
    assert [ask(ALL).status_code, ask(ALL).status_code] == [200, 200]
    assert len(purged) == 1


def test_a_site_with_atomic_requests(
    ask: Ask, queue: list[str], purged: list[PurgeScope], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)

    assert [ask(**ASYNC).status_code, ask().status_code] == [202, 409]
    services.run(queue[0])
    assert [ask().status_code, ask(ALL).status_code] == [200, 422]


# Keys


@pytest.mark.parametrize("key", ["k", "k" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"', "!+-~/.;:=[]{}"])
def test_a_key(ask: Ask, purged: list[PurgeScope], key: str) -> None:
    assert [ask(key=key).status_code, ask(key=key).status_code, ask(key="another").status_code] == [200] * 3
    assert len(purged) == 2


def test_spaces_around_it_are_not_of_it(ask: Ask, purged: list[PurgeScope]) -> None:
    """Some servers cut them off, and some leave those behind it."""
    assert [ask(key=key).status_code for key in ("k", "k ", " k", "k\t \t")] == [200] * 4
    assert len(purged) == 1


BAD = [
    ("", "string_too_short"),
    ("k" * 256, "string_too_long"),
    ("k" * 5000, "string_too_long"),
    *((key, "string_pattern_mismatch") for key in ("a b", "a\tb", "a,b", ",", "b\xe9n", "\x7f", "a\x00", "k\xa0")),
]


@pytest.mark.parametrize(("key", "code"), BAD)
@pytest.mark.parametrize("headers", [{}, ASYNC], ids=["now", "in the background"])
def test_no_key(ask: Ask, purged: list[PurgeScope], key: str, code: str, headers: dict[str, str]) -> None:
    answer = ask(key=key, **headers)

    assert_refused(answer, code, key[:1000])
    limits = {"string_too_short": {"min_length": 1}, "string_too_long": {"max_length": 255}}
    assert answer.json()["detail"][0].get("ctx") == limits.get(code)
    assert (purged, PurgeRun.objects.count()) == ([], 0)


def test_the_body_comes_first(ask: Ask, purged: list[PurgeScope]) -> None:
    answer = ask({"mode": "all", "dry_run": False, "dryRun": True}, key="")

    assert [item["loc"] for item in answer.json()["detail"]] == [["body", "dryRun"]]


@pytest.mark.parametrize("key", [SECRET, "", "a,b"])
@pytest.mark.parametrize("headers", [{}, ASYNC], ids=["now", "in the background"])
def test_a_dry_run_takes_no_notice(ask: Ask, purged: list[PurgeScope], key: str, headers: dict[str, str]) -> None:
    answers = [ask({"mode": "all"}, key, **headers), ask({"mode": "all", "org_id": "acme"}, key, **headers)]

    assert {answer.status_code for answer in answers} <= {200, 202}
    assert len(purged) == PurgeRun.objects.filter(idempotency_key=None).count() == 2


def test_without_one_nothing_changes(post: Post, purged: list[PurgeScope]) -> None:
    assert post(ONE).json()["run_id"] != post(ONE).json()["run_id"]
    assert set(PurgeRun.objects.values_list("idempotency_key", flat=True)) == {None}


def test_a_new_one_costs_no_query(ask: Ask, post: Post, purged: list[PurgeScope]) -> None:
    post(ONE)
    with CaptureQueriesContext(connection) as without:
        post(ONE)
    with CaptureQueriesContext(connection) as with_key:
        ask()

    assert len(with_key) == len(without) > 0


# A secret


def test_it_is_stored_told_and_logged_nowhere(
    ask: Ask,
    purged: list[PurgeScope],
    superuser: User,
    client_of: Callable[[User], Client],
    bearer: Bearer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    ask(), ask(), ask(ALL), ask(**ASYNC)
    run = only_run()
    digest = str(run.idempotency_key)
    browser, place = client_of(superuser), "/admin/dealpurge/purgerun/"

    said = [repr(vars(record)) for record in caplog.records]
    for address in (place, f"{place}export/", f"{place}{run.pk}/change/", f"{place}?q={run.pk}"):
        page: Any = browser.get(address)
        assert page.status_code == 200
        said.append((b"".join(page.streaming_content) if page.streaming else page.content).decode())
    own = Client().get(f"/api/superadmin/purge_runs/{run.pk}", headers=bearer(superuser))
    said += [own.content.decode(), ask().content.decode(), ask(**ASYNC).content.decode()]
    row = [str(value) for value in PurgeRun.objects.values_list().get()]

    assert str(run.pk) in said[-1]
    assert [text for text in (*said, *row) if SECRET in text] == []
    assert [text for text in said if digest in text or "idempotency_key" in text] == []


def test_an_error_that_nobody_expected_does_not_quote_it(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(purging, "purge", broken)

    assert ask().status_code == 500
    assert "a bug" in caplog.text
    assert SECRET not in caplog.text
