"""What a request says, field by field: what all bodies have in common, and that of a purge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

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

#: A request for more is to name none of them, and have all.
MAX_DEALS = 10_000

Location = tuple[str | int, ...]
Made = TypeVar("Made")


class ClosedObject(serializers.Serializer[Made]):
    """A JSON object of which all names are known. Its errors may be nested, as its fields are."""

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
        errors = unknown | self.conflicts(values) | errors | repeated
        if errors:
            order = [name for name in (*self.fields, *unknown) if name in errors]
            raise serializers.ValidationError({name: errors[name].detail for name in order})
        return values

    def conflicts(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What is refused of values that are each fine by themselves, by field."""
        return {}

    def error_items(self) -> Iterator[ErrorItem]:
        """The errors as the contract has them, bounded where somebody sent a thousand names."""
        yield from islice(_items(self.errors, self.initial_data), len(self.fields) + LIST_LIMIT)


class PurgeDealsBody(ClosedObject[PurgeScope]):
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

    def conflicts(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """What the scope refuses."""
        if "mode" not in values:
            return {}
        try:
            scope_of(values)
        except ScopeError as exc:
            return {error.field: refusal(error.code, error.message) for error in exc.errors}
        return {}

    def scope(self) -> PurgeScope:
        """What was asked, as the service takes it. Raises ``ScopeError``."""
        return scope_of(self.validated_data)


def item(loc: Location, code: str, message: str, data: Any) -> ErrorItem:
    """What is wrong at a place of what was sent; where nothing is there, the input is the object that lacks it."""
    sent = _at(data, loc[:-1] if code == "missing" else loc)
    ctx = {"field_type": "List", "max_length": MAX_DEALS, "actual_length": len(sent)} if code == "too_long" else None
    return ErrorItem(code=code, loc=loc, message=message, input=sent, ctx=ctx)


def scope_of(values: Mapping[str, Any]) -> PurgeScope:
    """The scope of a body's values. Raises ``ScopeError``."""
    options = dict(values)
    deal_id = options.pop("deal_id", None)
    return PurgeScope.named(deal_ids=() if deal_id is None else (deal_id,), **options)


def _items(errors: Any, data: Any, loc: Location = ()) -> Iterator[ErrorItem]:
    """One of each place."""
    if isinstance(errors, Mapping):
        for part, nested in errors.items():
            yield from _items(nested, data, (*loc, part))
    else:
        yield item(loc, errors[0].code, str(errors[0]), data)


def _at(data: Any, loc: Location) -> Any:
    """None where nothing was sent."""
    for part in loc:
        data = data.get(part) if isinstance(data, Mapping) else data[part]
    return data
