"""What one pass saw of all deals, in scope or not: who holds an id, and which keys tell its activity."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, compress, count

from dealpurge.keys.families import EVENTS, Keyspace
from dealpurge.keys.matching import Batch

Holders = dict[bytes, set[bytes]]


class DealIndex:
    """Collects the tokens and the events keys of claimed keys, whatever the scope.

    ``tokens``: those that earlier passes saw. What tells an organisation from a deal may be purged by now.
    """

    def __init__(self, keyspace: Keyspace, tokens: set[bytes] | None = None) -> None:
        self.events_family = keyspace.index(EVENTS)
        templates = keyspace.families[EVENTS].templates if EVENTS in keyspace.families else ()
        self._orgless = [item for item in templates if not item.has_org]
        #: What stands before and behind a token in the bulk of the keys, which are made for every deal of a plan.
        self._pairs = [(item.head, item.parts[-1].encode()) for item in templates if item.is_pair]
        self._others = [item for item in templates if item.has_org and not item.is_pair]
        self._tokens = set() if tokens is None else tokens
        self._events: dict[bytes, list[bytes]] = defaultdict(list)

    def note_deals(self, tokens: Iterable[bytes]) -> None:
        """Take in whose keys were seen."""
        self._tokens.update(tokens)

    def keep_events(self, held: Mapping[bytes, bool]) -> None:
        """Forget the events keys of deals that are not held: an id's deals are all in one part."""
        for token in [token for token in self._events if not held[token]]:
            del self._events[token]

    def note_events(self, claimed: Batch, held: Mapping[bytes, bool] | None = None) -> None:
        """Take in the events keys among claimed ones, of those ``held`` if that is told."""
        # A loop in Python over every family would take a tenth of the time of a plan.
        for place in compress(count(), map(self.events_family.__eq__, claimed.families)):
            if held is None or held[claimed.tokens[place]]:
                self._events[claimed.tokens[place]].append(claimed.keys[place])

    def holders(self, deals: Iterable[bytes] = ()) -> Holders:
        """The organisations that hold each deal id, by what was noted and by ``deals``."""
        holders: Holders = defaultdict(set)
        for token in chain(self._tokens, deals):
            org_id, colon, deal_id = token.rpartition(b":")
            if colon:
                holders[deal_id].add(org_id)
        return holders

    def events_of(self, token: bytes, holders: Holders) -> tuple[bytes, ...]:
        """The deal's events keys: those seen, and those that the templates give, existing or not.

        An unknown organisation matches every one: an org-less deal is judged by all holders of its id, and an
        org-less events key counts for each of them.
        """
        return tuple(dict.fromkeys(key for _, keys in self.owners_of(token, holders) for key in keys))

    def owners_of(self, token: bytes, holders: Holders) -> Iterator[tuple[bytes, list[bytes]]]:
        """The deals by whose events it is judged, and the events keys of each."""
        org_id, colon, deal_id = token.rpartition(b":")
        yield deal_id, [*self._events.get(deal_id, ()), *(item.render(None, deal_id) for item in self._orgless)]
        for organisation in (org_id,) if colon else sorted(holders.get(deal_id, ())):
            pair = organisation + b":" + deal_id
            keys = [*self._events.get(pair, ()), *(head + pair + tail for head, tail in self._pairs)]
            yield pair, keys + [item.render(organisation, deal_id) for item in self._others]


def sole_deal(deal_id: bytes, holders: Holders) -> bytes | None:
    """The token of the only deal with this id, or None if several organisations hold it, or none."""
    organisations = holders.get(deal_id, set())
    return b":".join((*organisations, deal_id)) if len(organisations) == 1 else None
