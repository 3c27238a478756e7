"""How much a live purge may delete: known before its first delete, and kept to while it deletes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from threading import Lock

from dealpurge.conf import conf
from dealpurge.exceptions import LimitExceeded
from dealpurge.i18n import Deals, Number, Said, gettext_noop
from dealpurge.scope import PurgeScope

# Of a dry run as well.
DEALS_EXCEEDED = gettext_noop(
    "{} would go, {} more than the limit of {}: the purge is refused.", code="limit_deals_exceeded"
)
KEYS_EXCEEDED = gettext_noop(
    "{} keys would go, {} more than the limit of {}: the purge is refused.", code="limit_keys_exceeded"
)
BOTH_EXCEEDED = gettext_noop(
    "{} would go, {} more than the limit of {}, and {} keys, {} more than the limit of {}: the purge is refused.",
    code="limits_exceeded",
)
DEALS_REACHED = gettext_noop(
    "Stopped before more deals than the limit of {} went: there are more than were counted at first.",
    code="limit_deals_reached",
)
KEYS_REACHED = gettext_noop(
    "Stopped before more keys than the limit of {} went: there are more than were counted at first, or a server was "
    "replaced, and keys came again.",
    code="limit_keys_reached",
)
#: By which a run that ended so is known in the record.
CODES = frozenset(item.code for item in (DEALS_EXCEEDED, KEYS_EXCEEDED, BOTH_EXCEEDED, DEALS_REACHED, KEYS_REACHED))


def in_force(scope: PurgeScope) -> PurgeScope:
    """The scope with the lower one of each limit, of what was asked and of the settings. Raises
    ``PurgeConfigurationError`` for a setting that is no limit."""
    return replace(
        scope,
        at_most_deals=_lower(scope.at_most_deals, conf.max_deals),
        at_most_keys=_lower(scope.at_most_keys, conf.max_keys),
    )


def excess(scope: PurgeScope, deals: int, keys: int) -> Said | None:
    """By how much so many deals and keys are more than the scope's limits allow, in words; None if they are not."""
    of_deals = _beyond(Deals(deals), deals, scope.at_most_deals)
    of_keys = _beyond(Number(keys), keys, scope.at_most_keys)
    if of_deals and of_keys:
        return BOTH_EXCEEDED.format(*of_deals, *of_keys)
    if of_deals:
        return DEALS_EXCEEDED.format(*of_deals)
    return KEYS_EXCEEDED.format(*of_keys) if of_keys else None


@dataclass(slots=True)
class DealCount:
    """Deals by their tokens, as a report counts them: one without an organisation is none of its own where its id is
    there with one."""

    deals: set[bytes] = field(default_factory=set)
    #: Ids that are there with an organisation, and those that are there without one alone.
    ids: set[bytes] = field(default_factory=set)
    orgless: set[bytes] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.deals) + len(self.orgless)

    def add(self, tokens: Iterable[bytes]) -> None:
        """Take them in, each once."""
        for token in tokens:
            _, colon, deal_id = token.rpartition(b":")
            if colon:
                self.deals.add(token)
                self.ids.add(deal_id)
                self.orgless.discard(deal_id)
            elif token not in self.ids:
                self.orgless.add(token)


class Budget:
    """What a live purge has deleted, or is about to, over all its servers and passes. Used by several threads.

    A key counts once it is sent, whether it goes or not: a reply may be lost of keys that went.
    """

    def __init__(self, scope: PurgeScope) -> None:
        """``scope``: with the limits in force."""
        self._scope = scope
        self._deals = DealCount()
        self._keys = 0
        self._lock = Lock()

    @classmethod
    def of(cls, scope: PurgeScope) -> Budget | None:
        """None where nothing is deleted, or nothing is limited."""
        limited = scope.at_most_deals is not None or scope.at_most_keys is not None
        return cls(scope) if limited and not scope.dry_run else None

    def check(self, deals: int, keys: int) -> None:
        """That so many may go, which were counted before the first goes. Raises ``LimitExceeded``."""
        # Where something went in an earlier pass ``take`` tells of what is left.
        words = None if self._keys else excess(self._scope, deals, keys)
        if words:
            raise LimitExceeded(words)

    def take(self, tokens: Iterable[bytes], keys: int) -> None:
        """To be called once of all that is to be deleted, before it is sent. Raises ``LimitExceeded`` where it would be
        too much; nothing more may be sent then."""
        most_deals, most_keys = self._scope.at_most_deals, self._scope.at_most_keys
        with self._lock:
            self._keys += keys
            if most_deals is not None:
                self._deals.add(tokens)
        if most_keys is not None and self._keys > most_keys:
            raise LimitExceeded(KEYS_REACHED.format(Number(most_keys)))
        if most_deals is not None and len(self._deals) > most_deals:
            raise LimitExceeded(DEALS_REACHED.format(Number(most_deals)))


def _lower(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def _beyond(shown: Deals | Number, count: int, limit: int | None) -> tuple[Deals | Number, Number, Number] | None:
    """What is said of a limit that is exceeded."""
    return None if limit is None or count <= limit else (shown, Number(count - limit), Number(limit))
