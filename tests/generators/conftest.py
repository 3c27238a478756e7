from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import call_command

from tests.support.servers import missing

from .tools import absent


@pytest.fixture(scope="session", autouse=True)
def _tools_are_installed() -> None:
    if reason := absent():
        missing(reason)


@pytest.fixture(scope="session")
def document(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The OpenAPI document that the project publishes."""
    path = tmp_path_factory.mktemp("published") / "openapi.json"
    call_command("spectacular", "--format=openapi-json", f"--file={path}", "--fail-on-warn")
    return path
