"""The schema that drf-spectacular publishes. Imported only where that is installed."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent
from drf_spectacular.settings import spectacular_settings

from dealpurge.api.components import COMPONENTS, Schema
from dealpurge.api.operations import CANCEL_RUN, PURGE_DEALS, PURGE_RUN
from dealpurge.api.views import CancelRunView, JsonView, PurgeDealsView, PurgeRunView

BEARER: Schema = {"type": "http", "scheme": "bearer"}
OPERATIONS: dict[type[JsonView], tuple[str, Schema]] = {
    PurgeDealsView: ("POST", PURGE_DEALS),
    PurgeRunView: ("GET", PURGE_RUN),
    CancelRunView: ("POST", CANCEL_RUN),
}


class WrittenSchema(AutoSchema):
    """Written by hand, so that it says the same whatever the host's settings make of serializers."""

    def __init__(self, method: str, operation: Schema) -> None:
        super().__init__()
        self.only_method, self.operation = method, operation

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: ComponentRegistry
    ) -> Schema | None:
        """What drf-spectacular asks for; None for other methods of the same view."""
        if method != self.only_method:
            return None
        for name, schema in COMPONENTS.items():
            _register(registry, ResolvedComponent.SCHEMA, name, in_version_of_host(schema))
        _register(registry, ResolvedComponent.SECURITY_SCHEMA, "bearerAuth", BEARER)
        return deepcopy(self.operation)


def in_version_of_host(schema: Any) -> Any:
    """A copy in the host's version of OpenAPI: 3.1 spells null as a type."""
    if isinstance(schema, list):
        return [in_version_of_host(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: in_version_of_host(value) for name, value in schema.items()}
    if made.get("nullable") is True and str(spectacular_settings.OAS_VERSION) >= "3.1":
        del made["nullable"]
        made["type"] = [made["type"], "null"]
    return made


def publish() -> None:
    """Give each view its part of the schema."""
    for view, (method, operation) in OPERATIONS.items():
        view.schema = WrittenSchema(method, operation)


def _register(registry: ComponentRegistry, kind: str, name: str, schema: Schema) -> None:
    component = ResolvedComponent(name=name, type=kind, schema=deepcopy(schema), object=name)  # type: ignore[no-untyped-call]
    registry.register_on_missing(component)
