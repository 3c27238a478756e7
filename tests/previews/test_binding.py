"""A preview is applied to the environment, the address and the database that it was made of, or not at all."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from pytest_django.fixtures import Settings

from dealpurge.models import PurgeRun
from dealpurge.previews.binding import unbound
from dealpurge.previews.preview import Preview
from tests.conftest import PointCacheAt

pytestmark = pytest.mark.django_db
HERE = "redis-b.invalid:6379/0"


@pytest.fixture(autouse=True)
def _production(settings: Settings, cache_at: PointCacheAt) -> None:
    settings.DEALPURGE_ENVIRONMENT = {"name": "production", "tone": "production"}
    cache_at(f"redis://:s3cr3t@{HERE}")


def made_of(environment: str, address: str, label: str = "") -> str:
    return unbound(PurgeRun(environment=environment, server_label=label, redis_address=address))


def test_the_same_place_is_no_problem() -> None:
    assert made_of("production", HERE) == ""


def test_a_row_of_before_is_bound_to_nothing() -> None:
    assert made_of("", "") == ""


def test_both_places_are_named() -> None:
    assert made_of("staging", "redis-a.invalid:6379/0") == (
        "This preview was made of staging, redis-a.invalid:6379/0; "
        "the settings name production, redis-b.invalid:6379/0 now."
    )


@pytest.mark.parametrize(
    ("environment", "address"),
    [("staging", HERE), ("production", "redis-a.invalid:6379/0"), ("", "redis-b.invalid:6379/1"), ("staging", "")],
)
def test_one_difference_is_enough(environment: str, address: str) -> None:
    assert made_of(environment, address).startswith("This preview was made of ")


def test_a_name_that_is_gone_is_another(settings: Settings) -> None:
    settings.DEALPURGE_ENVIRONMENT = None

    assert made_of("production", HERE) == (
        f"This preview was made of production, {HERE}; the settings name an environment without a name, {HERE} now."
    )


def test_the_label_stands_for_the_address(settings: Settings) -> None:
    settings.DEALPURGE_SERVER_LABEL = "main"

    assert made_of("production", "redis-a.invalid:6379/0", "main") == (
        "The address of Redis in the settings has changed since this preview was made."
    )


def test_a_label_is_no_place(settings: Settings) -> None:
    settings.DEALPURGE_SERVER_LABEL = "main"

    assert made_of("production", HERE, "the old name") == ""


def test_what_a_client_alone_tells_is_left_to_the_run(settings: Settings) -> None:
    settings.DEALPURGE_REDIS_CLIENT = lambda: None

    assert made_of("production", "redis-a.invalid:6379/0") == ""
    assert made_of("staging", HERE) != ""


def test_settings_that_cannot_be_read_say_so(settings: Settings) -> None:
    settings.DEALPURGE_ENVIRONMENT = "production"

    assert made_of("production", HERE).startswith("DEALPURGE_ENVIRONMENT is not a name")


def test_its_own_actor_cannot_apply_it_elsewhere(superuser: User) -> None:
    run = PurgeRun(
        actor=superuser, mode="all", status="completed", deals_purged=3, environment="staging", redis_address=HERE
    )

    refusal = Preview(run, run.created_at).refusal(superuser)

    assert "was made of staging" in str(refusal)
