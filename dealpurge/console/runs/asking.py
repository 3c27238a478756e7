"""What the page of a finished preview asks, or why it asks nothing."""

from __future__ import annotations

from datetime import UTC, timedelta
from functools import cached_property
from typing import Literal

from django.http import QueryDict
from django.utils.formats import time_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dealpurge.console import formatting
from dealpurge.console.forms.confirm import ConfirmForm
from dealpurge.console.runs.page import RunPage
from dealpurge.exceptions import PurgeConfigurationError
from dealpurge.previews.confirmation import Confirmation
from dealpurge.previews.meanwhile import Meanwhile, purges_meeting
from dealpurge.previews.preview import Preview
from dealpurge.runs.label import Label

State = Literal["open", "applied", "empty", "expired", "refused"]


class Asking:
    """A finished preview that somebody looks at. ``form``: what was typed into it, if something was."""

    def __init__(self, page: RunPage, form: ConfirmForm | None = None) -> None:
        self.page = page
        self.preview: Preview = page.preview
        self._filled = form

    @cached_property
    def state(self) -> State:
        """What has become of it; it may be applied where it is open."""
        if self.preview.applied_as:
            return "applied"
        if not self.preview.deals:
            return "empty"
        if self.preview.left < timedelta(0):
            return "expired"
        return "refused" if self.page.refusal else "open"

    @property
    def template(self) -> str:
        """What is shown in place of the question, or the question."""
        return f"admin/dealpurge/purgerun/preview/{self.state}.html"

    @property
    def warns(self) -> bool:
        """Whether the risk is worth telling: somebody may still apply it, perhaps not who looks."""
        try:
            return self.state in ("open", "refused") and bool(self.confirmation.heading)
        except PurgeConfigurationError:  # which is why it is refused
            return False

    @cached_property
    def meanwhile(self) -> list[Meanwhile]:
        """What others do to these deals, or did since it was made, where it may still be applied."""
        if self.state not in ("open", "refused"):
            return []
        run = self.preview.run
        return list(purges_meeting(run.scope, Label.of_run(run), since=run.started_at))

    @cached_property
    def confirmation(self) -> Confirmation:
        """The risk by the settings of this moment, in words."""
        return confirmation_of(self.preview)

    @property
    def form(self) -> ConfirmForm | None:
        """The field for what has to be typed; None where a click is enough."""
        return self._filled or (ConfirmForm(confirmation=self.confirmation) if self.confirmation.words else None)

    @property
    def validity(self) -> str:
        """Since when and for how long it is good."""
        made = self.preview.run.finished_at or self.preview.now
        until = time_format((self.preview.now + self.preview.left).astimezone(UTC), "H:i")
        words = _("Preview made %(ago)s, good until %(time)s.")
        return words % {"ago": formatting.ago(made, self.preview.now), "time": f"{until} UTC"}

    @property
    def why_empty(self) -> str:
        """That every deal stays because somebody works on it; else empty."""
        found, active = (self.page.deals.get(name, 0) for name in ("matched", "skipped_active"))
        if not found or found != active:
            return ""
        words = ngettext(
            "Nothing to purge: the only deal is active.", "Nothing to purge: all %(n)s deals are active.", found
        )
        return words % {"n": formatting.number(found)}


def confirmation_of(preview: Preview) -> Confirmation:
    """What is asked of it, on its page and of what is posted there."""
    return Confirmation.of_preview(preview.run)


def confirm_form(preview: Preview, data: QueryDict) -> ConfirmForm | None:
    """What was typed, to be judged by the preview's row and the settings of this moment; None if a click is enough."""
    confirmation = confirmation_of(preview)
    return ConfirmForm(data, confirmation=confirmation) if confirmation.words else None
