"""Which family and deal a key belongs to: families from the settings, one compiled regex, MATCH patterns. No I/O."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from dealpurge.conf import conf
from dealpurge.exceptions import PurgeConfigurationError
from dealpurge.i18n import gettext_noop
from dealpurge.keys.template import Template
from dealpurge.scope import PurgeScope

NO_DICTIONARY = gettext_noop("DEALPURGE_KEY_FAMILIES must be a dictionary.", code="families_no_dictionary")
NO_TEMPLATES = gettext_noop(
    "Key family {} in DEALPURGE_KEY_FAMILIES needs a template or a list.", code="family_without_template"
)

EVENTS = "events"
CHECKPOINTS = "checkpoints"

#: The platform's own keys. Their types stand in the README.
FAMILIES: Mapping[str, str] = {
    "canvas_sessions": "canvas:session:{org_id}:{deal_id}",
    "locks": "canvas:lock:{org_id}:{deal_id}",
    "presence": "canvas:presence:{org_id}:{deal_id}",
    EVENTS: "canvas:events:{org_id}:{deal_id}",
    "image_crops": "canvas:image_crop:{org_id}:{deal_id}",
    "digitization_cache": "digitization:cache:{org_id}:{deal_id}",
    "intake_summaries": "intake:summary:{org_id}:{deal_id}",
    "doc_readiness": "doc:readiness:{org_id}:{deal_id}",
    "deal_intel": "deal_intel:cache:{org_id}:{deal_id}",
    "brush_findings": "brush:findings:{org_id}:{deal_id}",
}

#: As the LangGraph savers write them: langgraph-checkpoint-redis plain, the ValkeySaver of langgraph-checkpoint-aws
#: with literal braces around the thread id.
CHECKPOINT_PREFIXES = (
    "checkpoint:{thread}",
    "checkpoint_latest:{thread}",
    "checkpoint_write:{thread}",
    "checkpoint_blob:{thread}",
    "write_keys_zset:{thread}",
    "write_registry:{thread}",
    "checkpoint:{{{{{thread}}}}}",
    "writes:{{{{{thread}}}}}",
    "thread:{{{{{thread}}}}}",
)


class Claim(NamedTuple):
    """Whose a key is. ``org_id`` is None where the family's template has no organisation."""

    family: str
    org_id: str | None
    deal_id: str


@dataclass(frozen=True, slots=True)
class Family:
    """A name and its templates; the first one makes new keys."""

    name: str
    templates: tuple[Template, ...]

    def key(self, *suffix: str, org_id: str | None = None, deal_id: str) -> bytes:
        """A key of this family that a purge of the deal is sure to claim. Raises ``ScopeError`` for what is no id."""
        return self.templates[0].key(*suffix, org_id=org_id, deal_id=deal_id)


class Owner(NamedTuple):
    """What the number of a regex group stands for: the family's index, and the groups of organisation and deal.

    Both group numbers are 0 where the group holds the deal's token itself.
    """

    family: int
    org_group: int
    deal_group: int


class Keyspace:
    """The families in force. A deal's token is ``org:deal``, or ``deal`` alone without an organisation."""

    def __init__(self, families: Mapping[str, Sequence[Template]]) -> None:
        self.families = {name: Family(name, tuple(items)) for name, items in families.items() if items}
        self.names = tuple(self.families)
        self.owners: dict[int, Owner] = {}
        #: How many templates begin with each head.
        self.heads = Counter(item.head for family in self.families.values() for item in family.templates)
        self.match = re.compile(self._compile(), re.DOTALL).match

    @classmethod
    def from_settings(cls) -> Keyspace:
        """The built-in table with ``DEALPURGE_KEY_FAMILIES`` merged over it. Raises ``PurgeConfigurationError``."""
        return cls({name: [Template.parse(text) for text in texts] for name, texts in family_texts().items()})

    @property
    def texts(self) -> dict[str, list[str]]:
        """Each family's templates as they are written."""
        return {name: [item.text for item in one.templates] for name, one in self.families.items()}

    def digest(self, scope: PurgeScope, *, archived: bool = False) -> str:
        """Tells whether two processes, or today and yesterday, purge the same keys by ``scope``. Of one that asks for
        what versions before the migrations 0007 or 0012 would leave out, they have another, and refuse it."""
        texts: list[object] = [*self.texts.items()]
        newer = scope.newer + ["archive"] * archived
        texts += [newer] if newer else []
        return sha256(repr(texts).encode()).hexdigest()

    def agrees_with(self, digest: str, scope: PurgeScope, *, archived: bool = False) -> bool:
        """Whether ``digest`` is that of the same families, or not known."""
        return digest in ("", self.digest(scope, archived=archived))

    def index(self, name: str) -> int:
        """The family's place in the order of ``names``, or -1 if there is none such."""
        return self.names.index(name) if name in self.names else -1

    def claim(self, key: bytes) -> Claim | None:
        """Whose ``key`` is, or None if no family claims it."""
        match = self.match(key)
        token = self.token(match) if match else None
        if match is None or token is None:
            return None
        org_id, deal_id = split_token(token)
        return Claim(self.family_of(match), org_id, deal_id)

    def family_of(self, match: re.Match[bytes]) -> str:
        """Name of the family whose template matched."""
        return self.names[self.family_index(match)]

    def family_index(self, match: re.Match[bytes]) -> int:
        """Place in ``names`` of the family whose template matched."""
        return self.owners[match.lastindex or 0].family

    def token(self, match: re.Match[bytes]) -> bytes | None:
        """The deal's token, or None where an id is not UTF-8."""
        owner = self.owners[match.lastindex or 0]
        token = (
            match[owner.org_group] + b":" + match[owner.deal_group] if owner.deal_group else match[match.lastindex or 0]
        )
        return token if token.isascii() or is_utf8(token) else None

    def scan_pattern(self, scope: PurgeScope) -> bytes | None:
        """The narrowest MATCH that misses no key of the scope, nor one needed to judge it; None for all keys."""
        if scope.single:
            return b"*" + glob_escape(scope.single[1]) + b"*"
        templates = [item for family in self.families.values() for item in family.templates]
        if scope.org_id and all(item.has_org for item in templates):
            return b"*" + glob_escape(scope.org_id) + b"*"
        head = os.path.commonprefix([item.head for item in templates])
        return glob_escape(head) + b"*" if head else None

    def _compile(self) -> bytes:
        branches: list[tuple[bytes, bytes]] = []
        group = 1
        for index, family in enumerate(self.families.values()):
            for template in family.templates:
                branches.append((template.head, template.pattern()))
                self.owners[group + template.groups - 1] = _owner(index, template, group)
                group += template.groups
        return alternation(branches) if branches else rb"(?!)"


def families() -> Mapping[str, Family]:
    """The families in force by name, for whoever writes keys. Raises ``PurgeConfigurationError``."""
    return Keyspace.from_settings().families


def family_texts() -> dict[str, list[str]]:
    """Templates by family as the settings say, not yet parsed; dropped families are empty."""
    thread = conf.checkpoint_thread
    texts: dict[str, list[str]] = {name: [text] for name, text in FAMILIES.items()}
    texts[CHECKPOINTS] = [prefix.format(thread=thread) for prefix in CHECKPOINT_PREFIXES]
    own = conf.key_families
    if not isinstance(own, Mapping):
        raise PurgeConfigurationError(NO_DICTIONARY)
    for name, value in own.items():
        if not isinstance(value, str | list | tuple):
            raise PurgeConfigurationError(NO_TEMPLATES.format(repr(name)))
        texts[name] = [value] if isinstance(value, str) else list(value)
    return texts


def in_order(counts: Mapping[str, int]) -> dict[str, int]:
    """Numbers by family in the order of the settings, which PostgreSQL does not keep in JSON; unknown ones are last."""
    try:
        places = {name: place for place, name in enumerate(family_texts())}
    except PurgeConfigurationError:
        return dict(counts)
    return dict(sorted(counts.items(), key=lambda item: places.get(item[0], len(places))))


def split_token(token: bytes) -> tuple[str | None, str]:
    """Organisation and deal of a token."""
    org_id, colon, deal_id = token.decode().rpartition(":")
    return (org_id if colon else None), deal_id


def make_token(org_id: str | None, deal_id: str) -> bytes:
    """The token of a deal; ids hold no colon, so it is unique."""
    return deal_id.encode() if org_id is None else f"{org_id}:{deal_id}".encode()


def glob_escape(text: str | bytes) -> bytes:
    """``text`` as a glob that matches itself only. Redis knows the specials ``\\ * ? [ ]``."""
    return re.sub(rb"([\\*?\[\]])", rb"\\\1", text.encode() if isinstance(text, str) else text)


def is_utf8(token: bytes) -> bool:
    """Whether the bytes decode."""
    try:
        token.decode()
    except UnicodeDecodeError:
        return False
    return True


def _owner(family: int, template: Template, first_group: int) -> Owner:
    if template.is_pair or not template.has_org:
        return Owner(family, 0, 0)
    names = template.parts[1::2]
    return Owner(family, first_group + names.index("org_id"), first_group + names.index("deal_id"))


def alternation(branches: list[tuple[bytes, bytes]]) -> bytes:
    """An alternation that shares the heads' common beginnings, group numbers in the order of ``branches``."""
    if len(branches) == 1:
        return re.escape(branches[0][0]) + branches[0][1]
    shared: bytes = os.path.commonprefix([head for head, _ in branches])  # type: ignore[assignment]
    runs: list[list[tuple[bytes, bytes]]] = []
    for head, rest in branches:
        tail = head[len(shared) :]
        if runs and tail and runs[-1][0][0][:1] == tail[:1]:
            runs[-1].append((tail, rest))
        else:
            runs.append([(tail, rest)])
    return re.escape(shared) + b"(?:" + b"|".join(alternation(run) for run in runs) + b")"
