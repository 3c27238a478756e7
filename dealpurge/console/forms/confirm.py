"""What has to be typed before a purge, or a restore."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from dealpurge.previews.confirmation import Confirmation
from dealpurge.previews.restoring import RestoreQuestion


class ConfirmForm(forms.Form):
    """What has to be typed."""

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

    def __init__(self, *args: Any, confirmation: Confirmation | RestoreQuestion, **kwargs: Any) -> None:
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
