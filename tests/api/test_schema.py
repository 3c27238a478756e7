"""The published schema: what it names, that its examples keep to it, and that real answers do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from pytest_django.fixtures import Settings

from dealpurge.scope import PurgeScope

from .conftest import PATH, RUNS, Bearer, Post

Schema = dict[str, Any]

RUN = f"{RUNS}/{{run_id}}"
OPERATIONS = {
    "purge_deals": (PATH, "post", {"200", "202", "400", "401", "403", "409", "411", "413", "422", "429", "503"}),
    "purge_run": (RUN, "get", {"200", "401", "403", "404", "503"}),
    "cancel_purge_run": (f"{RUN}/cancel", "post", {"200", "401", "403", "404", "409", "503"}),
}


def published() -> Schema:
    made: Schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return made


def operation(schema: Schema, name: str) -> Schema:
    path, method, _ = OPERATIONS[name]
    found: Schema = schema["paths"][path][method]
    return found


def plain(schema: Any) -> Any:
    """OpenAPI 3.0 as JSON Schema: null is no keyword there."""
    if isinstance(schema, list):
        return [plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: plain(value) for name, value in schema.items() if name != "nullable"}
    return {"anyOf": [made, {"type": "null"}]} if schema.get("nullable") is True else made


def refusals(schema: Schema, part: Schema, value: object) -> list[str]:
    """What is wrong with a value by a part of the published schema."""
    validator = jsonschema.Draft202012Validator(
        plain({**part, "components": schema["components"]}), format_checker=jsonschema.FormatChecker()
    )
    return [error.message for error in validator.iter_errors(value)]


def contents(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Every body of a request or an answer, with where it stands."""
    for name in OPERATIONS:
        spec = operation(schema, name)
        if "requestBody" in spec:
            yield f"{name} request", spec["requestBody"]["content"]["application/json"]
        for status, answer in spec["responses"].items():
            yield f"{name} {status}", answer["content"]["application/json"]


def test_it_is_openapi() -> None:
    validate_schema(published())  # type: ignore[no-untyped-call]


def test_it_is_served_to_anybody(client: Client) -> None:
    answer = client.get(reverse("schema"), headers={"Accept": "application/json"})

    assert answer.status_code == 200
    paths = answer.json()["paths"]
    assert {path: set(item) for path, item in paths.items()} == {path: {verb} for path, verb, _ in OPERATIONS.values()}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation(name: str) -> None:
    spec = operation(published(), name)

    assert (spec["operationId"], spec["security"]) == (name, [{"bearerAuth": []}])
    assert set(spec["responses"]) == OPERATIONS[name][2]
    assert all(answer["description"] for answer in spec["responses"].values())


def test_names_of_the_contract() -> None:
    schema = published()
    components = schema["components"]
    content = operation(schema, "purge_deals")["requestBody"]["content"]
    refused = operation(schema, "purge_deals")["responses"]["422"]["content"]["application/json"]["schema"]

    assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/PurgeDealsBody"}
    assert refused == {"$ref": "#/components/schemas/HTTPValidationError"}
    assert components["schemas"]["HTTPValidationError"]["properties"]["detail"]["items"] == {
        "$ref": "#/components/schemas/ValidationError"
    }
    assert sorted(components["schemas"]["ValidationError"]["required"]) == ["loc", "msg", "type"]
    assert set(components["schemas"]["ValidationError"]["properties"]) == {"loc", "msg", "type", "input", "ctx"}
    assert components["securitySchemes"]["bearerAuth"] == {"type": "http", "scheme": "bearer"}


def test_the_fields_of_the_body() -> None:
    body = published()["components"]["schemas"]["PurgeDealsBody"]

    assert list(body["properties"]) == [
        "mode", "deal_id", "org_id", "include_checkpoints", "exclude_active_within_secs", "dry_run",
    ]  # fmt: skip
    assert (body["required"], body["additionalProperties"]) == (["mode"], False)
    assert body["properties"]["dry_run"]["default"] is True
    assert body["properties"]["include_checkpoints"]["default"] is False


def test_every_body_has_an_example_that_keeps_to_its_schema() -> None:
    schema = published()

    for where, content in contents(schema):
        examples = [example["value"] for example in content["examples"].values()]
        assert examples, where
        assert [refusals(schema, content["schema"], example) for example in examples] == [[]] * len(examples), where


def test_an_example_that_does_not_is_found() -> None:
    schema = published()
    _, report = next(item for item in contents(schema) if item[0] == "purge_deals 200")

    assert refusals(schema, report["schema"], {"run_id": None, "status": "done"})


#: Bodies that the endpoint takes, and some that it refuses.
TAKEN: list[Schema] = [
    {"mode": "all"}, {"mode": "all", "deal_id": None, "org_id": "a"}, {"mode": "by_deal", "deal_id": "*"},
    {"mode": "by_deal", "deal_id": "é" * 63, "org_id": None}, {"mode": "by_deal", "deal_id": "a" * 255},
    {"mode": "all", "dry_run": "off", "include_checkpoints": 1}, {"mode": "all", "dry_run": "TRUE"},
    {"mode": "all", "exclude_active_within_secs": " 5.0 "}, {"mode": "all", "exclude_active_within_secs": 5.0},
    {"mode": "all", "exclude_active_within_secs": None}, {"mode": "all", "exclude_active_within_secs": "0" * 5000},
]  # fmt: skip
REFUSED: list[Any] = [
    {}, [], None, "all", {"mode": "ALL"}, {"mode": None}, {"mode": "all", "x": 1}, {"mode": "all", "deal_id": "a"},
    {"mode": "by_deal"}, {"mode": "by_deal", "deal_id": None}, {"mode": "by_deal", "deal_id": ""},
    {"mode": "by_deal", "deal_id": "a:b"}, {"mode": "by_deal", "deal_id": "a" * 256}, {"mode": "all", "org_id": " "},
    {"mode": "by_deal", "deal_id": 1}, {"mode": "all", "dry_run": None}, {"mode": "all", "dry_run": 2},
    {"mode": "all", "dry_run": "maybe"}, {"mode": "all", "exclude_active_within_secs": -1},
    {"mode": "all", "exclude_active_within_secs": 1.5}, {"mode": "all", "exclude_active_within_secs": "5s"},
    {"mode": "all", "exclude_active_within_secs": True},
]  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "status"),
    [*((body, 200) for body in TAKEN), *((body, 422) for body in REFUSED)],
    ids=lambda x: str(x)[:60],
)
def test_schema_and_endpoint_agree(post: Post, asked: list[PurgeScope], body: Any, status: int) -> None:
    schema = published()
    spec = operation(schema, "purge_deals")

    answer = post(body)

    wrong = refusals(schema, spec["requestBody"]["content"]["application/json"]["schema"], body)
    assert answer.status_code == status == (422 if wrong else 200)
    assert (
        refusals(schema, spec["responses"][str(status)]["content"]["application/json"]["schema"], answer.json()) == []
    )


@pytest.mark.django_db(transaction=True)
def test_answers_about_a_run_keep_to_the_schema(
    http: Client, superuser: User, bearer: Bearer, valkey_settings: Settings
) -> None:
    schema, headers = published(), bearer(superuser)
    queued = http.post(PATH, {"mode": "all"}, "application/json", headers=headers | {"Prefer": "respond-async"})
    address = queued.headers["Location"]
    nowhere = f"{RUNS}/6f9d2c1e-3c54-4b7e-9d3c-0d9a6c3f2b11"
    answers = [
        ("purge_deals", queued, 202),
        ("purge_deals", http.post(PATH, {"mode": "all"}, "application/json", headers=headers), 200),
        ("purge_deals", http.post(PATH), 401),
        ("purge_run", http.get(address, headers=headers), 200),
        ("purge_run", http.get(nowhere, headers=headers), 404),
        ("purge_run", http.get(address), 401),
        ("cancel_purge_run", http.post(f"{address}/cancel", headers=headers), 409),
        ("cancel_purge_run", http.post(f"{nowhere}/cancel", headers=headers), 404),
    ]

    for name, answer, status in answers:
        assert answer.status_code == status
        described = operation(schema, name)["responses"][str(status)]
        assert refusals(schema, described["content"]["application/json"]["schema"], json.loads(answer.content)) == []
        assert set(described.get("headers", {})) <= set(answer.headers)


@pytest.mark.parametrize("version", ["3.0.3", "3.1.1"])
def test_in_either_version_of_openapi(settings: Settings, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    from drf_spectacular.settings import spectacular_settings

    monkeypatch.setattr(spectacular_settings, "OAS_VERSION", version)
    schema = published()

    assert schema["openapi"] == version
    assert ("nullable" in json.dumps(schema)) is (version < "3.1")


def test_the_page_needs_nothing_from_elsewhere(client: Client) -> None:
    page = client.get(reverse("docs")).content.decode()

    assert "http://" not in page
    assert "https://" not in page
