"""Whose a key is, and why nobody's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from dealpurge.exceptions import PurgeConfigurationError
from dealpurge.keys.explain import explain, explain_in
from dealpurge.keys.families import Keyspace
from dealpurge.keys.template import Template
from dealpurge.text import escape, unescape
from tests.keys.conftest import KEYSPACES
from tests.support import keyspaces, oracle


@given(st.data())
def test_it_agrees_with_the_design(data: st.DataObject) -> None:
    host = data.draw(keyspaces.hosts)
    keyspace = KEYSPACES[repr(host)]

    for key in data.draw(st.lists(keyspaces.keys(host.table, keyspaces.IDS), min_size=5, max_size=20)):
        explained = explain_in(keyspace, key)
        reading = oracle.read(key, host.table)
        assert (explained.family, explained.org_id, explained.deal_id) == (reading or (None, None, None)), key
        assert ("no purge takes it" in explained.reason) is (reading is None)
        if explained.template is not None:
            assert oracle.read(key, {"one": [explained.template]}) is not None


@given(st.binary(max_size=60))
def test_any_bytes_can_be_explained(key: bytes) -> None:
    assert explain(key).reason


@given(
    keyspaces.hosts, st.sampled_from(keyspaces.IDS), st.sampled_from(keyspaces.IDS), st.sampled_from(keyspaces.BELOW)
)
def test_a_built_key_is_explained_as_its_deals(host: keyspaces.Host, org: str, deal: str, below: bytes) -> None:
    keyspace = KEYSPACES[repr(host)]

    for name, family in keyspace.families.items():
        explained = explain_in(keyspace, family.key(org_id=org, deal_id=deal) + (below and b":" + below))
        assert (explained.family, explained.deal_id, explained.template) == (name, deal, family.templates[0].text)
        assert explained.org_id == (org if family.templates[0].has_org else None)


@given(st.binary() | st.text().map(str.encode))
def test_an_escaped_key_is_read_back(key: bytes) -> None:
    assert unescape(escape(key)) == key


@pytest.mark.parametrize("text", ["a\\b", "\\", "\\x1", "\\u12", "\\U00110000", "\\ud800"])
def test_what_no_report_shows_is_no_key(text: str) -> None:
    with pytest.raises(ValueError, match=r"backslash|range|surrogates"):
        unescape(text)


LOCKS = "'canvas:lock:{org_id}:{deal_id}' of locks"


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (
            b":1:canvas:lock:acme:12",
            "without ':1:' in front it would be of locks and deal '12' of 'acme'. "
            "Django's cache API writes such prefixes; put it into the family's template.",
        ),
        (
            b"app:2:checkpoint:12:x",
            "without 'app:2:' in front it would be of checkpoints and deal '12'. "
            "Django's cache API writes such prefixes; put it into the family's template.",
        ),
        (b"old-canvas:lock:acme:12", "without 'old-' in front it would be of locks and deal '12' of 'acme'."),
        (b"Canvas:Lock:acme:12", f"{LOCKS} is written 'canvas:lock:', and capital letters make another key."),
        (
            b"canvas:lock:acme",
            f"{LOCKS} is nearest, but it ends after the organisation 'acme', where {{deal_id}} should follow: "
            "a segment is missing.",
        ),
        (b"canvas:lock::12", f"{LOCKS} is nearest, but nothing stands where {{org_id}} belongs."),
        (b"canvas:lock:acme:", f"{LOCKS} is nearest, but nothing stands where {{deal_id}} belongs."),
        (
            b"canvas:lock:a b:12",
            f"{LOCKS} is nearest, but 'a b' is no organisation id: it has a space or a control character.",
        ),
        (b"canvas:lock:acme:1\xff", rf"{LOCKS} is nearest, but '1\xff' is no deal id: it is not UTF-8."),
        (
            b"canvas:lock:acme:" + b"d" * 256,
            f"{LOCKS} is nearest, but '{'d' * 256}' is no deal id: it is longer than 255 bytes.",
        ),
        (b"canvas:lock:acme:12}", f"{LOCKS} is nearest, but after it only the end or a ':' may come, not '}}'."),
        (b"canvas:lock:{acme}:12", f"it has braces, a hash tag, and {LOCKS} has none."),
        (b"canvas:lock:{acme:12}:x", f"it has braces, a hash tag, and {LOCKS} has none."),
        (
            b"checkpoint:{acme:12}",
            "'checkpoint:{{{deal_id}}}' of checkpoints is nearest, but after the deal 'acme' comes ':', "
            "where '}' belongs.",
        ),
        (b"canvas:lock:{acme}", f"{LOCKS} is nearest, but '{{' stands where {{org_id}} belongs."),
        (b"canvas:lock:acme:{12", f"{LOCKS} is nearest, but '{{' stands where {{deal_id}} belongs."),
        (b"thread:12", "'thread:{{{deal_id}}}' of checkpoints has braces, a hash tag, and the key has none."),
        (
            b"checkpoint:{12",
            "'checkpoint:{{{deal_id}}}' of checkpoints is nearest, but it ends after the deal '12', "
            "where '}' should follow.",
        ),
        (b"canvas:lok:acme:12", f"no family's template begins like it; the nearest is {LOCKS}."),
        (
            b"session:12",
            "no family's template begins like it. If it belongs to a deal, add it to DEALPURGE_KEY_FAMILIES.",
        ),
        (b"", "no family's template begins like it. If it belongs to a deal, add it to DEALPURGE_KEY_FAMILIES."),
    ],
)
def test_why_nothing_claims_it(key: bytes, why: str) -> None:
    assert explain(key).reason == f"Nothing claims it, so no purge takes it: {why}"


@pytest.mark.parametrize(
    ("template", "key", "why"),
    [
        ("notes:{{{org_id}:{deal_id}}}", b"notes:acme:12", "has braces, a hash tag, and the key has none."),
        ("notes:{{{deal_id}}}:{org_id}", b"notes:12:acme:x", "has braces, a hash tag, and the key has none."),
        (
            "notes:{{{org_id}:{deal_id}}}",
            b"notes:{acme}:12",
            "after the organisation 'acme' comes '}', where ':' belongs.",
        ),
        ("notes:{{{org_id}}}{{{deal_id}}}", b"notes:acme12", "no family's template begins like it"),
    ],
)
def test_a_hash_tag_that_only_one_of_them_has(settings: Settings, template: str, key: bytes, why: str) -> None:
    settings.DEALPURGE_KEY_FAMILIES = {"notes": template}

    assert why in explain(key).reason


def test_a_template_with_a_literal_behind_says_what_is_missing(settings: Settings) -> None:
    settings.DEALPURGE_KEY_FAMILIES = {"notes": "notes:{deal_id}:of:{org_id}"}

    assert explain(b"notes:12:by:acme").reason.endswith("but after the deal '12' comes ':', where ':of:' belongs.")
    assert explain(b"notes:12").reason.endswith("where {org_id} should follow: a segment is missing.")


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (b"canvas:lock:acme:12", "Goes with deal '12' of 'acme'."),
        (b"canvas:events:acme:12", "It tells when somebody last worked on the deal."),
        (b"checkpoint:12", "only where include_checkpoints is asked for"),
        (b"checkpoint:12", "a purge of all deals of one organisation leaves it"),
    ],
)
def test_what_a_purge_does_with_it(key: bytes, words: str) -> None:
    assert words in explain(key).reason


def test_a_key_of_two_families_is_told_as_a_purge_takes_it() -> None:
    table = {"locks": "canvas:lock:{org_id}:{deal_id}", "wide": "canvas:{org_id}:{deal_id}"}
    keyspace = Keyspace({name: [Template.parse(text)] for name, text in table.items()})

    explained = explain_in(keyspace, b"canvas:lock:acme:12")

    assert explained.family == keyspace.claim(b"canvas:lock:acme:12").family == "locks"  # type: ignore[union-attr]
    assert "wide would claim it too, which manage.py check refuses (dealpurge.E009)." in explained.reason


def test_without_families_everything_is_a_stranger() -> None:
    assert explain_in(Keyspace({}), b"canvas:lock:acme:12").family is None


def test_text_is_taken_as_utf_8() -> None:
    assert explain("canvas:lock:acme:caf\u00e9") == explain("canvas:lock:acme:caf\u00e9".encode())


def test_settings_that_cannot_be_used_are_an_error(settings: Settings) -> None:
    settings.DEALPURGE_KEY_FAMILIES = {"notes": "notes"}

    with pytest.raises(PurgeConfigurationError):
        explain(b"notes:12")
