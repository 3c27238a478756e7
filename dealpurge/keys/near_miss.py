"""Why nothing claims a key: what stands in front of it, which of its segments is no id, which template is nearest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher

from dealpurge.keys.families import Claim, Keyspace
from dealpurge.keys.template import Template
from dealpurge.scope import ID_MAX_BYTES, id_problem
from dealpurge.text import escape

#: How alike a template's beginning and the key's must be to be worth a word.
ALIKE = 0.75
IDS = {"org_id": "organisation", "deal_id": "deal"}
#: A key with braces that make hash tags, and not just some brace.
TAGGED = re.compile(rb"(?:[^{}]*\{[^{}]+\})+[^{}]*")
BRACES = frozenset(b"{}")
NO_BRACES = str.maketrans("", "", "{}")
NOTHING = "Nothing claims it, so no purge takes it"


def reason(keyspace: Keyspace, key: bytes) -> str:
    """One or two sentences; ``key`` is one that the keyspace does not claim."""
    owned = [(name, template) for name, family in keyspace.families.items() for template in family.templates]
    found = _other_case(keyspace, owned, key) or _something_in_front(keyspace, key)
    found = found or _other_braces(owned, key) or _no_id(owned, key)
    return f"{NOTHING}: {found or _other_beginning(owned, key)}"


def pair(claim: Claim) -> str:
    """A deal by name."""
    deal = f"deal {_quoted(claim.deal_id)}"
    return deal if claim.org_id is None else f"{deal} of {_quoted(claim.org_id)}"


def _other_case(keyspace: Keyspace, owned: list[tuple[str, Template]], key: bytes) -> str | None:
    for name, template in owned:
        head = template.head
        if key[: len(head)].lower() == head.lower() and keyspace.claim(head + key[len(head) :]):
            return f"{_named(name, template)} is written {_quoted(head)}, and capital letters make another key."
    return None


def _something_in_front(keyspace: Keyspace, key: bytes) -> str | None:
    for start in _starts(keyspace, key):
        claim = keyspace.claim(key[start:])
        if claim is None:
            continue
        front = _quoted(key[:start])
        whose = f"without {front} in front it would be of {escape(claim.family)} and {pair(claim)}."
        if re.fullmatch(rb".*:\d+:", key[:start], re.DOTALL):
            return f"{whose} Django's cache API writes such prefixes; put it into the family's template."
        return whose
    return None


def _starts(keyspace: Keyspace, key: bytes) -> Iterator[int]:
    heads = b"|".join(map(re.escape, keyspace.heads))
    if heads:
        yield from (match.start() for match in re.finditer(b"(?=" + heads + b")", key) if match.start())


def _other_braces(owned: list[tuple[str, Template]], key: bytes) -> str | None:
    """The template that would claim the key if it were not for the braces that one of them has."""
    tagged = TAGGED.fullmatch(key) is not None
    if not tagged and not BRACES.isdisjoint(key):
        return None
    if any(b"{" in template.head and key.startswith(template.head) for _, template in owned):
        return None  # the braces stand where they should
    for name, template in owned:
        literals = template.parts[::2]
        if tagged is any("{" in text or "}" in text for text in literals) or not _fits(template, key):
            continue
        if tagged:
            return f"it has braces, a hash tag, and {_named(name, template)} has none."
        return f"{_named(name, template)} has braces, a hash tag, and the key has none."
    return None


def _fits(template: Template, key: bytes) -> bool:
    """Whether the template claims the key once neither has braces."""
    parts = tuple(part if index % 2 else part.translate(NO_BRACES) for index, part in enumerate(template.parts))
    bare = Template(template.text, parts)
    pattern = re.escape(bare.head) + bare.pattern()
    return all(parts[2:-1:2]) and re.match(pattern, key.translate(None, b"{}"), re.DOTALL) is not None


def _no_id(owned: list[tuple[str, Template]], key: bytes) -> str | None:
    """The template that goes with the key the farthest, and what ends it."""
    tries = [(*_follow(template, key), name, template) for name, template in owned if key.startswith(template.head)]
    if not tries:
        return None
    _, problem, name, template = max(tries, key=lambda item: item[0])
    return f"{_named(name, template)} is nearest, but {problem}."


def _follow(template: Template, key: bytes) -> tuple[int, str]:
    """How many bytes of the key fit the template, and why no more do."""
    place = len(template.head)
    for name, literal in zip(template.parts[1::2], template.parts[2::2], strict=True):
        segment = re.compile(rb"[^:{}]*").match(key, place)
        value = segment[0] if segment else b""
        problem = _id_words(name, value)
        if not value and key[place : place + 1] in (b"{", b"}"):
            return place, f"{_quoted(key[place : place + 1])} stands where {{{name}}} belongs"
        if problem:
            return place, problem
        place += len(value)
        if not key.startswith(literal.encode(), place):
            return place, _interrupted(template, name, value, literal, key[place:])
        place += len(literal.encode())
    return place, f"after it only the end or a ':' may come, not {_quoted(key[place : place + 1])}"


def _interrupted(template: Template, name: str, value: bytes, literal: str, rest: bytes) -> str:
    after = f"after the {IDS[name]} {_quoted(value)}"
    if not rest and name != template.parts[-2]:
        return f"it ends {after}, where {{{template.parts[-2]}}} should follow: a segment is missing"
    if not rest:
        return f"it ends {after}, where {_quoted(literal.encode())} should follow"
    return f"{after} comes {_quoted(rest[:1])}, where {_quoted(literal.encode())} belongs"


def _id_words(name: str, value: bytes) -> str | None:
    """What keeps a segment from being an id."""
    try:
        problem = id_problem(value.decode())
    except UnicodeDecodeError:
        return f"{_quoted(value)} is no {IDS[name]} id: it is not UTF-8"
    if problem is None:
        return None
    if problem[0] == "string_too_short":
        return f"nothing stands where {{{name}}} belongs"
    words = {"string_too_long": f"it is longer than {ID_MAX_BYTES} bytes"}
    return f"{_quoted(value)} is no {IDS[name]} id: {words.get(problem[0], 'it has a space or a control character')}"


def _other_beginning(owned: list[tuple[str, Template]], key: bytes) -> str:
    nearest = max(owned, key=lambda item: _likeness(item[1], key), default=None)
    if nearest is None or _likeness(nearest[1], key) < ALIKE:
        return "no family's template begins like it. If it belongs to a deal, add it to DEALPURGE_KEY_FAMILIES."
    return f"no family's template begins like it; the nearest is {_named(*nearest)}."


def _likeness(template: Template, key: bytes) -> float:
    """0 to 1, of the template's literal beginning and as many segments of the key."""
    head = template.head
    segments = key[: 2 * len(head)].split(b":")
    beginning = b":".join(segments[: head.count(b":")]) + b":"
    return SequenceMatcher(None, head, beginning).ratio()


def _named(family: str, template: Template) -> str:
    return f"{_quoted(template.text)} of {escape(family)}"


def _quoted(text: bytes | str) -> str:
    return f"'{escape(text)}'"
