"""A run says which Redis it is of, goes there or not at all, and notes which servers it met."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from pytest_django.fixtures import Settings

from dealpurge import services
from dealpurge.api.answers.representation import run_as_dict
from dealpurge.exceptions import PurgeConfigurationError
from dealpurge.models import PurgeRun
from dealpurge.report import PurgeReport
from dealpurge.runs import messages, store
from dealpurge.runs.label import Label, under_way
from dealpurge.servers.address import configured
from tests.conftest import PointCacheAt
from tests.support.runs import DRY, LIVE, ORIGIN
from tests.support.seeding import seed_deal
from tests.support.servers import RedisServer

pytestmark = pytest.mark.django_db

PRODUCTION = {"name": "production", "tone": "production"}


@pytest.fixture
def deals(valkey_settings: Settings, valkey_client: redis.Redis) -> redis.Redis:
    valkey_settings.DEALPURGE_ENVIRONMENT = PRODUCTION
    seed_deal(valkey_client, "acme", "deal-1")
    return valkey_client


def latest() -> PurgeRun:
    return PurgeRun.objects.latest("created_at")


def queued(**columns: Any) -> PurgeRun:
    """A purge of all deals that waits for a worker, with other columns than the settings gave it."""
    run = store.create(LIVE, ORIGIN, queued=True)
    PurgeRun.objects.filter(pk=run.pk).update(**columns)
    return run


def refused(run: PurgeRun, deals: redis.Redis) -> str:
    """The words with which a worker refuses it; nothing is deleted."""
    before = deals.dbsize()
    with pytest.raises(PurgeConfigurationError) as caught:
        services.run(run.pk)
    run.refresh_from_db()
    assert (run.status, run.error, run.keys_deleted, deals.dbsize()) == ("failed", str(caught.value), 0, before)
    return run.error


def test_its_row_has_the_label_before_it_begins(settings: Settings, cache_at: PointCacheAt) -> None:
    settings.DEALPURGE_ENVIRONMENT, settings.DEALPURGE_SERVER_LABEL = PRODUCTION, "redis-main"
    cache_at("redis://ann:s3cr3t@redis.invalid:6380/3")

    run = store.create(DRY, ORIGIN, queued=True)

    assert Label.of_run(run) == ("production", "redis-main", "redis.invalid:6380/3")
    assert run.redis_processes is None


def test_nothing_that_is_unnamed_is_made_up(cache_at: PointCacheAt) -> None:
    cache_at("redis://redis.invalid:6380/3")

    assert Label.of_run(store.create(DRY, ORIGIN)) == ("", "", "redis.invalid:6380/3")


def test_it_notes_the_servers_that_it_met(deals: redis.Redis) -> None:
    services.start(DRY, ORIGIN)

    info: Any = deals.info()
    assert latest().redis_processes == [
        {
            "node": None,
            "run_id": info["run_id"],
            "replid": info["master_replid"],
            "version": info["valkey_version"],
            "role": "primary",
            "kind": "valkey",
        }
    ]


def test_what_a_client_alone_tells_is_noted_when_it_begins(
    deals: redis.Redis, settings: Settings, valkey_server: RedisServer
) -> None:
    settings.DEALPURGE_REDIS_CLIENT = lambda: redis.Redis.from_url(valkey_server.url)
    run = store.create(DRY, ORIGIN, queued=True)
    assert run.redis_address == ""

    services.run(run.pk)

    run.refresh_from_db()
    assert run.redis_address == f"127.0.0.1:{valkey_server.port}/0"


def test_a_worker_of_another_environment_deletes_nothing(deals: redis.Redis) -> None:
    words = refused(queued(environment="staging"), deals)

    assert words == messages.OTHER_ENVIRONMENT.format("staging", "production")


def test_a_worker_of_no_named_environment_deletes_nothing(deals: redis.Redis, settings: Settings) -> None:
    run = queued()
    settings.DEALPURGE_ENVIRONMENT = None

    assert refused(run, deals) == messages.ENVIRONMENT_UNNAMED.format("production")


@pytest.mark.parametrize("database", [0, 1])
def test_a_worker_that_leads_to_another_redis_deletes_nothing(deals: redis.Redis, database: int) -> None:
    address = "redis-a.invalid:6379/0" if database == 0 else configured().replace("/0", "/1")

    words = refused(queued(redis_address=address), deals)

    assert words == messages.OTHER_ADDRESS
    assert "redis-a" not in words  # clients of the endpoint read it


def test_so_does_one_whose_client_leads_elsewhere(
    deals: redis.Redis, settings: Settings, valkey_server: RedisServer
) -> None:
    run = queued()
    settings.DEALPURGE_REDIS_CLIENT = lambda: redis.Redis(port=valkey_server.port, db=1)

    assert refused(run, deals) == messages.OTHER_ADDRESS


def test_a_run_of_before_is_bound_to_nothing(deals: redis.Redis) -> None:
    run = queued(environment="", server_label="", redis_address="")

    report = services.run(run.pk)
    assert isinstance(report, PurgeReport)
    assert report.deals.purged == 1


def test_a_purge_is_bound_to_what_its_preview_was_of(deals: redis.Redis, settings: Settings) -> None:
    services.start(DRY, ORIGIN)
    preview = latest()
    settings.DEALPURGE_ENVIRONMENT = {"name": "staging"}

    with pytest.raises(PurgeConfigurationError):
        services.start(LIVE, ORIGIN, preview=preview)

    assert deals.dbsize() > 0


@pytest.mark.parametrize(
    ("column", "warned"), [({}, False), ({"run_id": "another"}, True), ({"replid": "another"}, True)]
)
def test_a_failover_since_the_preview_is_told_and_no_more(
    deals: redis.Redis, column: dict[str, str], warned: bool
) -> None:
    services.start(DRY, ORIGIN)
    preview = latest()
    assert preview.redis_processes
    then = [process | column for process in preview.redis_processes]
    PurgeRun.objects.filter(pk=preview.pk).update(redis_processes=then)

    report = services.start(LIVE, ORIGIN, preview=preview)

    assert (report.deals.purged, messages.SERVER_CHANGED in report.warnings) == (1, warned)


def test_report_answer_and_log_name_the_environment(deals: redis.Redis, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "dealpurge")
    report = services.start(DRY, ORIGIN).as_dict()

    assert report["environment"] == run_as_dict(latest())["environment"] == "production"
    assert {vars(record)["environment"] for record in caplog.records} == {"production"}
    assert "127.0.0.1" not in str([report, run_as_dict(latest())])


def test_where_none_is_named_report_and_answer_say_null(deals: redis.Redis, settings: Settings) -> None:
    settings.DEALPURGE_ENVIRONMENT = None

    assert services.start(DRY, ORIGIN).as_dict()["environment"] is None
    assert run_as_dict(latest())["environment"] is None


@pytest.mark.parametrize("setting", [{"ENVIRONMENT": "production"}, {"SERVER_LABEL": 7}, {"CONFIRM_DEALS": "many"}])
def test_settings_that_cannot_be_read_refuse_every_run(settings: Settings, setting: dict[str, Any]) -> None:
    for name, value in setting.items():
        setattr(settings, f"DEALPURGE_{name}", value)

    with pytest.raises(PurgeConfigurationError, match=f"DEALPURGE_{next(iter(setting))}"):
        services.start(DRY, ORIGIN)

    assert not PurgeRun.objects.exists()


def test_what_is_under_way_is_one_query(deals: redis.Redis, django_assert_num_queries: Any, purger: User) -> None:
    services.start(DRY, ORIGIN)
    run = store.create(LIVE, ORIGIN)
    with django_assert_num_queries(1):
        known = under_way(configured())

        assert [purge.pk for purge in known.purges] == [run.pk]
        assert known.server.startswith("Valkey ")
        assert known.server.endswith(", primary")


def test_the_servers_of_another_redis_are_not_told(deals: redis.Redis) -> None:
    services.start(DRY, ORIGIN)

    assert under_way("redis-b.invalid:6379/0").server == ""


def test_the_primaries_of_a_cluster_are_counted(db: None) -> None:
    process = {"run_id": "a", "replid": "b", "version": "7.4.1", "role": "primary", "kind": "redis"}
    met = [process | {"node": node} for node in ("x", "y", "z", "x")]
    PurgeRun.objects.create(mode="all", status="completed", redis_processes=met)

    assert under_way().server == "cluster of 3, Redis 7.4"
