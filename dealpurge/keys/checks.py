"""System checks of the key families: each template by itself, then every pair of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from django.core.checks import CheckMessage, Error, Warning

from dealpurge.conf import conf
from dealpurge.keys.families import CHECKPOINTS, EVENTS, family_texts
from dealpurge.keys.overlap import reads_alike, shared_key
from dealpurge.keys.template import Template, TemplateError
from dealpurge.text import escape

EXAMPLE = "'canvas:notes:{org_id}:{deal_id}'"
HINTS = {
    "syntax": (
        "E005",
        f"Write it like {EXAMPLE}: {{deal_id}} once, {{org_id}} at most once, literal braces doubled, no other field.",
    ),
    "deal_id": ("E006", f"Without exactly one {{deal_id}} a key belongs to no deal. Write it like {EXAMPLE}."),
    "head": ("E007", f"Begin with text that no other application's keys begin with, as in {EXAMPLE}."),
    "adjacent": ("E008", "Put ':', '{{' or '}}' between the placeholders: nothing else ends an id for certain."),
}


def check_families() -> Iterator[CheckMessage]:
    """E004 to E011, W002 and W003: what ``DEALPURGE_KEY_FAMILIES`` and ``DEALPURGE_CHECKPOINT_THREAD`` make."""
    broken = [*_broken_table(), *_broken_thread()]
    yield from broken
    if broken:
        return
    families: dict[str, list[Template]] = {}
    for name, texts in family_texts().items():
        for text in texts:
            try:
                families.setdefault(name, []).append(Template.parse(text))
            except TemplateError as exc:
                code, hint = HINTS[exc.code]
                yield Error(f"Key family {name!r}: {exc}", hint=hint, id=f"dealpurge.{code}")
    yield from _check_pairs(families)
    yield from _check_colons(families)
    if not family_texts().get(EVENTS):
        yield Warning(
            "There is no events family, so a purge with exclude_active_within_secs is refused.",
            hint="Give DEALPURGE_KEY_FAMILIES an 'events' family: the keys whose last write tells that a deal is live.",
            id="dealpurge.W002",
        )


def _broken_table() -> Iterator[CheckMessage]:
    families: object = conf.key_families
    hint = f"Write it as {{'notes': {EXAMPLE}}}; a family may have a list of templates, and an empty list drops it."
    if not isinstance(families, Mapping):
        yield Error("DEALPURGE_KEY_FAMILIES is no dictionary.", hint=hint, id="dealpurge.E004")
        return
    for name, value in families.items():
        if not isinstance(name, str) or not name:
            yield Error(f"A key family's name is no text: {name!r}.", hint=hint, id="dealpurge.E004")
        if not isinstance(value, str | list | tuple):
            message = f"Key family {name!r} is neither a template nor a list of templates: {value!r}."
            yield Error(message, hint=hint, id="dealpurge.E004")


def _broken_thread() -> Iterator[CheckMessage]:
    thread: object = conf.checkpoint_thread
    try:
        Template.parse(f"checkpoint:{thread}" if isinstance(thread, str) else thread)
    except TemplateError as exc:
        yield Error(
            f"DEALPURGE_CHECKPOINT_THREAD is no template of a thread id: {thread!r}. {exc}",
            hint="Write what the host gives LangGraph as thread_id: '{deal_id}' and '{org_id}:{deal_id}' are common.",
            id="dealpurge.E011",
        )


def _check_pairs(families: Mapping[str, Sequence[Template]]) -> Iterator[CheckMessage]:
    owned = [(name, template) for name, templates in families.items() for template in templates]
    for (name, one), (other_name, other) in combinations(owned, 2):
        key = shared_key(one, other)
        if key is None:
            continue
        both = f"{one.text!r} and {other.text!r} both claim keys like {escape(key)!r}."
        if name != other_name:
            yield Error(
                f"Key families {name!r} and {other_name!r} overlap: {both}",
                hint="Make their literal text differ in one segment, or put both templates into one family.",
                id="dealpurge.E009",
            )
        elif not reads_alike(one, other):
            yield Error(
                f"Key family {name!r} reads one key as two deals: {both}",
                hint="Make the literal text of the two templates differ in one segment.",
                id="dealpurge.E010",
            )


def _check_colons(families: Mapping[str, Sequence[Template]]) -> Iterator[CheckMessage]:
    for name, templates in families.items():
        for template in templates:
            if template.text.endswith(":") and name != CHECKPOINTS:
                yield Warning(
                    f"Key family {name!r}: template {template.text!r} ends in a colon.",
                    hint="Drop the colon: a template claims the key that equals it and all below it at a ':'.",
                    id="dealpurge.W003",
                )
