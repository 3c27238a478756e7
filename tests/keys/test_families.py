from __future__ import annotations

import re
from fnmatch import translate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from dealpurge.exceptions import PurgeConfigurationError, ScopeError
from dealpurge.keys.families import Keyspace, family_texts, glob_escape, in_order, make_token, split_token
from dealpurge.keys.template import Template
from dealpurge.scope import PurgeScope
from tests.support import keyspaces, oracle

from .conftest import KEYSPACES


@given(st.data())
def test_claims_are_those_of_the_design(data: st.DataObject) -> None:
    host = data.draw(keyspaces.hosts)
    keyspace = KEYSPACES[repr(host)]

    for key in data.draw(st.lists(keyspaces.keys(host.table, keyspaces.IDS), min_size=10, max_size=40)):
        assert keyspace.claim(key) == oracle.read(key, host.table), key


@given(st.binary(max_size=40))
def test_any_bytes_can_be_asked(key: bytes) -> None:
    host = keyspaces.HOSTS[0]

    assert KEYSPACES[repr(host)].claim(key) == oracle.read(key, host.table)


@pytest.mark.parametrize(
    ("key", "claim"),
    [
        (b"canvas:lock:acme:12", ("locks", "acme", "12")),
        (b"canvas:lock:acme:12:", ("locks", "acme", "12")),
        (b"canvas:lock:acme:12:\n\xff", ("locks", "acme", "12")),
        (b"canvas:lock:acme:12\n", None),
        (b"canvas:lock:acme:12\xff:x", None),
        (b"canvas:lock:acme", None),
        (b"canvas:lock::12", None),
        (b"canvas:lock:acme:", None),
        (b"canvas:lock:acme:" + b"d" * 255, ("locks", "acme", "d" * 255)),
        (b"canvas:lock:acme:" + b"d" * 256, None),
        (b":1:canvas:lock:acme:12", None),
        (b"checkpoint:12:__empty__:1", ("checkpoints", None, "12")),
        (b"checkpoint:12", ("checkpoints", None, "12")),
        (b"checkpoint:{12}:ns:1", ("checkpoints", None, "12")),
        (b"checkpoint:{12", None),
        (b"checkpoint:{12}x", None),
        (b"writes:12:1", None),
        (b"writes:{12}", ("checkpoints", None, "12")),
        (b"checkpoint_blobs:12", None),
        (b"", None),
    ],
)
def test_keys_read_by_hand(key: bytes, claim: tuple[str, str | None, str] | None) -> None:
    assert Keyspace.from_settings().claim(key) == claim


def test_the_table_is_that_of_the_design() -> None:
    assert family_texts() == oracle.families()


def test_own_families_are_merged_over_the_table(settings: Settings) -> None:
    settings.DEALPURGE_KEY_FAMILIES = {"notes": "notes:{deal_id}", "locks": ["l:{deal_id}"], "presence": []}

    keyspace = Keyspace.from_settings()

    assert "presence" not in keyspace.names
    assert keyspace.claim(b"notes:12:x") == ("notes", None, "12")
    assert keyspace.claim(b"l:12") == ("locks", None, "12")
    assert keyspace.claim(b"canvas:lock:acme:12") is None


@pytest.mark.parametrize("families", [[], {"x": None}, {"x": 7}, {"x": b"a:{deal_id}"}, {"x": [7]}, {"x": "a"}])
def test_families_that_cannot_be_used_are_a_configuration_error(settings: Settings, families: object) -> None:
    settings.DEALPURGE_KEY_FAMILIES = families

    with pytest.raises(PurgeConfigurationError):
        Keyspace.from_settings()


def test_without_families_nothing_is_claimed() -> None:
    assert Keyspace({}).claim(b"canvas:lock:acme:12") is None


@given(
    keyspaces.hosts, st.sampled_from(keyspaces.IDS), st.sampled_from(keyspaces.IDS), st.sampled_from(keyspaces.BELOW)
)
def test_a_built_key_belongs_to_its_deal(host: keyspaces.Host, org: str, deal: str, below: bytes) -> None:
    keyspace = KEYSPACES[repr(host)]

    for name, family in keyspace.families.items():
        key = family.key(*below.decode("latin-1").split(":"), org_id=org, deal_id=deal)
        claim = keyspace.claim(key)
        assert claim is not None
        assert (claim.family, claim.deal_id, claim.org_id in (org, None)) == (name, deal, True)


@pytest.mark.parametrize(
    ("org", "deal", "field"), [("acme", "a:b", "deal_id"), ("", "1", "org_id"), (None, "1", "org_id")]
)
def test_no_key_is_built_from_what_is_no_id(org: str | None, deal: str, field: str) -> None:
    with pytest.raises(ScopeError) as caught:
        Keyspace.from_settings().families["locks"].key(org_id=org, deal_id=deal)

    assert [error.field for error in caught.value.errors] == [field]


def test_a_part_below_the_deal_that_is_no_text_is_named() -> None:
    with pytest.raises(
        TypeError, match=r"^Part 2 below the deal must be a string, not 5 \(for the key template 'canvas"
    ):
        Keyspace.from_settings().families["locks"].key("a:b", 5, org_id="acme", deal_id="1")  # type: ignore[arg-type]


@given(st.sampled_from(keyspaces.IDS), st.sampled_from(keyspaces.IDS) | st.none())
def test_tokens_are_there_and_back(deal: str, org: str | None) -> None:
    assert split_token(make_token(org, deal)) == (org, deal)


@given(st.text(), st.text())
def test_an_escaped_glob_matches_itself_only(text: str, other: str) -> None:
    # fnmatch knows no backslash escapes, so a class of one character stands for each.
    pattern = re.sub(r"\\(.)", r"[\1]", glob_escape(text).decode(), flags=re.DOTALL)

    assert re.match(translate(pattern), text)
    assert bool(re.match(translate(pattern), other)) == (text == other)


class TestScanPattern:
    def pattern(self, scope: PurgeScope, **families: str) -> bytes | None:
        return Keyspace({name: [Template.parse(text)] for name, text in families.items()}).scan_pattern(scope)

    def test_one_deal_is_looked_for_by_its_id_in_any_organisation(self) -> None:
        scope = PurgeScope(mode="by_deal", deals=(("acme", "1*"),))

        assert self.pattern(scope, locks="canvas:lock:{org_id}:{deal_id}") == rb"*1\**"

    def test_an_organisation_is_looked_for_only_if_every_template_names_it(self) -> None:
        scope = PurgeScope(mode="all", org_id="acme")

        assert self.pattern(scope, locks="canvas:lock:{org_id}:{deal_id}") == b"*acme*"
        assert self.pattern(scope, locks="lock:{org_id}:{deal_id}", notes="notes:{deal_id}") is None

    def test_a_head_that_all_share_is_a_pattern(self) -> None:
        families = {"locks": "app[1]:lock:{deal_id}", "notes": "app[1]:notes:{deal_id}"}

        assert self.pattern(PurgeScope(mode="all"), **families) == rb"app\[1\]:*"

    def test_by_default_every_key_is_looked_at(self) -> None:
        assert Keyspace.from_settings().scan_pattern(PurgeScope(mode="all")) is None


def test_numbers_by_family_are_in_the_order_of_the_settings(settings: Settings) -> None:
    settings.DEALPURGE_KEY_FAMILIES = {"a": "a:{deal_id}"}
    counts = {"a": 1, "gone": 2, "locks": 3, "checkpoints": 4, "canvas_sessions": 5}

    assert list(in_order(counts)) == ["canvas_sessions", "locks", "checkpoints", "a", "gone"]

    settings.DEALPURGE_KEY_FAMILIES = 7
    assert list(in_order(counts)) == list(counts)
