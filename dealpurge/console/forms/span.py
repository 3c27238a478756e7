"""A time as an amount and a unit."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from dealpurge.scope import MAX_SECONDS

HOUR = 3600
UNITS = (
    (1, _("seconds")),
    (60, _("minutes")),
    (HOUR, _("hours")),
    (24 * HOUR, _("days")),
)


class SpanWidget(forms.MultiWidget):
    """A number and its unit."""

    template_name = "admin/dealpurge/span_widget.html"

    def __init__(self) -> None:
        number = forms.NumberInput(attrs={"min": 0, "step": 1, "class": "dp-amount", "aria-label": _("How long")})
        super().__init__([number, forms.Select(choices=UNITS, attrs={"aria-label": _("Unit of time")})])

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
