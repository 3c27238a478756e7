"""What was asked of a purge, validated: the one definition of a legal request, shared by all doors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from django.utils.functional import Promise

from dealpurge.exceptions import FieldError, ScopeError

Mode = Literal["all", "by_deal"]
MODES: tuple[str, ...] = get_args(Mode)

#: ``(org_id, deal_id)``; None for an organisation means: whatever the organisation.
Deal = tuple[str | None, str]

#: Longer spans are taken as this one, some 317 years, so that no clock arithmetic overflows.
MAX_SECONDS = 10**10
#: Larger limits are taken as this one, which nothing exceeds, so that every database and every client can tell them.
MAX_LIMIT = 10**15

ID_MAX_BYTES = 255
FORBIDDEN_IN_IDS = frozenset(map(chr, range(0x21))) | frozenset("\x7f:{}")
#: What no id holds, and a line may have around one; other white space may be part of an id.
BLANKS = " \t\r\n"

#: Codes that a ``FieldError`` may have.
CODES = (
    "missing",
    "literal_error",
    "string_type",
    "string_too_short",
    "string_too_long",
    "string_pattern_mismatch",
    "bool_type",
    "int_type",
    "greater_than_equal",
    "value_error",
)


def id_problem(value: object) -> tuple[str, str] | None:
    """Code and message of what keeps ``value`` from being an id (1 to 255 bytes of UTF-8), or None."""
    if not isinstance(value, str):
        return "string_type", "Input should be a valid string"
    if not value:
        return "string_too_short", "String should have at least 1 character"
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return "string_pattern_mismatch", "String should be valid UTF-8"
    if FORBIDDEN_IN_IDS.intersection(value):
        return "string_pattern_mismatch", "String should have no control characters, spaces, ':', '{' or '}'"
    if size > ID_MAX_BYTES:
        return "string_too_long", f"String should have at most {ID_MAX_BYTES} bytes"
    return None


def deal_of_line(line: str, org_id: str | None) -> Deal | None:
    """The deal that a line names as ``deal_id`` or ``organisation:deal_id``, ids unchecked; None for a blank line.

    ``org_id`` is the organisation of lines without one. Ids hold no colon.
    """
    own, colon, deal_id = line.strip(BLANKS).rpartition(":")
    return (own if colon else org_id, deal_id) if colon or deal_id else None


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeScope:
    """Which deals, which keys, and whether for real. Raises ``ScopeError`` for what is refused.

    ``deals`` names the deals of ``by_deal``; ``org_id`` narrows ``all``. A deal's own organisation stands in its pair.
    """

    mode: Mode
    deals: tuple[Deal, ...] = ()
    org_id: str | None = None
    include_checkpoints: bool = False
    exclude_active_within_secs: int | None = None
    #: Whether deals stay, too, that have no events key to tell of any activity.
    leave_never_active: bool = False
    dry_run: bool = True
    #: How many deals and keys a purge may delete; one that would delete more deletes nothing.
    at_most_deals: int | None = None
    at_most_keys: int | None = None
    #: Whether what goes is kept in the archive, where the settings name a storage for it.
    keep_archive: bool = True

    def __post_init__(self) -> None:
        errors = [error for error in self._errors() if error]
        if errors:
            raise ScopeError(*errors)
        object.__setattr__(self, "deals", tuple(dict.fromkeys((org, deal) for org, deal in self.deals)))
        if self.exclude_active_within_secs is not None:
            capped = min(self.exclude_active_within_secs, MAX_SECONDS)
            object.__setattr__(self, "exclude_active_within_secs", capped)
        for name in ("at_most_deals", "at_most_keys"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, min(getattr(self, name), MAX_LIMIT))

    @property
    def guarded(self) -> bool:
        """Whether deals are judged by their activity; 0 seconds skip none."""
        return bool(self.exclude_active_within_secs)

    @property
    def newer(self) -> list[str]:
        """Names of what it asks for that a worker of an older version knows nothing of, and that keeps deals alive."""
        values = {name: getattr(self, name) for name in ("leave_never_active", "at_most_deals", "at_most_keys")}
        return [name for name, value in values.items() if value]

    @property
    def single(self) -> Deal | None:
        """The one deal that is named, if it is one."""
        return self.deals[0] if len(self.deals) == 1 else None

    @property
    def organisation(self) -> str | None:
        """The one organisation that all of it belongs to, if it is one."""
        organisations = {org for org, _ in self.deals} or {self.org_id}
        return organisations.pop() if len(organisations) == 1 else None

    def meets(self, other: PurgeScope) -> bool:
        """Whether a deal may be in both."""
        if self.mode == other.mode == "by_deal":
            named = {deal_id: set[str | None]() for _, deal_id in self.deals}
            for org_id, deal_id in self.deals:
                named[deal_id].add(org_id)
            return any(
                org_id is None or None in named[deal_id] or org_id in named[deal_id]
                for org_id, deal_id in other.deals
                if deal_id in named
            )
        own, others = ({org for org, _ in scope.deals} or {scope.org_id} for scope in (self, other))
        return None in own | others or not own.isdisjoint(others)

    @classmethod
    def named(
        cls,
        *,
        mode: Any,
        deal_ids: Iterable[Any] = (),
        deals: Iterable[Deal] = (),
        org_id: Any = None,
        **options: Any,
    ) -> PurgeScope:
        """The scope of a request that gives deal ids and one organisation apart, as the API and the command do, and
        perhaps ``deals`` besides."""
        deals = (*((org_id, deal_id) for deal_id in deal_ids), *deals)
        return cls(mode=mode, deals=deals, org_id=None if deals and mode == "by_deal" else org_id, **options)

    def _errors(self) -> Iterable[FieldError | None]:
        yield self._mode_error()
        yield self._deals_error()
        yield self._org_error()
        yield _bool_error("include_checkpoints", self.include_checkpoints)
        yield self._seconds_error()
        yield self._never_active_error()
        yield _bool_error("dry_run", self.dry_run)
        yield _limit_error("at_most_deals", self.at_most_deals)
        yield _limit_error("at_most_keys", self.at_most_keys)
        yield _bool_error("keep_archive", self.keep_archive)

    def _mode_error(self) -> FieldError | None:
        if self.mode in MODES:
            return None
        return _error("mode", "literal_error", "Input should be 'all' or 'by_deal'")

    def _deals_error(self) -> FieldError | None:
        # A text of two characters would be taken for a pair of ids.
        if not all(map(_is_pair, self.deals)):
            return _error("deal_id", "value_error", "Value error, a deal is a pair of organisation or None and deal id")
        for _, deal_id in self.deals:
            problem = id_problem(deal_id)
            if problem:
                return _error("deal_id", *problem)
        if self.mode == "by_deal" and not self.deals:
            return _error("deal_id", "missing", "Field required")
        if self.mode == "all" and self.deals:
            return _error("deal_id", "value_error", "Value error, deal_id cannot be combined with mode 'all'")
        return None

    def _org_error(self) -> FieldError | None:
        for org_id in (self.org_id, *(deal[0] for deal in filter(_is_pair, self.deals))):
            problem = None if org_id is None else id_problem(org_id)
            if problem:
                return _error("org_id", *problem)
        if self.mode == "by_deal" and self.deals and self.org_id is not None:
            return _error("org_id", "value_error", "Value error, a named deal carries its own organisation")
        return None

    def _seconds_error(self) -> FieldError | None:
        seconds = self.exclude_active_within_secs
        if seconds is None:
            return None
        if isinstance(seconds, bool) or not isinstance(seconds, int):
            return _error("exclude_active_within_secs", "int_type", "Input should be a valid integer")
        if seconds < 0:
            message = "Input should be greater than or equal to 0"
            return _error("exclude_active_within_secs", "greater_than_equal", message)
        return None

    def _never_active_error(self) -> FieldError | None:
        problem = _bool_error("leave_never_active", self.leave_never_active)
        if problem or not self.leave_never_active or self.guarded:
            return problem
        message = "Value error, leave_never_active needs exclude_active_within_secs, by which deals are judged"
        return _error("leave_never_active", "value_error", message)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreScope:
    """Which deals and families of an archive, all where none are named. ``leave_mixed``: not those of which keys exist
    again; ``skip_damaged``: the rest, where files are damaged. Raises ``ScopeError``."""

    deals: tuple[Deal, ...] = ()
    families: tuple[str, ...] = ()
    leave_mixed: bool = False
    skip_damaged: bool = False
    dry_run: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "deals", self.of_deals.deals)

    @property
    def of_deals(self) -> PurgeScope:
        """The deals as a purge takes them."""
        return PurgeScope(mode="by_deal" if self.deals else "all", deals=self.deals, dry_run=self.dry_run)


def _is_pair(deal: object) -> bool:
    return isinstance(deal, tuple | list) and len(deal) == 2


def _bool_error(field: str, value: object) -> FieldError | None:
    return None if isinstance(value, bool) else _error(field, "bool_type", "Input should be a valid boolean")


def _limit_error(field: str, value: object) -> FieldError | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        return _error(field, "int_type", "Input should be a valid integer")
    return None if value > 0 else _error(field, "greater_than_equal", "Input should be greater than or equal to 1")


def _error(field: str, code: str, message: str | Promise) -> FieldError:
    return FieldError(field=field, code=code, message=str(message))
