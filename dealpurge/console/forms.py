"""The console's forms: what is to be previewed, and what is typed before a purge."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from dealpurge import services
from dealpurge.console.formatting import number
from dealpurge.console.translation import in_language
from dealpurge.exceptions import FieldError, PurgeConfigurationError, ScopeError
from dealpurge.i18n import said_by
from dealpurge.models import PurgeRun
from dealpurge.previews.confirmation import Confirmation
from dealpurge.scope import BLANKS, MAX_SECONDS, Deal, PurgeScope, deal_of_line

#: Lines of the field for deals; more are a purge of an organisation, or of all.
MAX_DEALS = 10_000
HOUR = 3600

UNITS = (
    (1, _("seconds")),
    (60, _("minutes")),
    (HOUR, _("hours")),
    (24 * HOUR, _("days")),
)

#: Which of our fields shows an error of the scope's field.
FIELDS = {"deal_id": "deals", "exclude_active_within_secs": "exclude_active"}
#: What is said of an error, by field and code or by code alone.
WORDS = {
    ("deal_id", "missing"): _("Name at least one deal."),
    ("deal_id", "value_error"): _("A purge of all deals names none."),
    ("exclude_active_within_secs", "value_error"): _("There is no events family to judge activity by."),
    ("leave_never_active", "value_error"): _("Give a time above: without one no deal is judged by its activity."),
    "string_too_short": _("An id has at least 1 character."),
    "string_too_long": _("An id has at most 255 bytes."),
    "string_pattern_mismatch": _("An id has no control characters, spaces, ':', '{' or '}'."),
}


class SpanWidget(forms.MultiWidget):
    """A number and its unit."""

    template_name = "admin/dealpurge/span_widget.html"

    def __init__(self) -> None:
        number = forms.NumberInput(attrs={"min": 0, "step": 1, "class": "dp-amount", "aria-label": _("Amount")})
        super().__init__([number, forms.Select(choices=UNITS, attrs={"aria-label": _("Unit")})])

    def id_for_label(self, id_: str | None) -> str:
        """The label belongs to the amount."""
        return f"{id_}_0" if id_ else ""

    def decompress(self, value: int | None) -> list[int | None]:
        """Seconds as amount and the largest unit without a rest."""
        if not value:
            return [None, 60]
        unit = max(size for size, _name in UNITS if value % size == 0)
        return [value // unit, unit]


class SpanField(forms.MultiValueField):
    """Seconds, given as an amount and a unit; None for nothing."""

    widget = SpanWidget

    def __init__(self, **kwargs: Any) -> None:
        amount = forms.IntegerField(min_value=0, max_value=MAX_SECONDS, required=False)
        unit = forms.TypedChoiceField(choices=UNITS, coerce=int, required=False, empty_value=None)
        super().__init__([amount, unit], require_all_fields=False, required=False, **kwargs)

    def compress(self, data_list: list[int | None]) -> int | None:
        """Amount times unit."""
        amount, unit = data_list or (None, None)
        return amount * (unit or 1) if amount else None


class PurgeForm(forms.Form):
    """What is to be previewed. There is no field for a live run: one begins at its preview only."""

    mode = forms.ChoiceField(
        label=_("What"),
        choices=((PurgeRun.RunMode.BY_DEAL, _("Named deals")), (PurgeRun.RunMode.ALL, _("All deals"))),
        initial=PurgeRun.RunMode.BY_DEAL,
        widget=forms.RadioSelect,
    )
    deals = forms.CharField(
        label=_("Deals"),
        required=False,
        strip=False,
        help_text=_(
            "One a line: the deal's id, or organisation:deal where the same id is found in several organisations."
        ),
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "autocapitalize": "off", "autocomplete": "off"}),
    )
    org_id = forms.CharField(
        label=_("Organisation"),
        required=False,
        strip=False,
        help_text=_("Only this organisation's deals. Leave it empty for any organisation."),
        widget=forms.TextInput(attrs={"spellcheck": "false", "autocapitalize": "off", "autocomplete": "off"}),
    )
    exclude_active = SpanField(
        label=_("Leave deals active within the last"),
        initial=HOUR,
        help_text=_(
            "Deals with canvas activity in this time stay, and are judged again at the moment of their deletion. "
            "Empty or 0: deals go even while somebody works on them."
        ),
    )
    leave_never_active = forms.BooleanField(
        label=_("Leave deals without any activity too"),
        required=False,
        help_text=_(
            "Of deals that were just made, or whose events have expired, nothing tells of activity. Without it they go."
        ),
    )
    include_checkpoints = forms.BooleanField(
        label=_("Purge LangGraph checkpoints too"),
        required=False,
        help_text=_("Synthesis runs in flight on these deals will be aborted. Without it checkpoints stay."),
    )
    reason = forms.CharField(
        label=_("Why"),
        required=False,
        max_length=1000,
        help_text=_("A ticket, or a sentence for whoever reads the record next month."),
    )

    def clean(self) -> dict[str, Any]:
        """Make the scope, with everything that it and the settings refuse as errors of the fields."""
        data = super().clean() or {}
        if not self.errors:
            try:
                data["scope"] = self._scope(data)
                services.check(data["scope"])
            except ScopeError as exc:
                for error in exc.errors:
                    self.add_error(FIELDS.get(error.field, error.field), _in_words(error))
            except PurgeConfigurationError as exc:
                self.add_error(None, in_language(said_by(exc)))
        return data

    def _scope(self, data: dict[str, Any]) -> PurgeScope:
        named = data["mode"] == PurgeRun.RunMode.BY_DEAL
        org_id = data["org_id"].strip(BLANKS) or None
        return PurgeScope(
            mode=data["mode"],
            deals=tuple(read_deals(data["deals"], org_id)),
            org_id=None if named else org_id,
            include_checkpoints=data["include_checkpoints"],
            exclude_active_within_secs=data["exclude_active"],
            leave_never_active=data["leave_never_active"],
            dry_run=True,
        )

    def clean_deals(self) -> str:
        """Refuse more lines than a page should carry."""
        text: str = self.cleaned_data["deals"]
        if text.count("\n") >= MAX_DEALS:
            raise ValidationError(
                _("Name at most %(n)s deals, or purge all deals of their organisation."),
                params={"n": number(MAX_DEALS)},
            )
        return text


class ConfirmForm(forms.Form):
    """What has to be typed before a purge."""

    typed = forms.CharField(
        required=False,
        widget=forms.TextInput(
            attrs={
                "class": "dp-typed",
                "autocomplete": "off",
                "autocapitalize": "off",
                "spellcheck": "false",
                "aria-describedby": "dp-until",
            }
        ),
    )

    def __init__(self, *args: Any, confirmation: Confirmation, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.confirmation = confirmation
        if (confirmation.words or "").isdecimal():
            self.fields["typed"].widget.attrs["inputmode"] = "numeric"

    def clean_typed(self) -> str:
        """Take it whatever its case, blanks and grouping of digits."""
        typed: str = self.cleaned_data["typed"]
        if not self.confirmation.confirmed_by(typed):
            # The field stands far down its page.
            self.fields["typed"].widget.attrs |= {"autofocus": True, "aria-describedby": "id_typed_error dp-until"}
            raise ValidationError(self.confirmation.wrong)
        return typed


def read_deals(text: str, org_id: str | None) -> Iterable[Deal]:
    """The deals of a text, one a line."""
    return filter(None, (deal_of_line(line, org_id) for line in text.split("\n")))


def write_deals(deals: Iterable[Iterable[str | None]]) -> str:
    """The text that ``read_deals`` reads."""
    return "\n".join(deal_id or "" if org_id is None else f"{org_id}:{deal_id}" for org_id, deal_id in deals)


def _in_words(error: FieldError) -> str:
    """The scope speaks as the endpoint does, of fields that the form has not."""
    words = WORDS.get((error.field, error.code)) or WORDS.get(error.code)
    return str(words or error.message)
