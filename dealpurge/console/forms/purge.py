"""The form that asks which deals are to go, and the text that names them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from dealpurge.console.formatting import number
from dealpurge.console.forms.spare import SpareForm
from dealpurge.models import PurgeRun
from dealpurge.scope import BLANKS, Deal, deal_of_line

#: Lines of the field for deals; more are a purge of an organisation, or of all.
MAX_DEALS = 10_000
BY_DEAL, ALL = PurgeRun.RunMode.BY_DEAL.value, PurgeRun.RunMode.ALL.value
#: Of the form alone: to a scope it is all deals, with an organisation.
ORGANISATION = "organisation"


class PurgeForm(SpareForm):
    """What is to be previewed."""

    mode = forms.ChoiceField(
        label=_("Deals"),
        choices=(
            (BY_DEAL, _("These deals")),
            (ORGANISATION, _("All deals of one organisation")),
            (ALL, _("All deals in Redis")),
        ),
        initial=BY_DEAL,
        widget=forms.RadioSelect,
    )
    deals = forms.CharField(
        label=_("Deals, one per line"),
        required=False,
        strip=False,
        help_text=_("One per line. A deal's id, or organisation:id where several organisations use the same id."),
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false", "autocapitalize": "off", "autocomplete": "off"}),
    )
    org_id = forms.CharField(
        label=_("Organisation"),
        required=False,
        strip=False,
        widget=forms.TextInput(
            attrs={"spellcheck": "false", "autocapitalize": "off", "autocomplete": "off", "list": "dp-organisations"}
        ),
    )

    def deals_in_scope(self, data: dict[str, Any]) -> dict[str, Any]:
        """By the choice; deals and an organisation that belong to another choice are refused, not left out."""
        mode = data["mode"]
        org_id = data["org_id"].strip(BLANKS) or None
        return {
            "mode": BY_DEAL if mode == BY_DEAL else ALL,
            "deals": tuple(read_deals(data["deals"], None)),
            "org_id": org_id,
        }

    def field_of(self, name: str) -> str | None:
        """An organisation that is wrong in front of a named deal is the deals' error."""
        named = self.cleaned_data.get("mode") == BY_DEAL
        return super().field_of("deal_id" if named and name == "org_id" else name)

    def clean_org_id(self) -> str:
        """Named for that choice, and for no other: what was typed may be what was meant."""
        org_id: str = self.cleaned_data["org_id"]
        named, wanted = bool(org_id.strip(BLANKS)), self.cleaned_data.get("mode") == ORGANISATION
        if wanted and not named:
            raise ValidationError(_("Name the organisation."))
        if named and not wanted and "mode" in self.cleaned_data:
            raise ValidationError(_("An organisation is named. Choose all its deals, or leave this empty."))
        return org_id

    def clean_deals(self) -> str:
        """Refuse more lines than a page should carry."""
        text: str = self.cleaned_data["deals"]
        if text.count("\n") >= MAX_DEALS:
            raise ValidationError(
                _("Name at most %(n)s deals, or purge all deals of their organisation."),
                params={"n": number(MAX_DEALS)},
            )
        return text


def read_deals(text: str, org_id: str | None) -> Iterable[Deal]:
    """The deals of a text, one a line."""
    return filter(None, (deal_of_line(line, org_id) for line in text.split("\n")))


def write_deals(deals: Iterable[Iterable[str | None]]) -> str:
    """The text that ``read_deals`` reads."""
    return "\n".join(deal_id or "" if org_id is None else f"{org_id}:{deal_id}" for org_id, deal_id in deals)
