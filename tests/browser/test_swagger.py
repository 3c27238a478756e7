"""The page of the published schema, as somebody tries the endpoint out there."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import redis
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from dealpurge.models import PurgeRun

from .conftest import Person

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def open_operation(page: Page, token: str) -> None:
    """Give the token, and open the form of the operation."""
    page.click("button.authorize")
    page.fill(".auth-container input", token)
    page.click(".auth-btn-wrapper button[type=submit]")
    page.click(".auth-btn-wrapper button.btn-done")
    page.click("#operations-superadmin-purge_deals .opblock-summary-control")
    page.click("#operations-superadmin-purge_deals button.try-out__btn")


def test_trying_it_out_is_a_dry_run_of_one_deal(
    person: Callable[..., Person], deals: redis.Redis, superuser: User, bearer: Callable[[User], dict[str, str]]
) -> None:
    somebody = person()
    before = deals.dbsize()
    somebody.go("/api/docs")
    open_operation(somebody.page, bearer(superuser)["Authorization"].removeprefix("Bearer "))

    with somebody.page.expect_response("**/purge_deals") as answered:
        somebody.page.click("#operations-superadmin-purge_deals button.execute")

    answer, request = answered.value, answered.value.request
    report = answer.json()
    assert (answer.status, report["dry_run"], report["deal_id"]) == (200, True, "deal-1")
    assert (report["deals"]["matched"], report["keys"]["deleted"]) == (1, 0)
    assert "prefer" not in request.headers
    assert list(json.loads(request.post_data or "")) == [
        "mode", "deal_id", "org_id", "include_checkpoints", "exclude_active_within_secs", "dry_run",
    ]  # fmt: skip
    assert [(run.status, run.dry_run) for run in PurgeRun.objects.all()] == [("completed", True)]
    assert deals.dbsize() == before
    expect(somebody.page.locator(".live-responses-table .response-col_status").last).to_contain_text("200")
