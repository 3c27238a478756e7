"""An archive in an S3 bucket, encrypted with a key of KMS, as the README has it: moto plays both."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.request import urlopen
from uuid import UUID

import pytest
import redis
from django.core.management import call_command
from pytest_django.fixtures import Settings

from dealpurge import services
from dealpurge.exceptions import ArchiveUnavailable, RestoreRefused
from dealpurge.models import PurgeArchiveChunk, PurgeRun
from dealpurge.report import PurgeReport
from dealpurge.restore_report import RestoreReport
from dealpurge.runs.store import Origin
from dealpurge.scope import RestoreScope
from tests.support.archiving import commands_in, snapshot
from tests.support.readme_blocks import README
from tests.support.seeding import seed_scene
from tests.support.servers import free_port, missing, wait_until

pytestmark = [pytest.mark.object_storage, pytest.mark.django_db(transaction=True)]

BUCKET = "company-purges"


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """S3 on a free port, which ``AWS_ENDPOINT_URL`` names."""
    if not all(map(find_spec, ("moto", "storages", "boto3"))):
        missing("moto or django-storages is not installed (pip install -r tests/object_storage/requirements.txt)")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    for name, value in {"ENDPOINT_URL": url, "ACCESS_KEY_ID": "x", "SECRET_ACCESS_KEY": "x"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers(url), what="S3")
        yield process
    finally:
        process.kill()
        process.wait()


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=1):  # noqa: S310 - our own
            return True
    except OSError:
        return False


@pytest.fixture
def bucket(service: object) -> Any:
    import boto3

    client = boto3.client("s3", region_name="eu-central-1")
    client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    yield client
    client.close()


@pytest.fixture
def archived(valkey_settings: Settings) -> Settings:
    """By the recipe of the README."""
    recipe = README.read_text().partition('"BACKEND": "storages.backends.s3.S3Storage"')
    assert recipe[1]
    names: dict[str, Any] = {}
    start, end = recipe[0].rindex("```python"), recipe[2].index("```")
    exec("\n".join([*recipe[0][start:].splitlines()[1:], ""]) + recipe[1] + recipe[2][:end], names)  # noqa: S102 - our own
    valkey_settings.STORAGES = {**valkey_settings.STORAGES, "purges": names["STORAGES"]["purges"]}
    valkey_settings.DEALPURGE_ARCHIVE = "purges"
    return valkey_settings


def test_what_goes_is_in_the_bucket_encrypted(bucket: Any, archived: Settings, valkey_client: redis.Redis) -> None:
    scene = seed_scene(valkey_client, deals=200)

    report = services.purge_deals(mode="all", dry_run=False)

    chunks = list(PurgeArchiveChunk.objects.all())
    objects = [bucket.get_object(Bucket=BUCKET, Key=chunk.name) for chunk in chunks]
    data = b"".join(gzip.decompress(item["Body"].read()) for item in objects)
    assert {words[1].decode() for words in commands_in(data)} == scene.mine
    assert {item["ServerSideEncryption"] for item in objects} == {"aws:kms"}
    assert report.archive is not None
    assert report.archive.bytes == sum(item["ContentLength"] for item in objects)

    call_command("purge_archives", "--run", str(report.run_id), "--no-dry-run", "--quiet")

    assert "Contents" not in bucket.list_objects_v2(Bucket=BUCKET)
    assert PurgeRun.objects.get(pk=str(report.run_id)).archive_removed_at


def test_without_the_service_nothing_goes(
    service: subprocess.Popen[bytes], bucket: Any, archived: Settings, valkey_client: redis.Redis
) -> None:
    seed_scene(valkey_client, deals=20)
    before = valkey_client.dbsize()
    archived.DEALPURGE_RETRY_SECONDS = 1
    service.kill()

    with pytest.raises(ArchiveUnavailable, match="nothing unarchived was deleted"):
        services.purge_deals(mode="all", dry_run=False)

    assert valkey_client.dbsize() == before


def restored(report: PurgeReport) -> RestoreReport:
    origin = Origin(source=PurgeRun.Source.COMMAND, actor_name="op")
    return services.start_restore(UUID(str(report.run_id)), RestoreScope(dry_run=False), origin)


def test_it_comes_back_from_the_bucket(bucket: Any, archived: Settings, valkey_client: redis.Redis) -> None:
    seed_scene(valkey_client, deals=200)
    before = snapshot(valkey_client)
    report = services.purge_deals(mode="all", dry_run=False)

    assert restored(report).status == "completed"

    assert snapshot(valkey_client) == before


def test_what_is_missing_there_is_told_from_a_service_that_is_away(
    service: subprocess.Popen[bytes], bucket: Any, archived: Settings, valkey_client: redis.Redis
) -> None:
    seed_scene(valkey_client, deals=20)
    report = services.purge_deals(mode="all", dry_run=False)
    left = valkey_client.dbsize()
    archived.DEALPURGE_RETRY_SECONDS = 1
    bucket.delete_object(Bucket=BUCKET, Key=PurgeArchiveChunk.objects.latest("pk").name)

    with pytest.raises(RestoreRefused) as refused:
        restored(report)
    assert [file.damage for file in refused.value.report.damaged] == ["missing"]
    service.kill()
    with pytest.raises(ArchiveUnavailable, match="The archive cannot be read"):
        restored(report)

    assert valkey_client.dbsize() == left
