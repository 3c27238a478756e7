"""Deals of several organisations that one deal id stands for where it is named without an organisation."""

from __future__ import annotations

from collections.abc import Iterable

from dealpurge.i18n import gettext_noop
from dealpurge.scope import PurgeScope

#: In words that are true of a dry run, and of deals that stay because somebody works on them.
SEVERAL_WARNING = gettext_noop(
    "A deal id that is named without an organisation means that id in every one, and several organisations have it: {}."
)


def namesakes(scope: PurgeScope, tokens: Iterable[bytes]) -> set[bytes]:
    """Organisation and id of those among the deals that were found; it costs nothing where no id is named so."""
    bare = {deal_id.encode() for org_id, deal_id in scope.deals if org_id is None}
    holders: dict[bytes, list[bytes]] = {}
    for token in tokens if bare else ():
        org_id, colon, deal_id = token.rpartition(b":")
        if colon and deal_id in bare:
            holders.setdefault(deal_id, []).append(org_id + b" " + deal_id)
    return {name for names in holders.values() if len(names) > 1 for name in names}
