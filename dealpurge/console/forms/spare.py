"""What is to be spared, and why the rest goes: what every form asks that leads to a preview."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from dealpurge import services
from dealpurge.conf import conf
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
#: Is sent by every form that has a box for the guard, so that one which is not ticked can be told from none.
GUARD_ASKED = "guard_asked"


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
    # Asked where an earlier run had them: they must not be lost on the way.
    at_most_deals = forms.IntegerField(label=_("Deals at most"), required=False, min_value=1)
    at_most_keys = forms.IntegerField(label=_("Keys at most"), required=False, min_value=1)
    reason = forms.CharField(
        label=_("Reason or ticket"),
        required=False,
        max_length=1000,
        help_text=_("Shown with the run and in each deal's timeline."),
        error_messages={"required": _("Give a reason or a ticket: here no purge goes without.")},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        with suppress(PurgeConfigurationError):  # which ``clean`` says
            self.fields["reason"].required = conf.reason_required

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
                )
                services.check(data["scope"])
                _ = conf.reason_required
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


def _in_words(error: FieldError) -> str:
    """The scope speaks as the endpoint does, of fields that the form has not."""
    words = WORDS.get((error.field, error.code)) or WORDS.get(error.code)
    return str(words or error.message)
