"""Deals in a Redis: how their keys are called, what writes them, and what is left.

The names come from the oracle's table, so the tests describe the families once, and not with words of the package.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import redis

from tests.support import oracle

HOUR = 3600
TABLE = oracle.families()
#: What follows a deal's ids; a number for most families, of which a deal has several keys.
SUFFIXES = {"locks": "", "presence": "", "events": "", "checkpoints": ":__empty__:{}"}
#: The values that are no strings.
HASHES, LISTS = {"canvas_sessions", "presence", "doc_readiness"}, {"brush_findings"}
#: Five keys of as many families, besides the events.
ONE_OF_FIVE = dict.fromkeys(("locks", "image_crops", "digitization_cache", "intake_summaries", "doc_readiness"), 1)


def tagged(pair: str = "{{{org_id}:{deal_id}}}") -> dict[str, str]:
    """DEALPURGE_KEY_FAMILIES with a hash tag in every template, so that a deal's keys lie in one slot."""
    return {name: template.replace("{org_id}:{deal_id}", pair) for name, (template,) in oracle.TABLE.items()}


TAGGED = TABLE | {name: [template] for name, template in tagged().items()}


def key_of(family: str, org_id: str, deal_id: str, number: int = 1, *, tags: bool = False) -> str:
    """A key as the platform calls it, or with a hash tag of both ids."""
    template = (TAGGED if tags else TABLE)[family][0]
    return template.format(org_id=org_id, deal_id=deal_id) + SUFFIXES.get(family, ":{}").format(number)


def commands(
    org_id: str,
    deal_id: str,
    counts: Mapping[str, int],
    *,
    event: str | None = None,
    value: str = "x",
    tags: bool = False,
) -> Iterator[tuple[str, ...]]:
    """What writes so many keys of each family and an event of that id. The second word is the key."""
    for family, count in counts.items():
        for number in range(1, count + 1):
            key = key_of(family, org_id, deal_id, number, tags=tags)
            if family in HASHES:
                yield "HSET", key, "user", "7", "at", value
            else:
                yield "RPUSH" if family in LISTS else "SET", key, value
    if event is not None:
        yield "XADD", key_of("events", org_id, deal_id, tags=tags), event, "kind", "edit"


def event_id(age: float = 0, at: datetime | None = None) -> str:
    """Of an event of so many seconds ago, or of a moment; the server numbers those of one millisecond."""
    moment = at.timestamp() if at else time.time() - age
    return f"{int(moment * 1000)}-*"


def touch(client: Any, org_id: str, deal_id: str, *, age: float = 0, tags: bool = False) -> str:
    """Write an event; returns its key."""
    (key,) = _write(client, commands(org_id, deal_id, {}, event=event_id(age), tags=tags))
    return key


def seed_deal(
    client: Any,
    org_id: str,
    deal_id: str,
    *,
    age: float | None = None,
    at: datetime | None = None,
    tags: bool = False,
    **counts: int,
) -> list[str]:
    """A lock and three image crops, or what `counts` says by family, and an event if its time is told; the keys."""
    event = None if age is None and at is None else event_id(age or 0, at)
    with client.pipeline(transaction=False) as pipeline:
        counts = {"locks": 1, "image_crops": 3} | counts
        keys = _write(pipeline, commands(org_id, deal_id, counts, event=event, tags=tags))
        pipeline.execute()
    return keys


def _write(target: Any, written: Iterable[tuple[str, ...]]) -> list[str]:
    """Give the commands to a client or a pipeline; returns their keys."""
    keys = []
    for words in written:
        target.execute_command(*words)
        keys.append(words[1])
    return keys


@dataclass
class Scene:
    """What was seeded: keys that a purge takes, keys of deals that somebody works on, and keys of others."""

    mine: set[str] = field(default_factory=set)
    active: set[str] = field(default_factory=set)
    foreign: set[str] = field(default_factory=set)

    @property
    def all(self) -> set[str]:
        return self.mine | self.active | self.foreign

    def narrow(self, deals: Iterable[tuple[str, str]]) -> None:
        """Let a purge of these deals be meant, whose keys alone it takes."""
        pairs = [f":{org_id}:{deal_id}" for org_id, deal_id in deals]
        mine = {key for key in self.mine if any(pair in key for pair in pairs)}
        self.foreign |= self.mine - mine
        self.mine = mine

    def assert_purged(self, *clients: redis.Redis) -> None:
        """Nothing of the scope is left on the true primaries, and nothing else is gone."""
        left = names(*clients)
        assert not left & self.mine, "keys of the scope are left"
        assert self.foreign | self.active <= left, "keys are gone that nobody asked to remove"


def seed_scene(client: Any, *, deals: int = 1500, active_every: int = 0, tags: bool = False) -> Scene:
    """Deals of 6 keys, every so many of them active, the others idle for two hours, and two keys of others a deal."""
    scene = Scene()
    for start in range(0, deals, 500):
        with client.pipeline(transaction=False) as pipeline:
            for number in range(start, min(start + 500, deals)):
                org_id, deal_id = f"org{number % 7}", f"deal-{number:05}"
                active = bool(active_every) and number % active_every == 0
                event = event_id(0 if active else 2 * HOUR)
                keys = _write(pipeline, commands(org_id, deal_id, ONE_OF_FIVE, event=event, tags=tags))
                (scene.active if active else scene.mine).update(keys)
                strangers = {f"session:{number}", f"canvas:lockets:{org_id}:{deal_id}"}
                for key in strangers:
                    pipeline.set(key, "x")
                scene.foreign |= strangers
            pipeline.execute()
    return scene


def names(*clients: redis.Redis) -> set[str]:
    """Every key there is."""
    return {key.decode() for client in clients for key in client.scan_iter(count=5000)}


def existing(client: redis.Redis, keys: Sequence[str]) -> int:
    return int(client.exists(*keys))
