"""What a request for a restore says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rest_framework import serializers

from dealpurge.api.body import JsonObject
from dealpurge.api.fields import IdField, LaxBooleanField, refusal
from dealpurge.api.serializers import ID, MAX_DEALS, ClosedObject
from dealpurge.report import LIST_LIMIT
from dealpurge.scope import Deal, RestoreScope


class DealIdField(IdField):
    """An id that has to be there."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Null is no id."""
        if data is serializers.empty:
            raise refusal("missing")
        if data is None:
            raise refusal("string_type", "Input should be a valid string")
        return super().run_validation(data)


class RestoreDeal(ClosedObject[Deal]):
    """A deal to restore."""

    deal_id = DealIdField(help_text=f"The deal. {ID}")
    org_id = IdField(
        required=False,
        allow_null=True,
        default=None,
        help_text=f"Its organisation. Null by default: this id in every organisation of the archive. {ID}",
    )

    def deal(self, data: object) -> Deal:
        """The deal of what was sent for one. Raises ``ValidationError``."""
        if not isinstance(data, JsonObject):
            raise refusal("model_attributes_type")
        values = self.to_internal_value(data)
        return values["org_id"], values["deal_id"]


class DealsField(serializers.ListField):
    """Deals; none of them means all."""

    child = RestoreDeal()

    def run_validation(self, data: Any = serializers.empty) -> tuple[Deal, ...]:
        """Null and absence name none. Errors of so many deals at most as a report would list."""
        deals: list[Deal] = []
        errors: dict[Any, Any] = {}  # by position
        for index, sent in enumerate(_list(data, MAX_DEALS)):
            try:
                deals.append(self.child.deal(sent))
            except serializers.ValidationError as exc:
                errors[index] = exc.detail
            if len(errors) == LIST_LIMIT:
                break
        if errors:
            raise serializers.ValidationError(errors)
        return tuple(deals)


class FamiliesField(serializers.ListField):
    """Names of families; none of them means all. Whether the archive has them is for the service to say."""

    child = serializers.CharField(allow_blank=True)

    def run_validation(self, data: Any = serializers.empty) -> tuple[str, ...]:
        """Null and absence name none."""
        names = list(_list(data))
        wrong: list[Any] = [index for index, name in enumerate(names) if not isinstance(name, str)]
        if wrong:
            error = refusal("string_type", "Input should be a valid string")
            raise serializers.ValidationError(dict.fromkeys(wrong[:LIST_LIMIT], error.detail))
        return tuple(dict.fromkeys(names))


class RestoreDealsBody(ClosedObject[RestoreScope]):
    """Which deals, which keys, and whether for real. Names that are none of these five are refused."""

    deals = DealsField(
        required=False,
        allow_null=True,
        default=None,
        max_length=MAX_DEALS,
        help_text="Only these deals. Null by default, which means every deal that the purge has archived, and "
        "so does an empty array.",
    )
    families = FamiliesField(
        required=False,
        allow_null=True,
        default=None,
        help_text="Only keys of these families, by the names that the archive knows them by: those of the purge's own "
        "report. Null by default, which means all of them, and so does an empty array.",
    )
    leave_mixed = LaxBooleanField(
        default=False,
        help_text="Deals of which keys exist again are left as they are. `false` by default: their other keys are "
        "written back, and those that exist stay.",
    )
    skip_damaged = LaxBooleanField(
        default=False,
        help_text="Where files of the archive are damaged or missing, restore the rest. `false` by default: then "
        "nothing is written.",
    )
    dry_run = LaxBooleanField(
        default=True,
        help_text="Count what would be written back, and write nothing. `true` by default; a restore happens only on "
        '`false`. Beware: `0` and the words `"off"`, `"no"`, `"f"`, `"n"`, `"0"` and `"false"`, in any case, count as '
        "false, and restore too.",
    )

    def scope(self) -> RestoreScope:
        """What was asked, as the service takes it."""
        return RestoreScope(**self.validated_data)


def _list(data: Any, most: int | None = None) -> Iterable[Any]:
    if data is serializers.empty or data is None:
        return ()
    if not isinstance(data, list):
        raise refusal("list_type")
    if most is not None and len(data) > most:
        raise refusal("too_long", f"List should have at most {most} items after validation, not {len(data)}")
    return data
