from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from itertools import combinations, islice, product

import pytest

from dealpurge.keys.overlap import reads_alike, shared_key
from dealpurge.keys.template import Template, TemplateError

DEFAULT = "canvas:events:{org_id}:{deal_id}"


@cache
def claimed(template: Template) -> re.Pattern[bytes]:
    return re.compile(re.escape(template.head) + template.pattern())


def claims(template: Template, key: str) -> bool:
    return claimed(template).match(key.encode()) is not None


def deal(template: Template, key: str) -> dict[str, str] | None:
    """What the template reads from a key, by a pattern with names."""
    ids = r"(?P<%s>[^\x00-\x20\x7f:{}]{1,255})"
    text = "".join(ids % part if index % 2 else re.escape(part) for index, part in enumerate(template.parts))
    match = re.match(text + r"(?![^:])", key)
    return match.groupdict() if match else None


@pytest.mark.parametrize(
    ("one", "other", "key"),
    [
        (DEFAULT, DEFAULT, "canvas:events:1:1"),
        (DEFAULT, "canvas:{org_id}:{deal_id}", "canvas:events:1:1"),
        (DEFAULT, "canvas:events:{deal_id}", "canvas:events:1:1"),
        (DEFAULT, "canvas:event:{org_id}:{deal_id}", None),
        (DEFAULT, "canvas:events2:{org_id}:{deal_id}", None),
        (DEFAULT, "canvas:e{org_id}:{deal_id}:x", "canvas:events:1:x"),
        ("a:{deal_id}-x", "a:y-{deal_id}", "a:y-1-x"),
        ("a:{deal_id}", "a:{{{deal_id}}}", None),
        ("a:{{{deal_id}}}", "a:{{{deal_id}}}:list", "a:{1}:list"),
        ("a:{{{org_id}}}{deal_id}", "a:{{{deal_id}", None),
        ("a:x y:{deal_id}", "a:{org_id}:{deal_id}", None),
        ("a:{deal_id}:", "a:{deal_id}:x", None),
        ("a:{deal_id}", "a:{deal_id}:", "a:1:"),
        ("ab{deal_id}", "a{deal_id}", "ab1"),
        ("a{deal_id}", "a:{deal_id}", None),
    ],
)
def test_a_shared_key_is_found_where_there_is_one(one: str, other: str, key: str | None) -> None:
    first, second = Template.parse(one), Template.parse(other)

    assert (shared_key(first, second), shared_key(second, first)) == (key, key)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("a:{org_id}:{deal_id}", "a:{org_id}:{deal_id}:x", True),
        ("a:{deal_id}:x", "a:{deal_id}", True),
        ("a:{org_id}:{deal_id}", "a:{deal_id}:{org_id}", False),
        ("a:{org_id}:{deal_id}", "a:{deal_id}", False),
        ("a:{deal_id}", "a:{deal_id}:{org_id}", False),
        ("a:{deal_id}", "a:{deal_id}-x", False),
        ("a:{deal_id}", "a:b:{deal_id}", False),
    ],
)
def test_templates_that_read_one_key_as_two_deals_are_told_apart(one: str, other: str, alike: bool) -> None:
    assert reads_alike(Template.parse(one), Template.parse(other)) is alike


def pool() -> list[Template]:
    """Templates of few letters, so that many of them meet."""
    pieces = ["", "a", "b", "é", ":", "{{", "}}", "{org_id}", "{deal_id}", "-"]
    templates = []
    for chosen in islice(product(pieces, repeat=5), 0, None, 83):
        with suppress(TemplateError):
            templates.append(Template.parse("a" + "".join(chosen)))
    return templates[::2]


Pairs = list[tuple[Template, Template]]


@cache
def pairs() -> tuple[Pairs, Pairs]:
    """Those that meet, and those that do not."""
    meeting: Pairs = []
    apart: Pairs = []
    for one, other in combinations(pool(), 2):
        (apart if shared_key(one, other) is None else meeting).append((one, other))
    return meeting, apart


LETTERS = ["a", "b", "é", "aa", "ab", "ba", "bb", "aé"]


def test_a_shared_key_is_claimed_by_both() -> None:
    meeting, _ = pairs()
    wrong = [
        (one.text, other.text)
        for one, other in meeting
        if not claims(one, shared_key(one, other) or "") or not claims(other, shared_key(one, other) or "")
    ]

    assert len(meeting) > 100
    assert wrong == []


def test_no_key_is_claimed_by_both_where_none_is_found() -> None:
    below = ["", *(":" + ":".join(words) for words in product(["a", "b", "", "{a}", "{"], repeat=2))]
    examples = list(product(LETTERS, LETTERS, below))[::53]

    @cache
    def keys(template: Template) -> list[bytes]:
        return [template.render(org, deal_id) + suffix.encode() for org, deal_id, suffix in examples]

    _, apart = pairs()
    wrong = [
        (one.text, other.text, key)
        for one, other in apart
        for match in [claimed(other).match]
        for key in keys(one)
        if match(key)
    ]

    assert len(apart) > 100
    assert wrong == []


def test_alike_templates_read_every_shared_key_as_the_same_deal() -> None:
    alike = [(one, other) for one, other in pairs()[0] if reads_alike(one, other)]
    examples = list(product(LETTERS, LETTERS, ["", ":a", ":b", "}", "}:a"]))

    wrong = [
        (one.text, other.text, key)
        for one, other in alike
        for org, deal_id, below in examples
        for key in [one.render(org, deal_id).decode() + below]
        if deal(one, key) and deal(other, key) and deal(one, key) != deal(other, key)
    ]

    assert len(alike) > 10
    assert wrong == []


def test_templates_told_apart_do_read_some_key_as_two_deals() -> None:
    def differ(one: Template, other: Template) -> bool:
        key = shared_key(one, other) or ""
        keys = [key, *(key[: one.start()] + "2" + key[one.end() :] for one in re.finditer("1", key))]
        return any(deal(one, key) != deal(other, key) for key in keys if deal(one, key) and deal(other, key))

    different = [(one, other) for one, other in pairs()[0] if not reads_alike(one, other)]

    assert len(different) > 10
    assert [(one.text, other.text) for one, other in different if not differ(one, other)] == []
