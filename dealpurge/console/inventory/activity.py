"""What has happened since a scan to the deals that a page of it shows: asked of Redis, in one go, and not for long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property

from dealpurge import services
from dealpurge.exceptions import PurgeConfigurationError
from dealpurge.models import InventoryDeal, PurgeRun
from dealpurge.runs import inventory_filter
from dealpurge.runs.label import Label
from dealpurge.scope import Deal

#: What two looks tell of one activity may differ: idle times are whole seconds.
INEXACT = timedelta(seconds=2)


class Activity:
    """The newest events of some deals, as Redis tells while the page is made."""

    def __init__(self, scan: PurgeRun, rows: Sequence[InventoryDeal]) -> None:
        self.scan, self.rows = scan, rows

    @cached_property
    def elsewhere(self) -> bool:
        """Whether the scan is of another Redis than the settings name now."""
        with suppress(PurgeConfigurationError):
            return not Label.of_run(self.scan).agrees_with(Label.of_settings())
        return True

    @cached_property
    def others(self) -> list[Deal]:
        """Deals of the scan that have the id of a row without an organisation."""
        orgless = [row.deal_id for row in self.rows if row.org_id is None]
        return inventory_filter.holders_of(self.scan, orgless) if orgless else []

    @cached_property
    def _told(self) -> Mapping[Deal, datetime | None] | None:
        if self.elsewhere or not self.rows:
            return {}
        return services.last_activity([(row.org_id, row.deal_id) for row in self.rows], self.others)

    @property
    def is_unknown(self) -> bool:
        """Whether Redis did not tell in time."""
        return self._told is None

    def has_changed(self, row: InventoryDeal) -> bool:
        """Whether a deal has newer events than the scan saw, or none any more."""
        told, deal = self._told or {}, (row.org_id, row.deal_id)
        if deal not in told:
            return False
        newest, then = told[deal], row.last_active_at
        if newest is None or then is None:
            return newest is not then
        later: timedelta = newest - then
        return later > INEXACT

    def newest(self, row: InventoryDeal) -> datetime | None:
        """The last activity that is known."""
        told = (self._told or {}).get((row.org_id, row.deal_id))
        return told if told and self.has_changed(row) else row.last_active_at
