"""The question in front of a purge at a terminal, in the words of the admin's page."""

from __future__ import annotations

import io
import sys
from typing import Protocol

import pytest
import redis
from pytest_django.fixtures import Settings

from dealpurge.models import PurgeRun
from tests.management.conftest import LONG_AGO
from tests.support.commands import Outcome, Purge
from tests.support.seeding import seed_deal

pytestmark = pytest.mark.django_db(transaction=True)

ALL = ("--mode", "all", "--include-checkpoints", "--no-dry-run", "--verbosity", "0")


class Ask(Protocol):
    def __call__(self, answer: str, *options: str) -> Outcome: ...


@pytest.fixture
def ask(purge: Purge, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Ask:
    """The command, in production, at a terminal at which somebody has typed ahead."""
    settings.DEALPURGE_ENVIRONMENT = {"name": "production", "tone": "production"}

    def run(answer: str, *options: str) -> Outcome:
        stdin = io.StringIO(f"{answer}\n")
        stdin.isatty = lambda: True  # type: ignore[method-assign]
        monkeypatch.setattr(sys, "stdin", stdin)
        return purge(*options)

    return run


@pytest.fixture
def checkpoints(deals: redis.Redis) -> redis.Redis:
    seed_deal(deals, "acme", "deal-3", checkpoints=1200)
    return deals


QUESTION = """
High risk: live work would be lost
    1  deal active in the last hour would be purged too: the guard is off.
1,200  checkpoint keys would be deleted. Synthesis runs in flight on these deals are aborted.
    3  deals of all organisations, in production.

Purge 3 deals from production?
Why you're asked: 3 deals, guard off, checkpoints included
Type "production 3" to confirm: """


def test_the_risk_is_told_and_its_words_are_wanted(checkpoints: redis.Redis, ask: Ask) -> None:
    outcome = ask("Production 3", *ALL)

    assert outcome.code == 0
    assert outcome.err.partition("\n")[2] == QUESTION
    assert checkpoints.dbsize() == 0


@pytest.mark.parametrize("answer", ["", "yes", "all", "3", "production", "purge 3", "production 4"])
def test_anything_else_deletes_nothing(checkpoints: redis.Redis, ask: Ask, answer: str) -> None:
    before = checkpoints.dbsize()

    outcome = ask(answer, *ALL)

    assert outcome.code == 1
    assert outcome.err.endswith('CommandError: That is not "production 3". Nothing was deleted.\n')
    assert checkpoints.dbsize() == before
    assert not PurgeRun.objects.filter(dry_run=False).exists()


def test_the_number_that_is_asked_for_is_a_setting(deals: redis.Redis, ask: Ask, settings: Settings) -> None:
    settings.DEALPURGE_CONFIRM_DEALS = 2
    seed_deal(deals, "acme", "deal-3", at=LONG_AGO)
    named = ("--mode=by_deal", "--deal-id=deal-1", "--deal-id=deal-3", "--exclude-active-within-secs=60")

    assert 'That is not "2".' in ask("yes", *named, "--no-dry-run").err
    assert ask("2", *named, "--no-dry-run").code == 0


def test_one_reason_is_told_as_on_the_page(deals: redis.Redis, ask: Ask) -> None:
    outcome = ask("production", "--mode=by_deal", "--deal-id=deal-1", "--no-dry-run", "--verbosity=0")

    assert outcome.code == 0
    assert outcome.err.splitlines()[1:] == [
        "",
        "Read before you purge",
        "1  deal would be purged even if somebody works on it: the guard is off.",
        "",
        "Purge 1 deal from production?",
        "Why you're asked: guard off",
        'Type "production" to confirm: ',
    ]


@pytest.mark.usefixtures("archive")
def test_a_purge_without_its_archive_is_told_as_on_the_page(deals: redis.Redis, ask: Ask) -> None:
    named = ("--mode=by_deal", "--deal-id=deal-1", "--exclude-active-within-secs=60", "--verbosity=0")

    outcome = ask("production", *named, "--no-archive", "--reason=OPS-1", "--no-dry-run")

    assert outcome.code == 0
    assert outcome.err.splitlines()[1:] == [
        "",
        "Read before you purge",
        "1  deal would be gone for good: no archive is kept.",
        "",
        "Purge 1 deal from production?",
        "Why you're asked: no archive",
        'Type "production" to confirm: ',
    ]


def test_a_purge_of_the_same_deals_under_way_is_told(deals: redis.Redis, ask: Ask) -> None:
    fields = {"source": "admin", "mode": "all", "dry_run": False, "status": "running"}
    other = PurgeRun.objects.create(actor_name="d.silva", org_id="acme", **fields)
    PurgeRun.objects.create(actor_name="ann", org_id="cedar", **fields)

    told = ask("no", "--mode=by_deal", "--deal-id=deal-1", "--org-id=acme", "--no-dry-run", "--verbosity=0").err

    words = f"A purge of this deal by d.silva is under way, 0 %. (Run {other.pk}.)"
    assert f"{words}\nPurge 1 deal from production?\n" in told
    assert "ann" not in told


@pytest.mark.parametrize("language", ["de", "en-gb"])
def test_it_is_asked_in_english_as_all_is_said(
    checkpoints: redis.Redis, ask: Ask, settings: Settings, language: str
) -> None:
    settings.LANGUAGE_CODE = language

    assert ask("no", *ALL).err.partition("\n")[2].startswith(QUESTION)


def test_without_input_nothing_is_asked_whatever_the_risk(
    checkpoints: redis.Redis, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda: pytest.fail("asked"))

    outcome = ask("", *ALL, "--no-input")

    assert (outcome.code, outcome.err) == (0, "")
    assert checkpoints.dbsize() == 0


def test_a_purge_without_a_reason_is_a_mistake_where_none_goes_without(
    deals: redis.Redis, ask: Ask, settings: Settings
) -> None:
    settings.DEALPURGE_REASON_REQUIRED = True
    named = ("--mode=by_deal", "--deal-id=deal-1", "--exclude-active-within-secs=60")

    refused = ask("yes", *named, "--no-dry-run", "--reason= ")
    assert (refused.code, "--reason is required" in refused.err) == (2, True)
    assert not PurgeRun.objects.exists()
    assert ask("", *named).code == 0  # a dry run purges nothing
    assert ask("yes", *named, "--no-dry-run", "--reason=OPS-1").code == 0
