"""Text from anywhere, shown somewhere: it moves no cursor, ends no line, turns no direction and runs nowhere."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
from html.parser import HTMLParser
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from pytest_django.fixtures import Settings

from dealpurge import services
from dealpurge.models import PurgeRun
from dealpurge.runs.deals.export import cell
from dealpurge.servers.errors import failure
from tests.support.seeding import key_of, touch

from .conftest import Bearer, Call

pytestmark = pytest.mark.django_db

PLACE = "/admin/dealpurge/purgerun/"

#: Legal ids: no white space of ASCII, no control character below 0x20, none of ``: { }``.
IDS = [
    "<script>alert(1)</script>",
    "'\"><img/src=x/onerror=alert(1)>",
    "\u202egnp.exe",
    "\u2066x\u2069",
    "line\u2028line\u2029line",
    "\x9b31mred",
    "\x85next",
    "\u200bzero\ufeff",
    "=cmd|'/C-calc'!A0",
    "@SUM(A1)",
    "+1+1",
    "-1+1",
    "$jndi",
    "%0d%0aSet-Cookie",
    "\\x1b[31m",
    "$(reboot)`reboot`",
]
#: Any bytes, with the id of a deal as a segment.
KEYS = [
    b"other:deal-1:\x1b[2J\x1b[31mred",
    b"other:deal-1:\r\n2026-01-01 INFO dealpurge FAKE",
    b"other:deal-1:<script>alert(1)</script>",
    b"other:deal-1:\xff\xfe",
    "other:deal-1:\u202egnp".encode(),
    b"other:deal-1:\x00",
]
ALL = ["--mode=all", "--exclude-active-within-secs=60"]
ONE = ["--mode=by_deal", "--deal-id=deal-1"]
WORDS = "<script>alert(1)</script>\x1b[31m\u202e\x9b1m=1"
TAGS = re.compile(r"<script>alert|<img/src", re.IGNORECASE)


def hidden(text: str, *allowed: str) -> set[str]:
    """Characters that a reader would not see, or that do something."""
    return {character for character in text if not character.isprintable()} - {*allowed}


class Page(HTMLParser):
    """What a page shows: its text without what stands in fields, whose raw value is what is sent again."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if not self.tags or self.tags[-1][0] not in ("textarea", "option"):
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.texts)

    @property
    def shown(self) -> str:
        """Texts, and attributes that are read out or shown."""
        names = ("title", "aria-label", "alt", "placeholder", "href")
        return self.text + " ".join(str(values[name]) for _, values in self.tags for name in names if name in values)


def assert_harmless(html: str) -> Page:
    page = Page(html)
    assert hidden(page.shown, "\n", "\xa0") == set()
    assert not TAGS.search(html)
    assert not [values for tag, values in page.tags if any(name.startswith("on") for name in values)]
    assert not [values for _, values in page.tags if str(values.get("href")).lower().startswith("javascript")]
    return page


@pytest.fixture
def poisoned(valkey_settings: Settings, valkey_client: redis.Redis) -> redis.Redis:
    """Deals of every id, every second one at work; keys of no family with the id of one more."""
    for number, name in enumerate(IDS):
        valkey_client.set(f"canvas:lock:{name}:{name}", "1")
        if number % 2:
            touch(valkey_client, name, name)
    valkey_client.set("canvas:lock:acme:deal-1", "1")
    for key in KEYS:
        valkey_client.set(key, "1")
    return valkey_client


class Log:
    """All that was logged, one line a record, with the fields of ours."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self.caplog = caplog
        caplog.set_level(logging.INFO)
        caplog.set_level(logging.INFO, "dealpurge")

    def assert_harmless(self) -> None:
        names = ("run_id", "request_id", "source", "actor", "mode", "status")
        records = [vars(record) for record in self.caplog.records]
        lines = [" ".join(str(record.get(name)) for name in ("message", *names)) for record in records]
        assert "purge finished" in " ".join(lines)
        assert hidden(" ".join(lines)) == set()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Log:
    return Log(caplog)


@pytest.fixture
def browser(superuser: User) -> Client:
    client = Client()
    client.force_login(superuser)
    return client


def read(client: Client, path: str, **query: str) -> str:
    response: Any = client.get(path, query)
    assert response.status_code == 200
    raw = b"".join(response.streaming_content) if response.streaming else response.content
    text: str = raw.decode()
    return text


def test_json_of_the_endpoint(poisoned: redis.Redis, purge: Call, bearer: Bearer, superuser: User, log: Log) -> None:
    header = bearer(superuser)

    for body in ({"mode": "all", "exclude_active_within_secs": 60}, {"mode": "by_deal", "deal_id": "deal-1"}):
        answer = purge(header, body)
        assert answer.content.isascii()
        strings = json.dumps(answer.json(), ensure_ascii=False)
        assert hidden(strings) == set()

    assert len(answer.json()["unclaimed_sample"]) == len(KEYS)
    log.assert_harmless()


@pytest.mark.parametrize("name", IDS)
def test_an_id_that_was_asked_for(
    poisoned: redis.Redis, purge: Call, bearer: Bearer, superuser: User, browser: Client, name: str
) -> None:
    answer = purge(bearer(superuser), {"mode": "by_deal", "deal_id": name, "org_id": name, "dry_run": False})

    assert (answer.json()["keys"]["deleted"] > 0, hidden(answer.content.decode())) == (True, set())
    assert_harmless(read(browser, f"{PLACE}{PurgeRun.objects.get().pk}/change/"))
    assert_harmless(read(browser, PLACE, q=name))


@pytest.mark.parametrize("options", [ALL, ONE], ids=["all", "one"])
def test_the_terminal(poisoned: redis.Redis, options: list[str], log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("purge_deals", *options, verbosity=3)
    text = capsys.readouterr().out
    call_command("purge_deals", *options, format="json")

    assert hidden(text, "\n") == set()
    assert hidden(capsys.readouterr().out, "\n") == set()
    assert "FAKE\n" not in text
    log.assert_harmless()
    assert ("\\u2066x" if options == ALL else "\\x1b[31m") in text


def test_the_pages(poisoned: redis.Redis, browser: Client, log: Log) -> None:
    for form in (
        {"mode": "all", "guard": "on", "exclude_active_0": "1", "exclude_active_1": "60"},
        {"mode": "by_deal", "deals": "deal-1"},
    ):
        assert_harmless(browser.post(f"{PLACE}purge/", form, follow=True).content.decode())
        preview = PurgeRun.objects.latest("created_at")
        page = assert_harmless(read(browser, f"{PLACE}{preview.pk}/change/", outcome="all"))
        assert "onerror" in page.text or form["mode"] == "by_deal"
        typed = services.risk(preview.scope, deals=preview.deals_purged).words
        live = browser.post(f"{PLACE}{preview.pk}/apply/", {"typed": typed or ""}, follow=True)
        assert (live.context["run"].preview == preview) is (preview.deals_purged > 0)
        assert_harmless(live.content.decode())
    inventory = browser.post(f"{PLACE}inventory/scan/", follow=True)
    assert len(inventory.context["page"].table.rows) > 5
    assert_harmless(inventory.content.decode())
    assert_harmless(read(browser, PLACE))
    log.assert_harmless()


def test_a_link_of_somebody_else(poisoned: redis.Redis, browser: Client) -> None:
    """What a query brings is shown in fields, and nowhere as it came."""
    browser.post(f"{PLACE}inventory/scan/")
    address = "/admin/dealpurge/inventorydeal/"
    choice = f"{PLACE}{PurgeRun.objects.get(inventory=True).pk}/inventory/purge/"

    for name in IDS:
        assert_harmless(read(browser, address, org=name, deal=name, sort=name, p=name, family=name, orgs=name))
        assert_harmless(browser.get(choice, {"deal": name}, follow=True).content.decode())
        assert_harmless(browser.get(choice, {"org": name, "family": name}, follow=True).content.decode())
        assert_harmless(read(browser, f"{PLACE}purge/", mode=name, deals=name, org_id=name))
        assert_harmless(read(browser, PLACE, q=name))


def test_what_people_wrote(browser: Client, fake_redis: redis.Redis, log: Log) -> None:
    report = services.purge_deals(mode="all", source="api", actor_name=WORDS, reason=f"two\nlines {WORDS} C:\\temp")

    page = assert_harmless(read(browser, f"{PLACE}{report.run_id}/change/"))
    assert "<script>alert(1)</script>\\x1b[31m\\u202e\\u009b1m=1" in page.text
    assert "C:\\temp" in page.text
    assert_harmless(read(browser, PLACE))
    assert_harmless(browser.post(f"{PLACE}{report.run_id}/apply/", follow=True).content.decode())
    log.assert_harmless()


# Spreadsheets


FORMULAS = ["=cmd|'/C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\xa0=1", "\uff1d1", "\ttab"]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_is_a_formula(text: str) -> None:
    assert cell(text).startswith("'")


def test_what_is_no_formula_stays() -> None:
    values = ["0", "a=1", "2026-11-25T01:02:03Z", "C:\\x"]
    assert [cell(value) for value in values] == values


def test_the_export(poisoned: redis.Redis, browser: Client) -> None:
    for name in IDS:
        services.purge_deals(mode="by_deal", deals=[(name, name)], source="api", actor_name=name, reason=name)
        services.purge_deals(mode="all", org_id=name, source="api", actor_name=WORDS, reason=f"=1\r\n{WORDS}")

    text = read(browser, f"{PLACE}export/")

    assert hidden(text, "\r", "\n") == set()
    rows = list(csv.reader(io.StringIO(text)))
    assert len(rows) == 1 + 2 * len(IDS)
    assert not [value for row in rows for value in row if value.lstrip().startswith(("=", "+", "-", "@", "\t", "\r"))]


# Replies


@pytest.mark.parametrize("text", ["\x1b[2J\x1b[31mERR", "\u202eX no", "WRONG\r\nFAKE"])
def test_a_reply_of_redis_is_no_better(text: str) -> None:
    assert hidden(str(failure(redis.ResponseError(text)))) == set()


def test_events_were_seen(poisoned: redis.Redis) -> None:
    """The deals at work are what the tests above take them for."""
    assert poisoned.exists(key_of("events", IDS[1], IDS[1]))
