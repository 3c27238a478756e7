"""Whether two templates claim one key, decided segment by segment, with such a key as the proof. Pure, no I/O."""

from __future__ import annotations

from itertools import zip_longest

from dealpurge.keys.template import Template
from dealpurge.scope import FORBIDDEN_IN_IDS

#: What stands between two colons: single characters, and names of placeholders.
Segment = tuple[str, ...]

#: What a placeholder stands for in a pattern: one character that an id may have, then any number more of them.
ONE, MORE = "one", "more"
EXAMPLE = "1"


def shared_key(one: Template, other: Template) -> str | None:
    """A key that both templates claim, or None. A placeholder fits any text that can be an id."""
    texts: list[str] = []
    for first, second in zip_longest(segments(one), segments(other)):
        text = _example(first or second) if first is None or second is None else common_text(first, second)
        if text is None:
            return None
        texts.append(text)
    return ":".join(texts)


def reads_alike(one: Template, other: Template) -> bool:
    """Whether the two templates, given a key that both claim, always name the same deal."""
    none: Segment = ()
    pairs = zip_longest(segments(one), segments(other), fillvalue=none)
    return all(first == second for first, second in pairs if _has_placeholder(first + second))


def segments(template: Template) -> list[Segment]:
    """The template cut at its colons: it claims what begins with these segments."""
    cut: list[list[str]] = [[]]
    for index, part in enumerate(template.parts):
        if index % 2:
            cut[-1].append(part)
            continue
        first, *rest = part.split(":")
        cut[-1].extend(first)
        cut.extend(list(piece) for piece in rest)
    return [tuple(segment) for segment in cut]


def common_text(one: Segment, other: Segment) -> str | None:
    """A text that fits both segments, or None."""
    first, second = _pattern(one), _pattern(other)
    todo, seen = [(0, 0, "")], set()
    while todo:
        here, there, text = todo.pop()
        if (here, there) == (len(first), len(second)):
            return text
        if (here, there) in seen:
            continue
        seen.add((here, there))
        if here < len(first) and first[here] == MORE:
            todo.append((here + 1, there, text))
        if there < len(second) and second[there] == MORE:
            todo.append((here, there + 1, text))
        if here < len(first) and there < len(second):
            todo.extend(_step(first, second, here, there, text))
    return None


def _step(first: list[str], second: list[str], here: int, there: int, text: str) -> list[tuple[int, int, str]]:
    """Take one character that both patterns allow here, if there is one."""
    character = _common_character(first[here], second[there])
    if character is None:
        return []
    return [(here + (first[here] != MORE), there + (second[there] != MORE), text + character)]


def _common_character(one: str, other: str) -> str | None:
    if one == other:
        return EXAMPLE if one in (ONE, MORE) else one
    literals = [item for item in (one, other) if item not in (ONE, MORE)]
    if not literals:
        return EXAMPLE
    return literals[0] if len(literals) == 1 and literals[0] not in FORBIDDEN_IN_IDS else None


def _pattern(segment: Segment) -> list[str]:
    return [step for item in segment for step in ((ONE, MORE) if len(item) > 1 else (item,))]


def _example(segment: Segment | None) -> str:
    return "".join(EXAMPLE if len(item) > 1 else item for item in segment or ())


def _has_placeholder(segment: Segment) -> bool:
    return any(len(item) > 1 for item in segment)
