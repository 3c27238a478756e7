"""What linters of OpenAPI say of the published document: nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .tools import ROOM, run, run_javascript

pytestmark = [pytest.mark.generators, pytest.mark.xdist_group("generators")]


def test_redocly_finds_nothing(document: Path, tmp_path: Path) -> None:
    printed = run_javascript(
        "redocly",
        "lint",
        document,
        f"--config={ROOM / 'redocly.yaml'}",
        "--format=json",
        "--max-problems=1000",
        cwd=tmp_path,
        failing=True,
    )

    found = json.loads(printed)
    assert [f"{problem['ruleId']}: {problem['message']}" for problem in found["problems"]] == []
    assert found["totals"] == {"errors": 0, "warnings": 0, "ignored": 0}


def test_it_is_valid_openapi_3_1(document: Path, tmp_path: Path) -> None:
    run("openapi-spec-validator", "--schema=3.1", document, cwd=tmp_path)
