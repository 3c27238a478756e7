"""Generated keyspaces: keys of few ids that lie close together, and everything around them that must stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from tests.support import oracle

#: Ids that are prefixes of each other, globs, backslashes, UTF-8, long ones, an organisation named like a deal.
IDS = [
    "1",
    "12",
    "123",
    "acme",
    "*",
    "1*",
    "[12]",
    "?",
    "a\\b",
    "\\",
    "é",
    "日本",
    "\u0085",
    "<b>",
    "-x",
    "%s",
    "events",
    "d" * 255,
    "é" * 127,
]
NO_IDS: list[bytes] = [
    b"",
    b"a b",
    b"a\nb",
    b"{1}",
    b"\xff",
    b"1\xff",
    b"\x7f",
    b"d" * 256,
    "é".encode() * 128,
    b"\xc3",
]
BELOW: list[bytes] = [b"", b":", b":x", b":x:y", b"::", b":\n", b":\xff\xfe", b":{1}", b":page-3", b":1", b":1:12"]
GLUED: list[bytes] = [b"x", b"\n", b" ", b"-1", b"}", b"\xa9", b"\xff"]
FOREIGN: list[bytes] = [
    b"other:%b:x",
    b"canvas:unknown:acme:%b",
    b":1:canvas:lock:acme:%b",
    b":12:%b",
    b"1:%b",
    b"xcanvas:lock:acme:%b",
    b"Canvas:lock:acme:%b",
    b"canvas:lock:%b",
    b"canvas:lock::%b",
    b"canvas:session_acme:%b",
    b"checkpoint_other:%b:1",
    b"store:%b",
    b"%b",
    b"%b\n:1",
]

#: What a host may have set: DEALPURGE_KEY_FAMILIES and DEALPURGE_CHECKPOINT_THREAD.
SETTINGS: list[tuple[dict[str, str | list[str]], str]] = [
    ({}, "{deal_id}"),
    ({}, "{org_id}:{deal_id}"),
    ({"notes": "notes:{deal_id}:of:{org_id}", "locks": []}, "{deal_id}"),
    ({"tags": "tag:{{{org_id}}}{{{deal_id}}}", "short": ["n-{deal_id}", "n:{deal_id}:all"]}, "{deal_id}"),
    ({"events": ["live:{deal_id}", "canvas:events:{org_id}:{deal_id}"]}, "{deal_id}"),
    (
        {"cached": ":1:digitization:cache:{org_id}:{deal_id}", "ends": "end:{org_id}:{deal_id}:all"},
        "{org_id}:{deal_id}",
    ),
    ({"braces": "cart:{{{org_id}:{deal_id}}}", "inner": "x\n{deal_id}-é:z"}, "{deal_id}"),
    ({"checkpoints": []}, "{deal_id}"),
]


@dataclass(frozen=True, kw_only=True)
class Host:
    """Settings of a host."""

    own: Mapping[str, str | Sequence[str]]
    thread: str

    @property
    def table(self) -> dict[str, list[str]]:
        return oracle.families(self.own, self.thread)


HOSTS = [Host(own=own, thread=thread) for own, thread in SETTINGS]
hosts = st.sampled_from(HOSTS)


@st.composite
def keys(draw: st.DrawFn, table: Mapping[str, Sequence[str]], few: Sequence[str]) -> bytes:
    """Mostly keys of some family and few deals; also near misses, and keys of others."""
    deal = draw(st.sampled_from(few)).encode()
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(st.sampled_from(FOREIGN)).replace(b"%b", deal)
    templates = [template for texts in table.values() for template in texts]
    # Events keys decide, so they come up more often than their share.
    template = draw(st.sampled_from(templates + list(table.get("events", [])) * 5))
    org = draw(st.sampled_from(few)).encode()
    if kind == 1:
        org, deal = draw(st.permutations([org, draw(st.sampled_from(NO_IDS))]))
    below = draw(st.sampled_from(GLUED if kind == 2 else BELOW))
    key = render(template, org, deal) + below
    if kind == 3 and key:
        place = draw(st.integers(0, len(key) - 1))
        return key[:place] + key[place + 1 :]
    return key


def render(template: str, org: bytes, deal: bytes) -> bytes:
    """The template with raw bytes for ids."""
    parts = oracle.parse(template)
    return b"".join({"": literal, "org_id": org, "deal_id": deal}[name] for name, literal in parts)
