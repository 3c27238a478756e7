"""The OpenAPI document as this project publishes it, and what is wrong with a value by one of its parts."""

from __future__ import annotations

from typing import Any

import jsonschema
from drf_spectacular.generators import SchemaGenerator

Schema = dict[str, Any]


def document() -> Schema:
    """Made anew, by the settings in force."""
    made: Schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return made


def operations(document: Schema) -> dict[str, Schema]:
    """By their ids."""
    return {spec["operationId"]: spec for path in document["paths"].values() for spec in path.values()}


def refusals(document: Schema, part: Schema, value: object) -> list[str]:
    """What is wrong with a value by a part of the document, which is OpenAPI 3.1 and hence JSON Schema."""
    validator = jsonschema.Draft202012Validator(
        {**part, "components": document["components"]}, format_checker=jsonschema.FormatChecker()
    )
    return [error.message for error in validator.iter_errors(value)]
