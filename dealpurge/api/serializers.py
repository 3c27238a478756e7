"""What a request says, field by field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from rest_framework import serializers

from dealpurge.api.body import JsonObject
from dealpurge.api.errors import ErrorItem
from dealpurge.api.fields import IdField, LaxBooleanField, ModeField, SecondsField, refusal
from dealpurge.exceptions import ScopeError
from dealpurge.report import LIST_LIMIT
from dealpurge.scope import ID_MAX_BYTES, PurgeScope

#: What every id has in common, for who reads the published schema.
ID = (
    f"An id has 1 to {ID_MAX_BYTES} bytes of UTF-8, and no spaces, control characters of ASCII, colons or braces in "
    "it; asterisks, question marks and brackets mean themselves."
)
REPEATED = "Value error, the name stands in the object more than once"


class PurgeDealsBody(serializers.Serializer[PurgeScope]):
    """Which deals, which keys, and whether for real. Names that are none of these six are refused."""

    mode = ModeField()
    deal_id = IdField(
        required=False,
        allow_null=True,
        default=None,
        help_text="The deal to purge: required with mode `by_deal`, refused with mode `all`. Without `org_id` it means "
        f"this id in every organisation. Null by default. {ID}",
    )
    org_id = IdField(
        required=False,
        allow_null=True,
        default=None,
        help_text=f"Only keys of this organisation, in either mode. Null by default: of every organisation. {ID}",
    )
    include_checkpoints = LaxBooleanField(
        default=False,
        help_text="LangGraph checkpoints go too, which aborts synthesis runs in flight. `false` by default: they stay.",
    )
    exclude_active_within_secs = SecondsField(
        required=False,
        allow_null=True,
        default=None,
        help_text="Deals with activity (`canvas:events`) in the last so many seconds stay, and the report lists them. "
        "0 or more; null by default. With null or 0 no deal is spared.",
    )
    dry_run = LaxBooleanField(
        default=True,
        help_text="Count what would go, and delete nothing. `true` by default; a purge happens only on `false`. "
        'Beware: `0` and the words `"off"`, `"no"`, `"f"`, `"n"`, `"0"` and `"false"`, in any case, count as false, '
        "and delete too.",
    )

    def to_internal_value(self, data: JsonObject) -> dict[str, Any]:
        """All that is wrong at once: an error a field in the order of the fields, names that are no field last."""
        values: dict[str, Any] = {}
        errors: dict[str, serializers.ValidationError] = {}
        for name, field in self.fields.items():
            try:
                values[name] = field.run_validation(data.get(name, serializers.empty))
            except serializers.ValidationError as exc:
                errors[name] = exc
        unknown = {name: refusal("extra_forbidden") for name in data if name not in self.fields}
        repeated = {name: refusal("value_error", REPEATED) for name in data.repeated}
        errors = unknown | _conflicts(values) | errors | repeated
        if errors:
            order = [name for name in (*self.fields, *unknown) if name in errors]
            raise serializers.ValidationError({name: errors[name].detail for name in order})
        return values

    def scope(self) -> PurgeScope:
        """What was asked, as the service takes it. Raises ``ScopeError``."""
        return scope_of(self.validated_data)

    def error_items(self) -> Iterator[ErrorItem]:
        """The errors as the contract has them, bounded where somebody sent a thousand names."""
        for name, details in islice(self.errors.items(), len(self.fields) + LIST_LIMIT):
            yield item(name, details[0].code, str(details[0]), self.initial_data)


def item(name: str, code: str, message: str, data: Mapping[str, Any]) -> ErrorItem:
    """An error of one field; where the field is not there, its input is the whole object."""
    sent = data if code == "missing" else data.get(name)
    return ErrorItem(code=code, loc=(name,), message=message, input=sent)


def scope_of(values: Mapping[str, Any]) -> PurgeScope:
    """The scope of a body's values. Raises ``ScopeError``."""
    options = dict(values)
    deal_id = options.pop("deal_id", None)
    return PurgeScope.named(deal_ids=() if deal_id is None else (deal_id,), **options)


def _conflicts(values: Mapping[str, Any]) -> dict[str, Any]:
    """What the scope refuses of values that are each fine by themselves."""
    if "mode" not in values:
        return {}
    try:
        scope_of(values)
    except ScopeError as exc:
        return {error.field: refusal(error.code, error.message) for error in exc.errors}
    return {}
