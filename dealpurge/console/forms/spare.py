"""What is to be spared, and why the rest goes: what every form asks that leads to a preview."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from dealpurge import services
from dealpurge.conf import conf
from dealpurge.console.formatting import day, number
from dealpurge.console.forms.span import HOUR, SpanField
from dealpurge.console.translation import in_language
from dealpurge.exceptions import FieldError, PurgeConfigurationError, ScopeError
from dealpurge.i18n import said_by
from dealpurge.scope import PurgeScope

#: Which of our fields shows an error of the scope's field.
FIELDS = {"deal_id": "deals", "exclude_active_within_secs": "exclude_active"}
#: What is said of an error, by field and code or by code alone.
WORDS = {
    ("deal_id", "missing"): _("Name at least one deal."),
    ("deal_id", "value_error"): _("A purge of all deals names none."),
    ("exclude_active_within_secs", "value_error"): _("There is no events family to judge activity by."),
    ("leave_never_active", "value_error"): _("Without a time above no deal is judged by its activity."),
    "string_too_short": _("An id has at least 1 character."),
    "string_too_long": _("An id has at most 255 bytes."),
    "string_pattern_mismatch": _("An id has no control characters, spaces, ':', '{' or '}'."),
}
REASON_REQUIRED = _("Give a reason or a ticket: here no purge goes without.")
NO_REASON_TO_DECLINE = _("Give a reason or a ticket: without an archive the purge cannot be undone.")
#: Is sent by every form that has a box for the guard, so that one which is not ticked can be told from none.
GUARD_ASKED = "guard_asked"
#: Likewise, by every form that has the box for the archive: one from before there was an archive declines none.
ARCHIVE_ASKED = "archive_asked"


class SpareForm(forms.Form):
    """There is no field for a live run: one begins at its preview only."""

    #: Which deals, of the cleaned data: the part of the scope that every form asks for in its own way.
    deals_in_scope: Callable[[dict[str, Any]], dict[str, Any]]

    guard = forms.BooleanField(label=_("Skip deals active in the last"), required=False, initial=True)
    exclude_active = SpanField(
        label=_("How long"),
        initial=HOUR,
        help_text=_("Active means canvas events. Checked again just before a deal's keys are deleted."),
    )
    leave_never_active = forms.BooleanField(
        label=_("Skip deals without any activity too"),
        required=False,
        help_text=_(
            "Of deals that were just made, or whose events have expired, nothing tells of activity. Without it they go."
        ),
    )
    include_checkpoints = forms.BooleanField(
        label=_("Delete LangGraph checkpoints too"),
        required=False,
        help_text=_("Aborts synthesis runs in flight on these deals."),
    )
    keep_archive = forms.BooleanField(required=False, initial=True)
    # Asked where an earlier run had them: they must not be lost on the way.
    at_most_deals = forms.IntegerField(label=_("Deals at most"), required=False, min_value=1)
    at_most_keys = forms.IntegerField(label=_("Keys at most"), required=False, min_value=1)
    reason = forms.CharField(
        label=_("Reason or ticket"),
        required=False,
        max_length=1000,
        help_text=_("Shown with the run and in each deal's timeline."),
        error_messages={"required": REASON_REQUIRED},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        with suppress(PurgeConfigurationError):  # which ``clean`` says
            self.fields["reason"].required = conf.reason_required
        self._offer_archive()

    @property
    def limits(self) -> list[forms.BoundField]:
        """The fields of limits, where there is one."""
        fields = [self["at_most_deals"], self["at_most_keys"]]
        return fields if any(field.value() for field in fields) else []

    def clean_exclude_active(self) -> int | None:
        """Seconds; None where the guard is off. A guard without a time is no guard, and a mistake."""
        seconds: int | None = self.cleaned_data["exclude_active"]
        if GUARD_ASKED not in self.data:  # a page of before there was a box: a time alone says it
            return seconds
        if not self.cleaned_data.get("guard"):
            return None
        if not seconds:
            raise ValidationError(_("Give a time, or do not skip active deals."))
        return seconds

    def clean_keep_archive(self) -> bool:
        """Kept, unless somebody unticked a box that was there."""
        return bool(self.cleaned_data["keep_archive"]) or ARCHIVE_ASKED not in self.data

    def clean_reason(self) -> str:
        """Nobody goes without an archive for no reason. It is cleaned behind the box."""
        reason: str = self.cleaned_data["reason"]
        if not (reason or self.cleaned_data.get("keep_archive", True)):
            raise ValidationError(NO_REASON_TO_DECLINE)
        return reason

    def clean(self) -> dict[str, Any]:
        """Make the scope, with everything that it and the settings refuse as errors of the fields."""
        data = super().clean() or {}
        if not self.errors:
            try:
                data["scope"] = PurgeScope(
                    **self.deals_in_scope(data),
                    include_checkpoints=data["include_checkpoints"],
                    exclude_active_within_secs=data["exclude_active"],
                    leave_never_active=data["leave_never_active"],
                    dry_run=True,
                    at_most_deals=data["at_most_deals"],
                    at_most_keys=data["at_most_keys"],
                    keep_archive=data.get("keep_archive", True),
                )
                services.check(data["scope"])
                _ = conf.reason_required, conf.archive, conf.archive_days
            except ScopeError as exc:
                for error in exc.errors:
                    self.add_error(self.field_of(error.field), _in_words(error))
            except PurgeConfigurationError as exc:
                self.add_error(None, in_language(said_by(exc)))
        return data

    def field_of(self, name: str) -> str | None:
        """Which of our fields shows an error of the scope's field."""
        field = FIELDS.get(name, name)
        return field if field in self.fields else None

    def _offer_archive(self) -> None:
        """Where the settings name a storage for one."""
        days, field = 0, self.fields["keep_archive"]
        with suppress(PurgeConfigurationError):  # likewise
            days = 0 if conf.archive is None else conf.archive_days
        if not days:
            del self.fields["keep_archive"]
            return
        field.label = ngettext("Keep an archive for %(n)s day", "Keep an archive for %(n)s days", days) % {
            "n": number(days)
        }
        until = day(datetime.now(UTC) + timedelta(days=days))
        field.help_text = gettext("The purge can be undone until %(day)s.") % {"day": until}


def reason_wanted(scope: PurgeScope) -> str:
    """Why nothing of that scope begins without a reason; empty where it may. Raises ``PurgeConfigurationError``."""
    if conf.reason_required:
        return str(REASON_REQUIRED)
    declined = not scope.keep_archive and conf.archive is not None
    return str(NO_REASON_TO_DECLINE) if declined else ""


def _in_words(error: FieldError) -> str:
    """The scope speaks as the endpoint does, of fields that the form has not."""
    words = WORDS.get((error.field, error.code)) or WORDS.get(error.code)
    return str(words or error.message)
