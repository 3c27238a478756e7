"""What is stored in English and in codes, said in the language of who looks at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import cycle, islice
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from django.utils.html import escape
from django.utils.translation import deactivate, gettext, override
from pytest_django.fixtures import Settings

from dealpurge import services
from dealpurge.console import translation
from dealpurge.engine.sweep.selection import NAMESAKE_WARNING
from dealpurge.exceptions import ScopeError
from dealpurge.i18n import SENTENCES, Deals, Names, Number, Said
from dealpurge.models import PurgeRun
from dealpurge.runs import store
from dealpurge.runs.messages import NO_EVENTS, columns
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from dealpurge.servers.errors import REFUSED, UNREACHABLE
from tests.support.runs import DRY, report_of
from tests.support.seeding import seed_deal

from .conftest import FORM, REPORT, ClientOf, MakePreview, latest, page_of

pytestmark = pytest.mark.django_db(transaction=True)


def html(browser: Client, address: str) -> str:
    response = browser.get(address)
    assert response.status_code == 200
    return response.content.decode()


WARNED = (NAMESAKE_WARNING.format("birch <i>12</i>, cedar {12}"), "A warning of an older version.")


@pytest.fixture
def by_request(client_of: ClientOf, superuser: User, settings: Settings) -> Iterator[Client]:
    """A browser that asks for German, on a site that asks the browser."""
    place = settings.MIDDLEWARE.index("django.middleware.common.CommonMiddleware")
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE[:place], "django.middleware.locale.LocaleMiddleware", *settings.MIDDLEWARE[place:]
    ]  # fmt: skip
    browser = client_of(superuser)
    browser.defaults["HTTP_ACCEPT_LANGUAGE"] = "de"
    yield browser
    deactivate()


@pytest.mark.parametrize("inventory", [False, True])
def test_warnings_and_errors_are_said_in_it(
    by_request: Client, make_preview: MakePreview, superuser: User, inventory: bool
) -> None:
    report = REPORT | {"warnings": WARNED}
    told = columns(REFUSED.format("<b>WEIRD"), WARNED)
    run = make_preview(superuser, inventory=inventory, status="failed", report=report, **told)

    page = html(by_request, page_of(run, "inventory" if inventory else "change"))

    assert "Redis hat einen Befehl verweigert (&lt;b&gt;WEIRD)." in page
    assert (
        "<li>Schlüssel derselben Deal-ID in einer anderen Organisation wurden nicht angerührt: "
        "birch &lt;i&gt;12&lt;/i&gt;, cedar {12}.</li><li>A warning of an older version.</li>" in page
    )


def test_the_api_says_them_as_they_are_stored(
    by_request: Client, make_preview: MakePreview, superuser: User, bearer: Callable[[User], dict[str, str]]
) -> None:
    run = make_preview(
        superuser, status="failed", report=REPORT | {"warnings": WARNED}, **columns(UNREACHABLE.format("2 s"), WARNED)
    )

    answer = by_request.get(f"/api/superadmin/purge_runs/{run.pk}", headers=bearer(superuser)).json()

    assert (answer["error"], answer["report"]["warnings"]) == ("Redis cannot be reached (tried for 2 s).", [*WARNED])


#: Parameters of a sentence, by turns; what they are in German, where that is another thing.
PARAMETERS: dict[str, tuple[list[Any], list[str]]] = {
    "texts": (["x and 3 more", "'a' has a placeholder that is none: 'b'"], []),
    "templates": ([" cannot be imported: ", "{} is not callable."], []),
    "long": (["x" * 30_000, "<b>"], []),
    "names": ([Names(("d1", "5 deals"), 7), Names(("{deal_id}",))], ["d1, 5 deals und 7 weitere", "{deal_id}"]),
    "deals": ([Deals(1), Deals(12)], ["1 Deal", "12 Deals"]),
    "numbers": ([Number(1), Number(1200)], ["1", "1.200"]),
}


#: As many parameters as any sentence has, and more.
MOST = max(sentence.count("{}") for sentence in SENTENCES.values())


def every_sentence(parameters: list[Any]) -> list[Said]:
    return [
        sentence.format(*islice(cycle(parameters), sentence.count("{}"))) if "{}" in sentence else sentence
        for sentence in SENTENCES.values()
    ]


@pytest.mark.parametrize("inventory", [False, True])
@pytest.mark.parametrize("kind", PARAMETERS)
def test_every_sentence_of_a_stored_run_is_said_in_it(
    by_request: Client, superuser: User, bearer: Callable[[User], dict[str, str]], kind: str, inventory: bool
) -> None:
    parameters, german = PARAMETERS[kind]
    said = every_sentence(parameters)
    run = store.create(DRY, Origin(source="admin", actor=superuser), inventory=inventory)
    store.finish(run, replace(report_of(run, "failed"), warnings=tuple(said)), error=said[0])

    answer = by_request.get(f"/api/superadmin/purge_runs/{run.pk}", headers=bearer(superuser)).json()
    assert answer["report"]["warnings"] == said
    address = page_of(run, "inventory" if inventory else "change")
    page = html(by_request, address)
    with override("de"):
        for sentence in SENTENCES.values():
            told = gettext(sentence).format(*(german or parameters) * MOST) if "{}" in sentence else gettext(sentence)
            assert f"<li>{escape(told)}</li>" in page
    by_request.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    page = html(by_request, address)
    assert [text for text in said if f"<li>{escape(text)}</li>" not in page] == []


@pytest.mark.parametrize("kind", PARAMETERS)
def test_every_sentence_that_ended_a_run_is_said_in_it(superuser: User, kind: str) -> None:
    parameters, german = PARAMETERS[kind]
    for sentence, said in zip(SENTENCES.values(), every_sentence(parameters), strict=True):
        run = store.create(DRY, Origin(source="admin", actor=superuser))
        store.finish(run, report_of(run, "failed"), error=said)

        stored = PurgeRun.objects.get(pk=run.pk)

        assert stored.error == said
        with override("en"):
            assert translation.error(stored) == said
        with override("de"):
            told = gettext(sentence).format(*(german or parameters) * MOST) if "{}" in sentence else gettext(sentence)
            assert translation.error(stored) == told


def test_a_run_of_an_older_version_is_shown_as_it_stands(
    by_request: Client, make_preview: MakePreview, superuser: User
) -> None:
    run = make_preview(
        superuser, status="failed", report=REPORT | {"warnings": WARNED}, error=UNREACHABLE.format("2 s")
    )

    page = html(by_request, page_of(run))

    assert "Redis cannot be reached (tried for 2 s)." in page
    assert f"<li>{escape(WARNED[0])}</li><li>A warning of an older version.</li>" in page


@pytest.mark.parametrize(
    "sentences",
    [
        {"error": {"code": "of_a_newer_version", "parameters": []}, "warnings": [None, {"code": "newer"}]},
        {"error": {"code": "unreachable", "parameters": []}, "warnings": [{"code": "namesakes_left"}, 5]},
        {"error": {"code": "unreachable", "parameters": [5]}, "warnings": []},
        {"warnings": [{"code": "restarted", "parameters": []}]},
        {},
    ],
)
def test_what_a_newer_version_stored_is_shown_as_it_stands(
    by_request: Client, make_preview: MakePreview, superuser: User, sentences: Any
) -> None:
    report = REPORT | {"warnings": WARNED}
    run = make_preview(superuser, status="failed", report=report, error=UNREACHABLE.format("2 s"), sentences=sentences)

    page = html(by_request, page_of(run))

    assert "Redis cannot be reached (tried for 2 s)." in page
    assert f"<li>{escape(WARNED[0])}</li><li>A warning of an older version.</li>" in page


def test_a_run_says_in_it_what_it_left(by_request: Client, deals: redis.Redis) -> None:
    seed_deal(deals, "birch", "deal-1", canvas_sessions=1, image_crops=0)

    by_request.post(FORM, {"mode": "by_deal", "deals": "acme:deal-1"})

    run = latest()
    assert run.report
    assert run.report["warnings"] == [NAMESAKE_WARNING.format("birch deal-1")]
    assert "anderen Organisation wurden nicht angerührt: birch deal-1.</li>" in html(by_request, page_of(run))


def test_a_run_says_in_it_why_it_failed(by_request: Client) -> None:
    by_request.post(FORM, {"mode": "all"})

    assert latest().error == "Redis cannot be reached (tried for 0.1 s)."
    assert "Redis ist nicht erreichbar (versucht: 0.1 s lang)." in html(by_request, page_of(latest()))


def test_a_worker_says_in_it_that_there_is_nothing_to_judge_by(by_request: Client, settings: Settings) -> None:
    settings.DEALPURGE_ENQUEUE = lambda run_id: None
    by_request.post(FORM, {"mode": "all", "guard": "on", "exclude_active_0": "5", "exclude_active_1": "60"})
    settings.DEALPURGE_KEY_FAMILIES = {"events": []}

    with pytest.raises(ScopeError):
        services.run(latest().pk)

    assert latest().error == str(NO_EVENTS)
    with override("de"):
        assert gettext(NO_EVENTS) != NO_EVENTS
        assert escape(gettext(NO_EVENTS)) in html(by_request, page_of(latest()))


def test_who_finds_a_lost_run_out_stores_it_in_english(by_request: Client, superuser: User) -> None:
    run = store.create(PurgeScope(mode="all"), Origin(source="admin", actor=superuser), queued=True)
    PurgeRun.objects.update(created_at=timezone.now() - timedelta(minutes=16))

    page = html(by_request, page_of(run))

    assert "Kein Worker hat ihn rechtzeitig übernommen." in page
    assert latest().error == "No worker took it in time."


def test_why_nothing_was_begun_is_said_in_it(by_request: Client, settings: Settings) -> None:
    settings.DEALPURGE_ENQUEUE = {}.__getitem__  # a queue that knows of no run

    page = by_request.post(FORM, {"mode": "all"}, follow=True).content.decode()

    assert "Der Lauf konnte nicht eingereiht werden, daher wurde nichts bereinigt." in page
    assert latest().error == "The run could not be queued, so nothing was purged."


def test_why_a_preview_is_of_too_much_is_said_in_it(by_request: Client, deals: redis.Redis, settings: Settings) -> None:
    settings.DEALPURGE_MAX_KEYS = 5
    by_request.post(FORM, {"mode": "all"})
    run = latest()

    told = "6 Schlüssel würden gelöscht, 1 mehr als die Grenze von 5: die Bereinigung wird abgelehnt."
    assert f"<p>{told}</p>" in html(by_request, page_of(run))
    assert f"<li>{told}</li>" in html(by_request, page_of(run))
    answer = by_request.post(page_of(run, "apply"), {"typed": "purge 3"}, follow=True)
    assert [str(message) for message in answer.context["messages"]] == [told]
