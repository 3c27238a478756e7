"""What is true of a deal now, as far as Redis and the record tell while its page is made."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from functools import cached_property

from django.utils.translation import gettext as _

from dealpurge import services
from dealpurge.console import formatting
from dealpurge.exceptions import PurgeConfigurationError
from dealpurge.models import PurgeRun
from dealpurge.previews.meanwhile import Meanwhile, purges_meeting
from dealpurge.runs import inventory_filter
from dealpurge.runs.label import Label
from dealpurge.scope import Deal, PurgeScope

HOUR = timedelta(hours=1)


class DealNow:
    """``scan``: the last one, which tells who else has the id of a deal without an organisation."""

    def __init__(self, deal: Deal, scan: PurgeRun | None, now: datetime) -> None:
        self.deal, self._scan, self._now = deal, scan, now

    @cached_property
    def purges(self) -> list[Meanwhile]:
        """Those under way that meet it; none where the settings do not say which Redis is meant."""
        with suppress(PurgeConfigurationError):
            return list(purges_meeting(PurgeScope(mode="by_deal", deals=(self.deal,)), Label.of_settings()))
        return []

    @property
    def is_unknown(self) -> bool:
        """Whether Redis did not tell in time of its activity."""
        return self._told is None

    @property
    def last_active_at(self) -> datetime | None:
        """The last activity; None where there are no events, or it is not known."""
        return self._told.get(self.deal) if self._told else None

    @property
    def outlook(self) -> str:
        """What the guard would do, were it purged now."""
        if self._told is None:
            return _("Redis cannot be asked now. Deals active in the last hour are skipped.")
        if self.deal not in self._told:
            return _("Deals active in the last hour are skipped.")
        newest = self.last_active_at
        if newest is None:
            return _("It would not be skipped now: it has no events.")
        ago = formatting.ago(newest, self._now)
        if self._now - newest <= HOUR:
            return _("It would be skipped now: active %(ago)s.") % {"ago": ago}
        return _("It would not be skipped now: last active %(ago)s.") % {"ago": ago}

    @cached_property
    def _told(self) -> dict[Deal, datetime | None] | None:
        org_id, deal_id = self.deal
        others: list[Deal] = []
        if org_id is None:  # whose events are those of all that have the id, as far as somebody has looked
            if self._scan is None:
                return {}
            others = inventory_filter.holders_of(self._scan, [deal_id])
            orgless = inventory_filter.deals_of(self._scan).filter(deal_id=deal_id, org_id=None)
            if not others and not orgless.exists():
                return {}
        told = services.last_activity([self.deal], others)
        return None if told is None else dict(told)
