"""Schemathesis against the published schema, with all of its checks: whatever is sent, the answer is a documented one.

Every run begins at the same seed. For more requests, and others:
``DEALPURGE_FUZZ_SEED=7 python -m pytest --long -m slow tests/api/test_schema_fuzzing.py``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.servers.basehttp import WSGIRequestHandler
from django.http import HttpResponse
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from dealpurge.api.base import JsonView
from dealpurge.models import PurgeRun
from dealpurge.servers import backoff
from tests.support.readme_blocks import ROOT
from tests.support.samples import sample

from .conftest import Bearer

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("fuzzing"), pytest.mark.django_db(transaction=True)]

TIMES = sample(1, 20)
SEED = os.environ.get("DEALPURGE_FUZZ_SEED", "1")
SECONDS = 1800
SCHEMATHESIS = str(Path(sys.executable).with_name("schemathesis"))

Fuzz = Callable[[dict[str, str], int], None]

#: An outage is documented; a 500 never is. Of bodies ``tests.support.fuzzing`` knows more than the schema.
CONFIGURATION = """
[checks]
enabled = true
not_a_server_error.expected-statuses = ["2xx", "3xx", "4xx", {outage}]
positive_data_acceptance.expected-statuses = ["2xx", 401, 403, 404, 409, {outage}]

[[operations]]
include-operation-id = "purge_deals"
checks.positive_data_acceptance.enabled = false
checks.negative_data_rejection.enabled = false

[[operations]]
include-operation-id = "restore_deals"
checks.positive_data_acceptance.enabled = false
checks.negative_data_rejection.enabled = false
"""

#: Requests by test; the last one counts them all.
SENT: Counter[str] = Counter()


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """How often each status was answered."""
    counted: Counter[int] = Counter()
    finalize = JsonView.finalize_response

    def count(view: JsonView, *args: Any, **kwargs: Any) -> HttpResponse:
        response: HttpResponse = finalize(view, *args, **kwargs)
        counted[response.status_code] += 1
        return response

    monkeypatch.setattr(JsonView, "finalize_response", count)
    return counted


@pytest.fixture
def fuzz(
    live_server: LiveServer, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Fuzz:
    """Sends requests with these headers, so many examples an operation, and fails with what schemathesis found."""
    # Head and body of an answer are sent apart, and the second waits 40 ms for the first to be acknowledged.
    monkeypatch.setattr(WSGIRequestHandler, "disable_nagle_algorithm", True)

    def fuzz(headers: dict[str, str], examples: int) -> None:
        options = {"max-examples": str(examples * TIMES), "seed": SEED, "generation-database": "none"}
        words = [word for name, value in options.items() for word in (f"--{name}", value)]
        words += [f"--header={name}: {value}" for name, value in headers.items()]
        words += ["--include-path-regex=/purge_", f"--report-json-path={tmp_path / 'report.json'}", "--no-color"]
        outage = 503 if "redis" in request.node.name else 200
        (tmp_path / "schemathesis.toml").write_text(CONFIGURATION.format(outage=outage))
        done = subprocess.run(
            [SCHEMATHESIS, "run", f"{live_server.url}/api/schema", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
            env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.support.fuzzing", "PYTHONPATH": str(ROOT)},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        SENT[request.node.name] = json.loads((tmp_path / "report.json").read_text())["test_cases"]["generated"]

    return fuzz


def test_with_a_token(
    fuzz: Fuzz, seen: Counter[int], superuser: User, bearer: Bearer, valkey_settings: Settings
) -> None:
    fuzz(bearer(superuser), 350)

    assert {200, 202, 404, 405, 409, 422} <= set(seen) <= {200, 202, 400, 401, 404, 405, 409, 422}
    assert PurgeRun.objects.filter(dry_run=False, status="completed").count() > 20


def test_without_a_token(fuzz: Fuzz, seen: Counter[int]) -> None:
    fuzz({}, 50)

    assert set(seen) == {401, 405}
    assert not PurgeRun.objects.exists()


def test_with_the_token_of_somebody_who_may_not(fuzz: Fuzz, seen: Counter[int], staff: User, bearer: Bearer) -> None:
    fuzz(bearer(staff), 50)

    assert {403, 405} <= set(seen) <= {401, 403, 405}
    assert not PurgeRun.objects.exists()


def test_without_redis(
    fuzz: Fuzz, seen: Counter[int], superuser: User, bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "FIRST_SECONDS", 0.0)

    fuzz(bearer(superuser), 100)

    assert {202, 404, 405, 422, 503} <= set(seen) <= {200, 202, 400, 401, 404, 405, 409, 422, 503}
    assert not PurgeRun.objects.filter(status="completed").exists()


def test_that_it_was_enough() -> None:
    if len(SENT) < 4:
        pytest.skip("only some of the tests were run")

    assert sum(SENT.values()) >= 2000
