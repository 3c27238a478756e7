"""What a purge must do, read off the design by brute force, sharing no code with the package.

Slow and simple on purpose: every reading of a key is tried, one character after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

#: Activity of a key that is no events key, or of one whose last use is right now.
NOW = float("inf")

TABLE = {
    "canvas_sessions": ["canvas:session:{org_id}:{deal_id}"],
    "locks": ["canvas:lock:{org_id}:{deal_id}"],
    "presence": ["canvas:presence:{org_id}:{deal_id}"],
    "events": ["canvas:events:{org_id}:{deal_id}"],
    "image_crops": ["canvas:image_crop:{org_id}:{deal_id}"],
    "digitization_cache": ["digitization:cache:{org_id}:{deal_id}"],
    "intake_summaries": ["intake:summary:{org_id}:{deal_id}"],
    "doc_readiness": ["doc:readiness:{org_id}:{deal_id}"],
    "deal_intel": ["deal_intel:cache:{org_id}:{deal_id}"],
    "brush_findings": ["brush:findings:{org_id}:{deal_id}"],
}
PLAIN_CHECKPOINTS = [
    "checkpoint",
    "checkpoint_latest",
    "checkpoint_write",
    "checkpoint_blob",
    "write_keys_zset",
    "write_registry",
]
BRACE_CHECKPOINTS = ["checkpoint", "writes", "thread"]

Deal = tuple[str | None, str]


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request of section 1, its deals as pairs."""

    mode: str
    deals: tuple[Deal, ...] = ()
    org_id: str | None = None
    include_checkpoints: bool = False
    exclude_active_within_secs: int | None = None
    leave_never_active: bool = False


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What is left, every count of the report of section 6, and of each deal whether it goes and how many keys."""

    gone: frozenset[bytes]
    deals: Mapping[str, int | None]
    keys: Mapping[str, int | None]
    families: Mapping[str, int]
    skipped: frozenset[Deal]
    unclaimed: frozenset[bytes] = field(default_factory=frozenset)
    not_found: tuple[Deal, ...] = ()
    fates: Mapping[Deal, tuple[bool, int]] = field(default_factory=dict)
    #: Deals in use within the span.
    worked_on: frozenset[Deal] = field(default_factory=frozenset)
    #: Of the deals that go, their checkpoint keys; None where these stay.
    checkpoints: Mapping[Deal, int | None] = field(default_factory=dict)
    #: The keys that go, by family.
    by_family: Mapping[str, frozenset[bytes]] = field(default_factory=dict)


def families(own: Mapping[str, str | Sequence[str]] | None = None, thread: str = "{deal_id}") -> dict[str, list[str]]:
    """The table of section 3 with a host's own families merged over it."""
    table = dict(TABLE)
    table["checkpoints"] = [f"{prefix}:{thread}" for prefix in PLAIN_CHECKPOINTS]
    table["checkpoints"] += [prefix + ":{{" + thread + "}}" for prefix in BRACE_CHECKPOINTS]
    for name, value in (own or {}).items():
        table[name] = [value] if isinstance(value, str) else list(value)
    return {name: templates for name, templates in table.items() if templates}


def read(key: bytes, table: Mapping[str, Sequence[str]]) -> tuple[str, str | None, str] | None:
    """Family, organisation and deal of a key. More than one reading is a mistake in the table."""
    found = {
        (name, ids.get("org_id"), ids["deal_id"])
        for name, templates in table.items()
        for template in templates
        for ids in _readings(parse(template), key)
    }
    assert len(found) <= 1, f"{key!r} reads as {found}"
    return found.pop() if found else None


def is_id(data: bytes) -> bool:
    """Section 1: 1 to 255 bytes of UTF-8, some characters excepted."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return 1 <= len(data) <= 255 and not any(ord(letter) <= 0x20 or letter in "\x7f:{}" for letter in text)


def expect(
    request: Request,
    keys: Mapping[bytes, float | None],
    table: Mapping[str, Sequence[str]],
    now: float,
) -> Expected:
    """``keys`` maps each key to the time of its last use in seconds, None where it cannot be told."""
    request = replace(request, deals=tuple(dict.fromkeys(request.deals)))
    claims = {key: claim for key in keys if (claim := read(key, table))}
    scope = {key for key, claim in claims.items() if _asked(request, claim[1], claim[2])}
    kept = {key for key in scope if claims[key][0] == "checkpoints" and not request.include_checkpoints}
    matched = scope - kept
    deals = {claims[key][1:] for key in matched}
    everyone = {claim[1:] for claim in claims.values()}
    active = _active(request, deals, everyone, keys, claims, now)
    never = _never_active(request, deals - active, everyone, claims)
    gone = frozenset(key for key in matched if claims[key][1:] not in active | never)
    counted = {deal for deal in deals if deal[0] is not None or not any(o and d == deal[1] for o, d in deals)}
    unclaimed = frozenset(key for key in keys if key not in claims and _carries(request, key))
    named = request.deals if request.mode == "by_deal" else ()
    threads = [claims[key][1:] for key in matched if claims[key][0] == "checkpoints"]
    missing = tuple(deal for deal in named if not any(_means(deal, *claims[key][1:]) for key in scope))
    return Expected(
        gone=gone,
        deals={
            "matched": len(counted),
            "purged": len(counted - active - never),
            "skipped_active": len(counted & active),
            "skipped_never_active": len(counted & never),
            "interrupted": 0,
            "not_found": len(missing),
            "organisations": len({org for org, _ in counted - active - never} - {None}),
            "active": None,
        },
        keys={
            "scanned": len(keys),
            "matched": len(matched),
            "deleted": len(gone),
            "vanished": 0,
            "not_removed": 0,
            "checkpoints_kept": len(kept),
            "unattributed": len([1 for claim in claims.values() if claim[1] is None]) if _filters_all(request) else 0,
            "unclaimed": len(unclaimed) if request.mode == "by_deal" and len(request.deals) == 1 else None,
        },
        families={name: len([1 for key in gone if claims[key][0] == name]) for name in table},
        skipped=frozenset(counted & active),
        worked_on=frozenset(counted & _active(request, deals, everyone, keys, claims, now, judged_all=True)),
        unclaimed=unclaimed,
        not_found=missing,
        fates=_fates([claims[key][1:] for key in matched], counted, active | never),
        checkpoints={
            deal: size if request.include_checkpoints and "checkpoints" in table else None
            for deal, (goes, size) in _fates(threads, counted, active | never).items()
            if goes
        },
        by_family={name: frozenset(key for key in gone if claims[key][0] == name) for name in table},
    )


def _fates(owners: Sequence[Deal], counted: set[Deal], stays: set[Deal]) -> dict[Deal, tuple[bool, int]]:
    """Keys without an organisation are those of the only deal of their id, if they go or stay with it."""
    sizes = {deal: owners.count(deal) for deal in counted}
    for org_id, deal_id in set(owners) - counted:
        holders = [deal for deal in counted if deal[1] == deal_id]
        if len(holders) == 1 and (holders[0] in stays) == ((org_id, deal_id) in stays):
            sizes[holders[0]] += owners.count((org_id, deal_id))
    return {deal: (deal not in stays, size) for deal, size in sizes.items()}


def _filters_all(request: Request) -> bool:
    return request.mode == "all" and request.org_id is not None


def _asked(request: Request, org_id: str | None, deal_id: str) -> bool:
    if request.mode == "all":
        return request.org_id in (None, org_id)
    return any(_means(deal, org_id, deal_id) for deal in request.deals)


def _means(named: Deal, org_id: str | None, deal_id: str) -> bool:
    return named[1] == deal_id and (named[0] is None or org_id is None or named[0] == org_id)


def _active(
    request: Request,
    deals: set[Deal],
    everyone: set[Deal],
    keys: Mapping[bytes, float | None],
    claims: Mapping[bytes, tuple[str, str | None, str]],
    now: float,
    *,
    judged_all: bool = False,
) -> set[Deal]:
    """Deals that stay: in use within the span, or not to be judged at all, unless ``judged_all``."""
    span = request.exclude_active_within_secs
    if not span:
        return set()
    organisations = {org for org, _ in everyone if org is not None}
    attributed = {deal for org, deal in everyone if org is not None}
    events = {key: claim[1:] for key, claim in claims.items() if claim[0] == "events"}

    def stays(org_id: str | None, deal_id: str) -> bool:
        if org_id is None and deal_id in organisations and deal_id not in attributed and not judged_all:
            return True
        moments = [
            keys[key]
            for key, (org, deal) in events.items()
            if deal == deal_id and (org_id is None or org is None or org == org_id)
        ]
        return any(moment is None or now - moment <= span for moment in moments)

    return {deal for deal in deals if stays(*deal)}


def _never_active(
    request: Request,
    deals: set[Deal],
    everyone: set[Deal],
    claims: Mapping[bytes, tuple[str, str | None, str]],
) -> set[Deal]:
    """Deals without any events key, where these stay. Keys without an organisation may be any holder's of their id."""
    if not (request.leave_never_active and request.exclude_active_within_secs):
        return set()
    told = {claim[1:] for claim in claims.values() if claim[0] == "events"}

    def is_one(org_id: str | None, deal_id: str) -> bool:
        holders = [deal for deal in everyone if deal[1] == deal_id and deal[0] is not None]
        mine = [(org_id, deal_id)] if org_id is not None else holders
        return (None, deal_id) not in told and not (mine and all(holder in told for holder in mine))

    return {deal for deal in deals if is_one(*deal)}


def _carries(request: Request, key: bytes) -> bool:
    """Whether the one deal's id is a whole segment of the key, a cache version in front and braces apart."""
    if request.mode != "by_deal" or len(request.deals) != 1:
        return False
    head, *rest = key.split(b":")
    if head == b"" and len(rest) > 1 and rest[0].isdigit():
        head, *rest = rest[1:]
    parts = [part for segment in (head, *rest) for part in segment.replace(b"}", b"{").split(b"{")]
    return request.deals[0][1].encode() in parts


def parse(template: str) -> list[tuple[str, bytes]]:
    """Literal bytes and placeholders, in order."""
    text = _unbrace(template)
    parts: list[tuple[str, bytes]] = []
    while text:
        if text.startswith("{"):
            name, _, text = text[1:].partition("}")
            parts.append((name, b""))
            continue
        literal = text.split("{")[0]
        text = text[len(literal) :]
        parts.append(("", literal.replace("\x01", "{").replace("\x02", "}").encode()))
    return parts


def _unbrace(template: str) -> str:
    """Doubled braces as marks. Of three closing ones the first ends a placeholder."""
    text = template.replace("{{", "\x01")
    for name in ("{org_id}", "{deal_id}"):
        text = text.replace(name, name.replace("}", "\x03"))
    return text.replace("}}", "\x02").replace("\x03", "}")


def _readings(parts: Sequence[tuple[str, bytes]], key: bytes) -> Iterator[dict[str, str]]:
    if not parts:
        if key == b"" or key.startswith(b":"):
            yield {}
        return
    name, literal = parts[0]
    if not name:
        if key.startswith(literal):
            yield from _readings(parts[1:], key[len(literal) :])
        return
    for end in range(1, len(key) + 1):
        if is_id(key[:end]):
            for ids in _readings(parts[1:], key[end:]):
                yield {name: key[:end].decode(), **ids}
