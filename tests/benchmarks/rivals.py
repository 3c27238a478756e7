"""How others delete by pattern, each as it does it, for all families of deal state."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any

import redis
from django.core.cache import caches
from django_redis import get_redis_connection

from dealpurge.keys.families import CHECKPOINTS, Keyspace


def patterns(keyspace: Keyspace, deal: tuple[str, str] | None = None) -> list[str]:
    """A glob for every template that is no checkpoint's; of one deal or of all."""
    org, name = deal or ("*", "*")
    return [
        template.text.format(org_id=org, deal_id=name) + "*"
        for family in keyspace.families.values()
        for template in family.templates
        if family.name != CHECKPOINTS
    ]


def delete_pattern(globs: Sequence[str], itersize: int = 10) -> None:
    """django-redis; 10 is its default. The keys bear no version, so the cache is told to put none into its patterns."""
    cache: Any = caches["default"]
    cache.key_func = lambda key, prefix, version: key
    for glob in globs:
        cache.delete_pattern(glob, itersize=itersize)


def one_by_one(globs: Sequence[str], count: int) -> None:
    """SCAN a family at a time, one UNLINK a key in a pipeline: RedisInsight's way with 10,000, BetterDB's with 500."""
    client: redis.Redis = get_redis_connection("default")
    for glob in globs:
        for page in _pages(client, glob, count):
            with client.pipeline(transaction=False) as pipeline:
                for key in page:
                    pipeline.unlink(key)
                pipeline.execute()


def has_redis_cli() -> bool:
    """Whether the machine can go the way of the shell."""
    return bool(shutil.which("redis-cli") and shutil.which("xargs"))


def xargs(globs: Sequence[str], port: int) -> None:
    """``redis-cli --scan --pattern … | xargs redis-cli unlink``, as every second answer in a forum has it."""
    cli = ["redis-cli", "-p", str(port)]
    for glob in globs:
        with subprocess.Popen([*cli, "--scan", "--pattern", glob], stdout=subprocess.PIPE) as scan:
            subprocess.run(["xargs", "-r", *cli, "unlink"], stdin=scan.stdout, stdout=subprocess.DEVNULL, check=True)


def _pages(client: redis.Redis, glob: str, count: int) -> Iterator[list[bytes | str]]:
    cursor = -1
    while cursor:
        cursor, page = client.scan(max(cursor, 0), match=glob, count=count)
        yield page
