"""The purge form without its question which deals: a filter has chosen them."""

from __future__ import annotations

from typing import Any

from dealpurge.console.forms.purge import BY_DEAL
from dealpurge.console.forms.spare import SpareForm
from dealpurge.console.selection import Selection


class SelectionForm(SpareForm):
    """What of the chosen deals is to be spared, and why they go."""

    def __init__(self, *args: Any, selection: Selection, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.selection = selection

    def deals_in_scope(self, data: dict[str, Any]) -> dict[str, Any]:
        """Those that the filter chose."""
        return {"mode": BY_DEAL, "deals": self.selection.deals}
