"""What the README lists is what there is."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime
from inspect import signature
from uuid import UUID

import pytest
from django.urls import reverse
from pytest_django.fixtures import Settings

import dealpurge
from dealpurge.api.answers.representation import run_as_dict
from dealpurge.api.serializers import PurgeDealsBody
from dealpurge.api.urls import urlpatterns
from dealpurge.checks import setting_names
from dealpurge.engine.sweep.reporting import report_of
from dealpurge.engine.sweep.tally import Tally
from dealpurge.keys.families import CHECKPOINT_PREFIXES, FAMILIES
from dealpurge.management.commands.purge_deals import Command
from dealpurge.models import PurgeRun, PurgeRunDeal
from dealpurge.runs import store
from dealpurge.runs.store import Origin
from dealpurge.runs.termination import request_cancel
from dealpurge.scope import PurgeScope
from tests.support.published import document, operations
from tests.support.readme_blocks import ROOT, section


def words_in(text: str) -> set[str]:
    return set(re.findall(r"`([\w.]+)`", text))


def defined(text: str, *columns: str) -> str:
    """The first cells of the one table with these columns: what has a row there, and is not just named somewhere."""
    _, table = text.split(f"\n| {' | '.join(columns)} |\n")
    table = table.partition("\n\n")[0]
    return "".join(line.split(" | ")[0] for line in table.splitlines()[1:])


def test_every_setting() -> None:
    assert words_in(defined(section("Settings"), "setting", "default", "meaning")) == set(setting_names())


def test_every_check() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "dealpurge").rglob("*.py"))
    ids = {f"dealpurge.{name}" for name in re.findall(r"\b[EW]0\d\d\b", sources)}

    assert len(ids) > 20
    assert words_in(defined(section("System checks"), "id", "what is wrong")) == ids


def test_every_family() -> None:
    rows = [f"| `{name}` | `{template}` |" for name, template in FAMILIES.items()]
    table = section("What goes and what stays")

    assert [row for row in rows if row not in table] == []
    assert words_in(defined(table, "family", "template", "type")) == {*FAMILIES, "checkpoints"}
    assert all(prefix.partition(":")[0] in section("Checkpoints") for prefix in CHECKPOINT_PREFIXES)


def test_every_option_of_the_command() -> None:
    actions = Command().create_parser("manage.py", "purge_deals")._actions
    options = {option for action in actions for option in action.option_strings if option.startswith("--")}
    ours = options - {"--help", "--version", "--settings", "--pythonpath", "--traceback", "--skip-checks", "--noinput"}

    assert set(re.findall(r"`(--[a-z-]+)", defined(section("The command"), "option", "meaning"))) == ours


def test_every_field_of_the_report() -> None:
    scope = PurgeScope(mode="by_deal", deals=((None, "deal-1"),))
    report = report_of(
        Tally(), run_id=None, scope=scope, families=(), started_at=datetime.now(UTC), duration_ms=0
    ).as_dict()
    nested = {f"{name}.{part}" for name in ("deals", "keys") for part in report[name]}

    assert words_in(defined(section("The report"), "field", "meaning")) == (set(report) | nested) - {"deals", "keys"}


def test_every_public_name() -> None:
    assert set(dealpurge.__all__) - words_in(section("From Python")) == set()


def test_every_parameter_of_purge_deals() -> None:
    assert set(signature(dealpurge.purge_deals).parameters) - words_in(section("From Python")) == set()


def test_every_endpoint() -> None:
    names = {item.name for item in urlpatterns if item.name}
    assert names == {"purge_deals", "purge_run", "cancel_run", "restore_run"}
    for name in names:
        arguments = () if name == "purge_deals" else (UUID(int=0),)
        path = reverse(f"dealpurge_api:{name}", args=arguments).replace(str(UUID(int=0)), "<id>")
        assert f" {path}`" in section("The endpoint")


def test_every_field_of_a_request() -> None:
    fields = words_in(defined(section("The endpoint"), "field", "type", "default", "meaning"))

    assert fields == set(PurgeDealsBody().fields)


def test_every_field_of_a_run_in_an_answer() -> None:
    run = run_as_dict(PurgeRun(mode="all"))
    nested = {f"progress.{name}" for name in run.pop("progress")}

    assert words_in(defined(section("The endpoint"), "field", "meaning")) == set(run) | nested


def test_every_status_of_an_answer() -> None:
    answers = {status for operation in operations(document()).values() for status in operation["responses"]}

    assert len(answers) > 10
    assert answers - set(re.findall(r"\b\d{3}\b", section("The endpoint"))) == set()


def test_every_field_of_the_record() -> None:
    # for the console or the endpoint alone
    ours = {"exclusive", "keys_to_go", "deals_purged", "deals_named", "seen_at", "inventory", "sentences"}
    ours |= {"idempotency_key", "organisations"}
    fields = {field.name for field in PurgeRun._meta.concrete_fields}

    assert ours < fields
    assert words_in(defined(section("The record"), "field", "holds")) == fields - ours
    assert set(PurgeRun.Status.values) | set(PurgeRunDeal.Outcome.values) <= words_in(section("The record"))


@pytest.mark.django_db(transaction=True)
def test_every_field_of_a_log_record(caplog: pytest.LogCaptureFixture, valkey_settings: Settings) -> None:
    caplog.set_level("INFO", logger="dealpurge")
    usual = set(vars(logging.makeLogRecord({})))

    dealpurge.purge_deals(mode="all")
    request_cancel(store.create(PurgeScope(mode="all"), Origin(source="api"), queued=True).pk, "ann")

    fields = {name for record in caplog.records for name in set(vars(record)) - usual - {"message", "asctime"}}
    assert {"run_id", "deleted"} < fields
    assert words_in(defined(section("Logs and metrics"), "field", "holds")) == fields
