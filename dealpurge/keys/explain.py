"""Which family claims a key and what a purge does with it, or why none does. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dealpurge.keys import near_miss
from dealpurge.keys.families import CHECKPOINTS, EVENTS, Claim, Keyspace
from dealpurge.keys.template import Template
from dealpurge.text import escape


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Whose a key is, and ``reason`` in words. Without a ``family`` nothing claims it, and no purge takes it.

    ``org_id`` is None where the template has no organisation; ``template`` is the one that claims the key.
    """

    key: bytes
    family: str | None = None
    org_id: str | None = None
    deal_id: str | None = None
    template: str | None = None
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """The explanation as JSON data; key and ids escaped for display."""
        return {
            "key": escape(self.key),
            "family": self.family,
            "org_id": None if self.org_id is None else escape(self.org_id),
            "deal_id": None if self.deal_id is None else escape(self.deal_id),
            "template": self.template,
            "reason": self.reason,
        }


def explain(key: bytes | str) -> Explanation:
    """Whose ``key`` is by the settings in force; the key as redis-py gives it. Asks no Redis.

    Raises ``PurgeConfigurationError``.
    """
    return explain_in(Keyspace.from_settings(), key if isinstance(key, bytes) else key.encode())


def explain_in(keyspace: Keyspace, key: bytes) -> Explanation:
    """``explain`` in a keyspace that is made already."""
    claim = keyspace.claim(key)
    if claim is None:
        return Explanation(key=key, reason=near_miss.reason(keyspace, key))
    template = next(item for item in keyspace.families[claim.family].templates if _matches(item, key))
    return Explanation(
        key=key,
        family=claim.family,
        org_id=claim.org_id,
        deal_id=claim.deal_id,
        template=template.text,
        reason=" ".join(_sentences(keyspace, key, claim)),
    )


def _sentences(keyspace: Keyspace, key: bytes, claim: Claim) -> Iterator[str]:
    deal = near_miss.pair(claim)
    if claim.family == CHECKPOINTS:
        yield f"A LangGraph checkpoint: goes with {deal} only where include_checkpoints is asked for, and else stays."
        yield "Which deal it is follows from DEALPURGE_CHECKPOINT_THREAD."
    else:
        yield f"Goes with {deal}."
    if claim.org_id is None:
        yield "Its template names no organisation, so a purge of all deals of one organisation leaves it."
    if claim.family == EVENTS:
        yield "It tells when somebody last worked on the deal."
    others = [name for name, family in keyspace.families.items() if any(_matches(t, key) for t in family.templates)]
    others.remove(claim.family)
    if others:
        yield f"{escape(', '.join(others))} would claim it too, which manage.py check refuses (dealpurge.E009)."


def _matches(template: Template, key: bytes) -> bool:
    return re.match(re.escape(template.head) + template.pattern(), key, re.DOTALL) is not None
