"""Of which organisations a run's deals are: what its table of deals offers to choose from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from dealpurge.keys.families import split_token

#: Organisations that are told by name, the largest.
MOST = 100


def organisations_of(tokens: Iterable[bytes]) -> dict[str, Any]:
    """How many there are, and the largest with the number of their deals."""
    found = Counter(org_id for org_id, _ in map(split_token, tokens) if org_id is not None)
    largest = sorted(found.items(), key=lambda item: (-item[1], item[0]))[:MOST]
    return {"count": len(found), "largest": [list(item) for item in largest]}
