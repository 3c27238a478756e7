from __future__ import annotations

from collections.abc import Callable

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from tests.support.commands import Purge
from tests.support.seeding import HOUR, seed_deal

from .doors import IDLE, Doors


@pytest.fixture
def deals(valkey_settings: Settings, valkey_client: redis.Redis) -> redis.Redis:
    for number in range(IDLE):
        seed_deal(valkey_client, "acme", f"deal-{number}", age=2 * HOUR)
    valkey_client.set("somebody:else", "1")
    return valkey_client


@pytest.fixture
def with_an_active_one(deals: redis.Redis) -> redis.Redis:
    seed_deal(deals, "birch", "deal-9", age=10)
    return deals


@pytest.fixture(params=[None, HOUR], ids=["sweep", "guarded"])
def doors(
    request: pytest.FixtureRequest,
    settings: Settings,
    superuser: User,
    bearer: Callable[[User], dict[str, str]],
    purge: Purge,
) -> Doors:
    return Doors(settings, Client(raise_request_exception=False), bearer(superuser), purge, request.param)


@pytest.fixture
def browser(purger: User) -> Client:
    client = Client()
    client.force_login(purger)
    return client
