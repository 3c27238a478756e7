"""The first line that the command says to somebody at a terminal: which Redis it is about to go to."""

from __future__ import annotations

import pytest
from django.utils.translation import override
from pytest_django.fixtures import Settings

from dealpurge.management.place import place
from dealpurge.models import PurgeRun
from tests.conftest import PointCacheAt

pytestmark = pytest.mark.django_db
PROCESS = {"node": None, "run_id": "a", "replid": "b", "version": "7.4.1", "role": "primary", "kind": "redis"}


@pytest.fixture(autouse=True)
def _somewhere(cache_at: PointCacheAt) -> None:
    cache_at("redis://ann:s3cr3t@redis-main.invalid:6379/0")


def test_environment_server_version_and_role(settings: Settings) -> None:
    settings.DEALPURGE_ENVIRONMENT = {"name": "production", "tone": "production"}
    PurgeRun.objects.create(
        mode="all", status="completed", redis_address="redis-main.invalid:6379/0", redis_processes=[PROCESS]
    )

    with override("de"):
        assert place() == "production · redis-main.invalid:6379/0 · Redis 7.4, primary"


def test_what_is_not_known_is_not_made_up() -> None:
    assert place() == "Environment not named · redis-main.invalid:6379/0"


def test_a_label_stands_for_the_address(settings: Settings) -> None:
    settings.DEALPURGE_SERVER_LABEL = "main"

    assert place() == "Environment not named · main"
