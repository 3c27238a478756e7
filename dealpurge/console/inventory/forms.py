"""The purge form without its question which deals: a filter has chosen them."""

from __future__ import annotations

from typing import Any

from dealpurge.console.forms import PurgeForm
from dealpurge.console.selection import Selection
from dealpurge.scope import PurgeScope


class SelectionForm(PurgeForm):
    """What of the chosen deals is to be spared, and why they go."""

    # So Django takes a field away that a form has inherited.
    mode = None  # type: ignore[assignment]
    deals = None  # type: ignore[assignment]
    org_id = None  # type: ignore[assignment]

    def __init__(self, *args: Any, selection: Selection, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.selection = selection

    def _scope(self, data: dict[str, Any]) -> PurgeScope:
        return PurgeScope(
            mode="by_deal",
            deals=self.selection.deals,
            include_checkpoints=data["include_checkpoints"],
            exclude_active_within_secs=data["exclude_active"],
            leave_never_active=data["leave_never_active"],
            dry_run=True,
        )
