"""manage.py purge_deals --explain: whose a key is, without Redis and without a run."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import call_command

from dealpurge.models import PurgeRun
from tests.support.commands import Outcome, Purge

pytestmark = pytest.mark.django_db(transaction=True)

EXPLAINED = """\
canvas:lock:acme:café:x
  family    locks
  org_id    acme
  deal_id   café
  template  canvas:lock:{org_id}:{deal_id}
  Goes with deal 'café' of 'acme'.

checkpoint:deal-1:\\xff
  family    checkpoints
  deal_id   deal-1
  template  checkpoint:{deal_id}
  A LangGraph checkpoint: goes with deal 'deal-1' only where include_checkpoints is asked for, and else stays. \
Which deal it is follows from DEALPURGE_CHECKPOINT_THREAD. Its template names no organisation, so a purge of all deals \
of one organisation leaves it.

"""


def test_a_key_is_explained_without_redis_and_without_a_run(purge: Purge) -> None:
    outcome = purge("--explain", "canvas:lock:acme:café:x", "--explain", r"checkpoint:deal-1:\xff")

    assert outcome == Outcome(0, EXPLAINED, "")
    assert not PurgeRun.objects.exists()


def test_a_key_that_nothing_claims_is_exit_code_1(purge: Purge) -> None:
    outcome = purge("--explain", "canvas:lock:acme:1", "--explain", ":1:canvas:lock:acme:1", "--format", "json")

    claimed, stranger = json.loads(outcome.out)
    assert (outcome.code, outcome.err) == (1, "CommandError: No family claims 1 of 2 keys.\n")
    assert claimed == {
        "key": "canvas:lock:acme:1",
        "family": "locks",
        "org_id": "acme",
        "deal_id": "1",
        "template": "canvas:lock:{org_id}:{deal_id}",
        "reason": "Goes with deal '1' of 'acme'.",
    }
    assert (stranger["key"], stranger["family"]) == (":1:canvas:lock:acme:1", None)


@pytest.mark.parametrize(
    "options",
    [
        "--org-id acme",
        "--deal-id 1",
        "--include-checkpoints",
        "--no-dry-run",
        "--no-input",
        "--reason x",
        "--exclude-active-within-secs 0",
        "--mode all",
    ],
)
def test_explaining_goes_with_no_option_of_a_purge(purge: Purge, options: str) -> None:
    outcome = purge("--explain", "canvas:lock:acme:1", *options.split())

    assert (outcome.code, outcome.out) == (2, "")
    assert "--explain" in outcome.err


def test_a_key_to_explain_is_written_as_reports_have_it(purge: Purge) -> None:
    outcome = purge("--explain", r"canvas:lock:acme:a\b")

    assert outcome == Outcome(
        2, "", "CommandError: argument --explain: a backslash is written twice, as reports show it\n"
    )


def test_keys_are_explained_from_code() -> None:
    out = io.StringIO()

    call_command("purge_deals", explain="canvas:lock:acme:1", stdout=out)

    assert out.getvalue().startswith("canvas:lock:acme:1\n  family    locks\n")
