"""Named and not found: a list on the standard error, and an exit code of its own where nothing of it is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import redis

from dealpurge.management.failures import NONE_FOUND
from tests.support.commands import Purge

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("dry", [[], ["--no-dry-run", "--no-input"]], ids=["dry run", "purge"])
def test_what_is_not_there_is_listed(deals: redis.Redis, purge: Purge, dry: list[str]) -> None:
    names = [word for name in ("deal-1", "daal-1", "deal-1a") for word in ("--deal-id", name)]

    outcome = purge("--mode", "by_deal", *names, *dry)

    assert outcome.code == 0
    assert outcome.err == "Not found: 2 of 3 named deals.\n  daal-1\n  deal-1a\n"


@pytest.mark.parametrize("dry", [[], ["--no-dry-run", "--no-input"]], ids=["dry run", "purge"])
@pytest.mark.parametrize("quiet", [[], ["--quiet"]], ids=["", "quiet"])
def test_where_nothing_is_there_the_exit_code_says_so(
    deals: redis.Redis, purge: Purge, dry: list[str], quiet: list[str]
) -> None:
    outcome = purge("--mode", "by_deal", "--deal-id", "daal-1", *dry, *quiet)

    assert outcome.code == 3
    assert outcome.err.startswith("Not found: 1 of 1 named deal.\n  daal-1\n")
    assert NONE_FOUND in outcome.err


def test_many_are_cut_short(deals: redis.Redis, purge: Purge, tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text("deal-1\n" + "".join(f"gone-{number}\n" for number in range(12)))

    outcome = purge("--mode", "by_deal", "--deals-from", str(names))

    assert outcome.err.splitlines()[0] == "Not found: 12 of 13 named deals."
    assert outcome.err.splitlines()[10:] == ["  gone-9", "  ... and 2 more"]


def test_json_has_it_and_stays_json(deals: redis.Redis, purge: Purge) -> None:
    outcome = purge("--mode", "by_deal", "--deal-id", "daal-1", "--format", "json")

    report = json.loads(outcome.out)
    assert outcome.code == 3
    assert report["deals"]["not_found"] == 1
    assert report["deals_not_found"] == [{"org_id": None, "deal_id": "daal-1", "did_you_mean": None}]


def test_a_purge_of_all_names_nobody(deals: redis.Redis, purge: Purge) -> None:
    outcome = purge("--mode", "all", "--org-id", "nobody")

    assert (outcome.code, outcome.err) == (0, "")
