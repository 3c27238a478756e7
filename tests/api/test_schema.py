"""The published schema: what it names, that its examples keep to it, and that real answers do."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import path, reverse
from django.utils.module_loading import import_string
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.utils import extend_schema
from drf_spectacular.validation import validate_schema
from pytest_django.fixtures import Settings
from rest_framework import serializers
from rest_framework.parsers import FormParser
from rest_framework.renderers import BrowsableAPIRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from dealpurge.api.answers import examples
from dealpurge.api.errors import RUN_HEADER
from dealpurge.api.fields import FALSE_WORDS, TRUE_WORDS
from dealpurge.api.urls import urlpatterns
from dealpurge.conf import conf
from dealpurge.keys.families import CHECKPOINTS, FAMILIES
from dealpurge.scope import PurgeScope
from tests.support.published import Schema, document, operations, refusals
from tests.support.readme_blocks import ROOT

from .conftest import PATH, RUNS, Bearer, Post

RUN = f"{RUNS}/{{run_id}}"
OPERATIONS = {
    "purge_deals": (PATH, "post", {"200", "202", "400", "401", "403", "409", "411", "413", "422", "429", "503"}),
    "purge_run": (RUN, "get", {"200", "401", "403", "404", "503"}),
    "cancel_purge_run": (f"{RUN}/cancel", "post", {"200", "401", "403", "404", "409", "503"}),
    "restore_deals": (
        f"{RUN}/restore",
        "post",
        {"200", "202", "400", "401", "403", "404", "409", "411", "413", "422", "429", "503"},
    ),
}


def operation(schema: Schema, name: str) -> Schema:
    path, method, _ = OPERATIONS[name]
    found: Schema = schema["paths"][path][method]
    return found


def contents(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Every body of a request or an answer, with where it stands."""
    for name in OPERATIONS:
        spec = operation(schema, name)
        if "requestBody" in spec:
            yield f"{name} request", spec["requestBody"]["content"]["application/json"]
        for status, answer in spec["responses"].items():
            yield f"{name} {status}", answer["content"]["application/json"]


def test_it_is_openapi() -> None:
    validate_schema(document())  # type: ignore[no-untyped-call]


def test_it_is_served_to_anybody(client: Client) -> None:
    answer = client.get(reverse("schema"), headers={"Accept": "application/json"})

    assert answer.status_code == 200
    paths = answer.json()["paths"]
    assert {path: set(item) for path, item in paths.items()} == {path: {verb} for path, verb, _ in OPERATIONS.values()}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation(name: str) -> None:
    spec = operation(document(), name)

    assert (spec["operationId"], spec["security"]) == (name, [{"bearerAuth": []}])
    assert set(spec["responses"]) == OPERATIONS[name][2]
    assert all(answer["description"] for answer in spec["responses"].values())


def test_names_of_the_contract() -> None:
    schema = document()
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


def test_the_body_is_six_plain_properties() -> None:
    schema = document()["components"]["schemas"]
    body = schema["PurgeDealsBody"]
    fields = {
        name: {k: v for k, v in field.items() if k != "description"} for name, field in body["properties"].items()
    }

    assert list(fields.items()) == [
        ("mode", {"$ref": "#/components/schemas/PurgeMode"}),
        ("deal_id", {"type": ["string", "null"], "minLength": 1, "maxLength": 255}),
        ("org_id", {"type": ["string", "null"], "minLength": 1, "maxLength": 255}),
        ("include_checkpoints", {"type": "boolean", "default": False}),
        ("exclude_active_within_secs", {"type": ["integer", "null"], "minimum": 0}),
        ("dry_run", {"type": "boolean", "default": True}),
    ]
    assert (schema["PurgeMode"]["type"], schema["PurgeMode"]["enum"]) == ("string", ["all", "by_deal"])
    assert {*body} == {"type", "description", "properties", "required", "additionalProperties"}
    assert (body["required"], body["additionalProperties"]) == (["mode"], False)


def test_every_field_is_described() -> None:
    schemas = document()["components"]["schemas"]
    body = schemas["PurgeDealsBody"]["properties"] | {"mode": schemas["PurgeMode"]}
    body |= schemas["RestoreDealsBody"]["properties"] | schemas["RestoreDeal"]["properties"]

    assert [name for name, field in body.items() if len(field["description"]) < 60] == []
    assert [name for name, schema in schemas.items() if not schema["description"]] == []


def test_what_is_taken_beyond_the_schema_is_told_in_words() -> None:
    schema = document()
    for name, body in (("purge_deals", "PurgeDealsBody"), ("restore_deals", "RestoreDealsBody")):
        words = set(re.findall(r'"(\w+)"', operation(schema, name)["description"]))
        dry_run = schema["components"]["schemas"][body]["properties"]["dry_run"]["description"]

        assert words >= TRUE_WORDS | FALSE_WORDS
        assert set(re.findall(r'"(\w+)"', dry_run)) == FALSE_WORDS


def test_the_families_are_told_in_words() -> None:
    text = operation(document(), "purge_deals")["description"].lower()

    assert "ten families" in text
    assert len(FAMILIES) == 10
    for words in map(str.split, (name.replace("_", " ") for name in FAMILIES)):
        assert any(word.rstrip("s")[:6] in text for word in words), words


def test_answers_are_open() -> None:
    schemas = document()["components"]["schemas"]
    later = {**examples.REPORT.as_dict(), "memory": {"bytes": 5}}

    closed = {name for name, schema in schemas.items() if schema.get("additionalProperties") is False}
    assert closed == {"PurgeDealsBody", "RestoreDealsBody", "RestoreDeal"}
    assert refusals(document(), {"$ref": "#/components/schemas/PurgeReport"}, later) == []


def test_the_body_of_a_restore_is_five_plain_properties() -> None:
    schema = document()
    components = schema["components"]["schemas"]
    content = operation(schema, "restore_deals")["requestBody"]["content"]["application/json"]["schema"]

    def plain(name: str) -> Schema:
        properties = components[name]["properties"]
        return {name: {k: v for k, v in field.items() if k != "description"} for name, field in properties.items()}

    deal = {"$ref": "#/components/schemas/RestoreDeal"}
    assert content == {"$ref": "#/components/schemas/RestoreDealsBody"}
    assert list(plain("RestoreDealsBody").items()) == [
        ("deals", {"type": ["array", "null"], "items": deal, "maxItems": 10000}),
        ("families", {"type": ["array", "null"], "items": {"type": "string"}}),
        ("leave_mixed", {"type": "boolean", "default": False}),
        ("skip_damaged", {"type": "boolean", "default": False}),
        ("dry_run", {"type": "boolean", "default": True}),
    ]
    assert "required" not in components["RestoreDealsBody"]
    assert plain("RestoreDeal") == {
        "deal_id": {"type": "string", "minLength": 1, "maxLength": 255},
        "org_id": {"type": ["string", "null"], "minLength": 1, "maxLength": 255},
    }
    assert components["RestoreDeal"]["required"] == ["deal_id"]


def test_every_body_has_an_example_that_keeps_to_its_schema() -> None:
    schema = document()

    for where, content in contents(schema):
        examples = [example["value"] for example in content["examples"].values()]
        assert examples, where
        assert [refusals(schema, content["schema"], example) for example in examples] == [[]] * len(examples), where


def reports(schema: Schema) -> Iterator[Schema]:
    """Those in the examples of answers."""
    for name in OPERATIONS:
        for answer in operation(schema, name)["responses"].values():
            for example in answer["content"]["application/json"]["examples"].values():
                value = example["value"]
                yield from (part for part in (value, value.get("report")) if part and "families" in part)


def test_the_numbers_of_an_example_are_those_of_a_real_restore() -> None:
    found = [report for report in reports(document()) if "purge_id" in report]

    assert {report["status"] for report in found} == {"completed", "cancelled", "failed"}
    for report in found:
        deals, keys, limit = report["deals"], report["keys"], conf.request_timeout or 0
        assert keys["archived"] == sum(keys.values()) - keys["archived"] == examples.REPORT.keys.deleted
        assert sum(report["families"].values()) == keys["restored"]
        assert sum(deal["keys"] for deal in report["mixed"]) == keys["kept_newer"]
        assert len(report["mixed"]) == deals["mixed"]
        assert deals["restored"] <= deals["archived"] <= examples.REPORT.deals.purged
        assert (report["duration_ms"] >= limit * 1000) is (report["status"] == "cancelled")


def test_the_numbers_of_an_example_are_those_of_a_real_report() -> None:
    found = [report for report in reports(document()) if "purge_id" not in report]

    assert {report["status"] for report in found} == {"completed", "cancelled", "failed"}
    for report in found:
        deals, keys, limit = report["deals"], report["keys"], conf.request_timeout or 0
        assert list(report["families"]) == [*FAMILIES, CHECKPOINTS]
        assert sum(report["families"].values()) == (keys["matched"] if report["dry_run"] else keys["deleted"])
        if report["status"] == "failed":  # refused, for a limit
            assert deals["matched"] - deals["skipped_active"] > report["at_most_deals"]
        else:
            assert deals["matched"] == deals["purged"] + deals["skipped_active"] + deals["interrupted"]
        assert keys["scanned"] >= keys["matched"] + keys["checkpoints_kept"]
        assert len(report["skipped"]) == deals["skipped_active"]
        assert (report["duration_ms"] >= limit * 1000) is (report["status"] == "cancelled")


def test_an_example_that_does_not_is_found() -> None:
    schema = document()
    _, report = next(item for item in contents(schema) if item[0] == "purge_deals 200")

    assert refusals(schema, report["schema"], {"run_id": None, "status": "done"})


#: Bodies that a client should send.
TAKEN: list[Schema] = [
    {"mode": "all"}, {"mode": "all", "deal_id": None, "org_id": "a"}, {"mode": "by_deal", "deal_id": "*"},
    {"mode": "by_deal", "deal_id": "é" * 63, "org_id": None}, {"mode": "by_deal", "deal_id": "a" * 255},
    {"mode": "all", "dry_run": False, "include_checkpoints": True}, {"mode": "all", "exclude_active_within_secs": 5.0},
    {"mode": "all", "exclude_active_within_secs": None}, {"mode": "all", "exclude_active_within_secs": 0},
]  # fmt: skip
#: Bodies that are taken besides, as the schema says in words.
TOLERATED: list[Schema] = [
    {"mode": "all", "dry_run": "off", "include_checkpoints": 1}, {"mode": "all", "dry_run": "TRUE"},
    {"mode": "all", "exclude_active_within_secs": " 5.0 "}, {"mode": "all", "exclude_active_within_secs": "0" * 5000},
    {"mode": "all", "exclude_active_within_secs": "+3_600"}, {"mode": "all", "exclude_active_within_secs": "3600.0"},
]  # fmt: skip
REFUSED: list[Any] = [
    {}, [], None, "all", {"mode": "ALL"}, {"mode": None}, {"mode": "all", "x": 1}, {"mode": "by_deal", "deal_id": 1},
    {"mode": "all", "dry_run": None}, {"mode": "all", "dry_run": 2}, {"mode": "all", "dry_run": "maybe"},
    {"mode": "all", "exclude_active_within_secs": -1}, {"mode": "all", "exclude_active_within_secs": 1.5},
    {"mode": "all", "exclude_active_within_secs": "5s"}, {"mode": "all", "exclude_active_within_secs": True},
    {"mode": "by_deal", "deal_id": ""}, {"mode": "by_deal", "deal_id": "a" * 256},
]  # fmt: skip
#: Bodies that only the words refuse: the rule between mode and deal_id, and what an id may hold.
REFUSED_BY_RULE: list[Schema] = [
    {"mode": "all", "deal_id": "a"}, {"mode": "by_deal"}, {"mode": "by_deal", "deal_id": None},
    {"mode": "by_deal", "deal_id": "a:b"}, {"mode": "all", "org_id": " "}, {"mode": "by_deal", "deal_id": "é" * 128},
]  # fmt: skip
CASES = [
    *((body, True, 200) for body in TAKEN),
    *((body, False, 200) for body in TOLERATED),
    *((body, False, 422) for body in REFUSED),
    *((body, True, 422) for body in REFUSED_BY_RULE),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("body", "fits", "status"), CASES, ids=lambda x: str(x)[:60])
def test_schema_and_endpoint(post: Post, asked: list[PurgeScope], body: Any, fits: bool, status: int) -> None:
    schema = document()
    spec = operation(schema, "purge_deals")

    answer = post(body)

    wrong = refusals(schema, spec["requestBody"]["content"]["application/json"]["schema"], body)
    assert (not wrong, answer.status_code) == (fits, status)
    assert (
        refusals(schema, spec["responses"][str(status)]["content"]["application/json"]["schema"], answer.json()) == []
    )


@pytest.mark.django_db(transaction=True)
def test_answers_about_a_run_keep_to_the_schema(
    http: Client, superuser: User, bearer: Bearer, valkey_settings: Settings
) -> None:
    schema, headers = document(), bearer(superuser)
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
        assert (RUN_HEADER in described.get("headers", {})) == (RUN_HEADER in answer.headers)


#: What a host may have set for its own endpoints, and the contract says otherwise of ours.
HOSTS: list[dict[str, Any]] = [
    {"COMPONENT_SPLIT_REQUEST": True},
    {"COMPONENT_SPLIT_REQUEST": True, "COMPONENT_NO_READ_ONLY_REQUIRED": True, "ENFORCE_NON_BLANK_FIELDS": True},
    {"AUTHENTICATION_WHITELIST": ["rest_framework.authentication.SessionAuthentication"]},
    {"SECURITY": [{"ApiKey": []}]},
    {"ENUM_GENERATE_CHOICE_DESCRIPTION": False},
    {"POSTPROCESSING_HOOKS": []},
    {"SCHEMA_PATH_PREFIX": "/api"},
    {"PARSER_WHITELIST": [FormParser], "RENDERER_WHITELIST": [BrowsableAPIRenderer]},
]


@pytest.mark.parametrize("host", HOSTS, ids=str)
def test_a_hosts_settings_change_nothing_of_ours(monkeypatch: pytest.MonkeyPatch, host: dict[str, Any]) -> None:
    before = document()

    for name, value in host.items():
        monkeypatch.setattr(spectacular_settings, name, value)

    assert json.dumps(document(), default=str, sort_keys=True) == json.dumps(before, default=str, sort_keys=True)


#: What a host may have for views of its own, as drf-standardized-errors does, or DRF's, which drf-spectacular is not.
CLASSES = {
    "of the host": """
class Schema(AutoSchema):
    get_tags = lambda self: ["host"]
    get_auth = lambda self: [{"cookie": []}]
    get_examples = lambda self: [OpenApiExample("of the host", {"errors": []}, status_codes=["403"])]
    _get_serializer_name = lambda self, *args: "Host" + super()._get_serializer_name(*args)
""",
    "of DRF": "from rest_framework.schemas.openapi import AutoSchema as Schema",
}
PROJECT = """
import json, django
django.setup()
from django.conf import settings
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample
{made}
settings.REST_FRAMEWORK["DEFAULT_SCHEMA_CLASS"] = Schema
settings.ROOT_URLCONF = "tests.support.urlconfs.plain"
from tests.support.published import document
print(json.dumps(document()))
"""


@pytest.mark.parametrize("made", CLASSES.values(), ids=CLASSES)
def test_the_class_of_the_hosts_schema_changes_nothing_of_ours(settings: Settings, made: str) -> None:
    code, environment = PROJECT.format(made=made), os.environ | {"DJANGO_SETTINGS_MODULE": "project.settings"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, env=environment, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    settings.ROOT_URLCONF = "tests.support.urlconfs.plain"
    assert (done.stderr, json.loads(done.stdout)) == ("", json.loads(json.dumps(document())))


def test_an_enumeration_of_the_hosts_keeps_its_name() -> None:
    """drf-spectacular would call two kinds of ``status`` by their components, and break the host's clients."""

    class Order(serializers.Serializer[Any]):
        status = serializers.ChoiceField(["open", "closed"])
        mode = serializers.ChoiceField(["cash", "card"])

    class Orders(APIView):
        @extend_schema(responses=Order)
        def get(self, request: Request) -> None: ...

    patterns = [path("orders", Orders.as_view()), *urlpatterns]
    made = SchemaGenerator(patterns=patterns).get_schema(request=None, public=True)  # type: ignore[no-untyped-call]

    assert {"StatusEnum", "ModeEnum", "PurgeStatus", "PurgeMode"} <= set(made["components"]["schemas"])


def test_in_a_host_of_openapi_3_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectacular_settings, "OAS_VERSION", "3.0.3")
    schema = document()
    body = schema["components"]["schemas"]["PurgeDealsBody"]["properties"]

    validate_schema(schema)  # type: ignore[no-untyped-call]
    assert (schema["openapi"], body["org_id"]["type"], body["org_id"]["nullable"]) == ("3.0.3", "string", True)


@pytest.mark.parametrize("versioning", ["URLPathVersioning", "NamespaceVersioning", "AcceptHeaderVersioning"])
@pytest.mark.parametrize("version", [None, "v1", "v2"])
def test_it_is_in_the_document_of_every_version(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, versioning: str, version: str | None
) -> None:
    chosen = f"rest_framework.versioning.{versioning}"
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {"DEFAULT_VERSIONING_CLASS": chosen}
    monkeypatch.setattr(APIView, "versioning_class", import_string(chosen))

    made = SchemaGenerator(api_version=version).get_schema(request=None, public=True)  # type: ignore[no-untyped-call]

    assert operations(made).keys() == OPERATIONS.keys()
    assert list(operation(made, "purge_deals")["responses"]["200"]["content"]) == ["application/json"]


def test_the_page_needs_nothing_from_elsewhere(client: Client) -> None:
    page = client.get(reverse("docs")).content.decode()

    assert "http://" not in page
    assert "https://" not in page
