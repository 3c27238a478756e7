"""The addresses of a run: methods, ids, and answers that keep to JSON."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dealpurge.models import PurgeRun
from dealpurge.runs import store
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope

from .conftest import JSON, RUNS, Bearer

pytestmark = pytest.mark.django_db(transaction=True)

NOWHERE = "6f9d2c1e-3c54-4b7e-9d3c-0d9a6c3f2b11"


@pytest.fixture
def run_id(superuser: User) -> UUID:
    """A run that waits for a worker."""
    return store.create(PurgeScope(mode="all"), Origin(source=PurgeRun.Source.API, actor=superuser), queued=True).pk


def test_methods(http: Client, superuser: User, bearer: Bearer, run_id: UUID) -> None:
    headers = bearer(superuser)
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"):
        for path, allowed in ((f"{RUNS}/{run_id}", ("GET", "HEAD")), (f"{RUNS}/{run_id}/cancel", ("POST",))):
            if method in allowed:
                continue
            answer = http.generic(method, path, headers=headers)

            assert (answer.status_code, answer.headers["Content-Type"]) == (405, JSON)
            assert answer.headers["Allow"].split(", ") == list(allowed)
    assert PurgeRun.objects.get().status == "queued"


def test_the_head_of_a_run(http: Client, superuser: User, bearer: Bearer, run_id: UUID) -> None:
    headers = bearer(superuser)

    head, got = (http.generic(method, f"{RUNS}/{run_id}", headers=headers) for method in ("HEAD", "GET"))

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["X-Purge-Run-ID"] == got.headers["X-Purge-Run-ID"] == str(run_id)
    assert got.json()["run_id"] == str(run_id)


@pytest.mark.parametrize(
    "text",
    [
        "cancel",
        NOWHERE,
        NOWHERE.upper(),
        NOWHERE.replace("-", ""),
        f"{{{NOWHERE}}}",
        f"{NOWHERE}%0A",
        "1",
        "%00",
        "..",
        "é",
    ],
)
@pytest.mark.parametrize("cancel", [False, True])
def test_no_run(http: Client, superuser: User, bearer: Bearer, text: str, cancel: bool) -> None:
    path = f"{RUNS}/{text}/cancel" if cancel else f"{RUNS}/{text}"

    answer = http.generic("POST" if cancel else "GET", path, headers=bearer(superuser))

    assert (answer.status_code, answer.headers["Content-Type"]) == (404, JSON)
    assert answer.json() == {"detail": "Not Found"}


@pytest.mark.parametrize("body", [b"", b"\xff", b'{"mode": "all", "dry_run": false}', b"[" * 100_000])
def test_cancelling_reads_no_body(
    http: Client, superuser: User, bearer: Bearer, asked: list[PurgeScope], run_id: UUID, body: bytes
) -> None:
    path = f"{RUNS}/{run_id}/cancel"

    answer = http.generic("POST", path, body, content_type=JSON, headers=bearer(superuser))
    again = http.generic("POST", path, body, content_type=JSON, headers=bearer(superuser))

    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert (again.status_code, again.json()) == (409, {"detail": "The run is over.", "run_id": str(run_id)})
    assert asked == []
