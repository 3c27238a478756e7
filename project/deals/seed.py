"""Deals to try things on: rows in the database and what the platform keeps of them in Redis.

The keys are spelt out here as the platform writes them, and not built with dealpurge's own key builder, so that a
purge of them proves something.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import redis
from django.utils import timezone

from .models import Deal, Organization

if TYPE_CHECKING:
    from redis.client import Pipeline

ORGANIZATIONS = {
    "acme": "Acme Capital",
    "birch": "Birch & Sons",
    "corvid": "Corvid Partners",
    "delta-9": "Delta Nine",
    "ember": "Ember Ventures",
}
KINDS = ("Logistics", "Solar", "Bakery", "Shipyard", "Clinic", "Vineyard", "Foundry", "Software")
ROUNDS = ("acquisition", "seed round", "refinancing", "carve-out", "merger")

#: Names of the keys that were seeded, kept in the Redis itself: what else is there belongs to somebody else.
SEEDED = "demo:seeded"

OrgAndDeal = tuple[str, str]


def seed_database(count: int = 200) -> list[Deal]:
    """Create what is missing of `count` deals, spread over five organisations; ids are deal-1, deal-2, ..."""
    organizations = [
        Organization.objects.get_or_create(slug=slug, defaults={"name": name})[0]
        for slug, name in ORGANIZATIONS.items()
    ]
    return [_deal(number, organizations[number % len(organizations)]) for number in range(1, count + 1)]


def _deal(number: int, organization: Organization) -> Deal:
    chance = random.Random(number)  # noqa: S311 - variety, not secrecy
    name = f"{chance.choice(KINDS)} {chance.choice(ROUNDS)}"
    created = timezone.now() - timedelta(days=chance.randint(61, 500), minutes=chance.randint(0, 1439))
    defaults = {"name": name, "status": chance.choice(Deal.Status.values), "created": created}
    return Deal.objects.get_or_create(deal_id=f"deal-{number}", organization=organization, defaults=defaults)[0]


def seed_redis(client: redis.Redis, deals: Iterable[OrgAndDeal], *, now: datetime | None = None) -> int:
    """Write the state of deals, every family in the types the platform uses; returns how many keys that were.

    The same deals get the same keys each time. What is there under such a name is replaced.
    """
    now = now or datetime.now(UTC)
    pipeline = client.pipeline(transaction=False)
    count = _send(pipeline, list(_other_keys(pipeline)))
    for org_id, deal_id in deals:
        count += _send(pipeline, list(DealState(pipeline, org_id, deal_id, now).write()))
    return count


def _send(pipeline: Pipeline, names: list[str]) -> int:
    pipeline.sadd(SEEDED, *names)
    pipeline.execute()
    return len(names)


def foreign_keys(client: redis.Redis, limit: int = 3) -> list[bytes]:
    """Some keys, if there are any, that no seeding has made."""
    ours = {*client.smembers(SEEDED), SEEDED.encode()} if client.type(SEEDED) == b"set" else set()
    return list(islice((key for key in client.scan_iter(count=500) if key not in ours), limit))


def last_activity(org_id: str, deal_id: str, now: datetime) -> datetime | None:
    """When somebody last worked on a seeded deal: one in eight within 50 minutes, one in ten never, others days ago."""
    chance = random.Random(f"{org_id}:{deal_id}:activity")  # noqa: S311 - variety, not secrecy
    lot = chance.random()
    if lot < 1 / 8:
        return now - timedelta(minutes=chance.randint(0, 50))
    if lot < 1 / 8 + 1 / 10:
        return None
    return now - timedelta(days=chance.randint(1, 60), minutes=chance.randint(0, 600))


class DealState:
    """What the platform keeps of one deal. Each method queues the commands of some keys and yields their names."""

    def __init__(self, pipeline: Pipeline, org_id: str, deal_id: str, now: datetime) -> None:
        self.pipeline = pipeline
        self.owner = f"{org_id}:{deal_id}"
        self.deal_id = deal_id
        self.active = last_activity(org_id, deal_id, now)
        self.now = now
        self.chance = random.Random(self.owner)  # noqa: S311 - variety, not secrecy

    def write(self) -> Iterator[str]:
        for write in (self.people, self.events, self.documents, self.findings, self.checkpoints):
            yield from write()

    def people(self) -> Iterator[str]:
        """Canvas sessions, presence, and a lock where somebody edits or did until just now."""
        users = [f"user-{self.chance.randint(1, 90)}" for _ in range(self.chance.randint(1, 3))]
        for user in dict.fromkeys(users):
            yield self._hash(f"canvas:session:{self.owner}:{user}", {"user": user, "zoom": "1.25", "page": "3"})
        if self.chance.random() < 0.5:
            yield self._hash(f"canvas:presence:{self.owner}", dict.fromkeys(users, "viewing"))
        else:
            key = self._fresh(f"canvas:presence:{self.owner}")
            self.pipeline.zadd(key, dict.fromkeys(users, (self.active or self.now).timestamp()))
            yield key
        edits = self.active is not None and self.now - self.active < timedelta(hours=1)
        if edits or self.chance.random() < 0.1:  # some locks outlive the editing, until they expire
            yield self._string(f"canvas:lock:{self.owner}", users[0], expires_in=1800)

    def events(self) -> Iterator[str]:
        """The stream whose newest id is the deal's last activity."""
        if self.active is None:
            return
        key = self._fresh(f"canvas:events:{self.owner}")
        newest = int(self.active.timestamp() * 1000)
        for age in (90_000, 30_000, 0):
            self.pipeline.xadd(
                key, {"type": "node.moved", "node": str(self.chance.randint(1, 40))}, f"{newest - age}-0"
            )
        yield key

    def documents(self) -> Iterator[str]:
        """Image crops, digitisation cache, intake summary and readiness."""
        for page in range(1, self.chance.randint(2, 4)):
            crop = b"\x89PNG\r\n\x1a\n" + self.chance.randbytes(120)
            yield self._string(f"canvas:image_crop:{self.owner}:page-{page}", crop)
        yield self._string(f"digitization:cache:{self.owner}:term-sheet.pdf", json.dumps({"pages": 12}))
        yield self._hash(f"digitization:cache:{self.owner}:accounts.xlsx", {"sheets": "4", "state": "done"})
        yield self._string(
            f"intake:summary:{self.owner}", json.dumps({"summary": "Two sites, one owner.", "pages": 31})
        )
        yield self._hash(f"doc:readiness:{self.owner}", {"term-sheet.pdf": "ready", "accounts.xlsx": "ready"})

    def findings(self) -> Iterator[str]:
        """Deal intelligence and brush findings."""
        yield self._string(f"deal_intel:cache:{self.owner}", json.dumps({"score": self.chance.randint(1, 100)}))
        if self.chance.random() < 0.5:
            key = self._fresh(f"brush:findings:{self.owner}")
            self.pipeline.rpush(key, *(json.dumps({"finding": n}) for n in range(3)))
            yield key
        else:
            yield self._string(f"brush:findings:{self.owner}", json.dumps([{"finding": 1}]))

    def checkpoints(self) -> Iterator[str]:
        """A synthesis run in flight, for every third deal, under the key names of one of two LangGraph savers."""
        lot = self.chance.random()
        if lot < 1 / 6:
            yield from self._redis_saver(self.deal_id)
        elif lot < 1 / 3:
            yield from self._valkey_saver(f"{{{self.deal_id}}}")

    def _redis_saver(self, thread: str) -> Iterator[str]:
        checkpoint = f"{thread}:__empty__:{self._ulid()}"
        state = json.dumps({"channel_values": {"draft": "..."}, "step": 4})
        yield self._string(f"checkpoint:{checkpoint}", state)
        yield self._string(f"checkpoint_latest:{thread}:__empty__", f"checkpoint:{checkpoint}")
        write = f"checkpoint_write:{checkpoint}:{self._ulid()}:0"
        yield self._string(write, json.dumps({"channel": "draft"}))
        key = self._fresh(f"write_keys_zset:{checkpoint}")
        self.pipeline.zadd(key, {write: 0})
        yield key

    def _valkey_saver(self, thread: str) -> Iterator[str]:
        checkpoint = self._ulid()
        yield self._string(f"checkpoint:{thread}:__empty__:{checkpoint}", json.dumps({"step": 2}))
        yield self._string(f"writes:{thread}:__empty__:{checkpoint}", json.dumps([["draft", "..."]]))
        key = self._fresh(f"thread:{thread}:__empty__")
        self.pipeline.rpush(key, checkpoint)
        yield key

    def _ulid(self) -> str:
        return f"01K{self.chance.getrandbits(64):023d}"

    def _fresh(self, key: str) -> str:
        self.pipeline.delete(key)
        return key

    def _string(self, key: str, value: str | bytes, *, expires_in: int | None = None) -> str:
        self.pipeline.set(key, value, ex=expires_in)
        return key

    def _hash(self, key: str, fields: dict[Any, str]) -> str:
        self.pipeline.hset(self._fresh(key), mapping=fields)
        return key


def _other_keys(pipeline: Pipeline) -> Iterator[str]:
    """Keys that are nobody's deal state: no purge may take them, whatever they look like."""
    values = {
        "canvas:thumbnail:acme:deal-5": "a family that somebody forgot to register",
        "canvas:settings:acme": "an organisation's own settings",
        ":1:views.decorators.cache.cache_page.deal-5": "a page in Django's cache",
        "ratelimit:acme:deal-5": "a counter of another app",
    }
    for key, value in values.items():
        pipeline.set(key, value)
        yield key
