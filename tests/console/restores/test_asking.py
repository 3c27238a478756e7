"""What is asked for and cannot be had, at the addresses of a restore."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from dealpurge.models import PurgeRun
from tests.console.conftest import ClientOf, page_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def browser(client_of: ClientOf, superuser: User) -> Client:
    return client_of(superuser)


@pytest.mark.parametrize("deals", ["a b:c", "x" * 300, "a\x00b", "acme:", "{x}"])
def test_ids_that_are_none(browser: Client, deals: str) -> None:
    purge = PurgeRun.objects.create(source="command", mode="all", dry_run=False, status="completed")

    answer = browser.post(page_of(purge, "restore"), {"deals": deals})

    assert answer.status_code == 302
    assert answer.headers["Location"] == page_of(purge)
    assert "String should have" in browser.get(page_of(purge)).content.decode()
    assert PurgeRun.objects.count() == 1
