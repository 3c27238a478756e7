"""What drf-spectacular has no words for, and what the host's settings must not say of our views in its own schema.

Names that a body does not have are refused; Bearer is the one way in, and JSON the one way out; components have the
contract's names. All else is told in drf-spectacular's own terms, in ``operations``.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.views import APIView

from dealpurge.api.serializers import ClosedObject

TAGS = ["superadmin"]


class ClosedBody(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Of all other names none is taken."""

    target_class = ClosedObject
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Any) -> dict[str, Any]:
        """What drf-spectacular makes of it, closed."""
        made = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)  # type: ignore[no-untyped-call]
        return {**made, "additionalProperties": False}


class EndpointSchema(AutoSchema):
    """The schema of our views, whatever class the host has for its own."""

    def get_auth(self) -> list[dict[str, Any]]:
        """A Bearer token, and no alternative."""
        bearer = {"type": "http", "scheme": "bearer"}
        self.registry.register_on_missing(
            ResolvedComponent("bearerAuth", ResolvedComponent.SECURITY_SCHEMA, bearer, "bearerAuth")  # type: ignore[no-untyped-call]
        )
        return [{"bearerAuth": []}]

    def map_renderers(self, attribute: str) -> list[Any]:
        """JSON, whatever renderers the host has."""
        return [getattr(JSONRenderer, attribute)]

    def _get_serializer_name(self, serializer: Any, direction: Any, *args: Any) -> str:
        """The contract's, also where ``COMPONENT_SPLIT_REQUEST`` gives the host's others."""
        return super()._get_serializer_name(serializer, "response", *args)


def describe(view: type[APIView], method: str, **told: Any) -> None:
    """Tell of a method of a view, in our schema and not in what the host has made of its own."""
    handler: Any = getattr(view, method)
    view.schema = EndpointSchema()
    handler.schema = EndpointSchema  # what extend_schema builds upon; without it, upon DEFAULT_SCHEMA_CLASS
    extend_schema(tags=TAGS, **told)(handler)
