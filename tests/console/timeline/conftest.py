from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.console.conftest import LIST, ClientOf


@pytest.fixture
def browser(client_of: ClientOf, purger: User) -> Client:
    return client_of(purger)


def shown(browser: Client, **query: str) -> str:
    response = browser.get(f"{LIST}deal/", {"org": "globex", "deal": "deal/1"} | query)
    assert response.status_code == 200
    content = response.content.decode().partition('id="content"')[2].partition("</main>")[0]
    return " ".join(re.sub("<[^>]+>", " ", content).split())
