"""The page that starlight-openapi makes of the endpoint: each field is told, and a sample has all of them."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest

from .tools import ROOM, run_javascript

if TYPE_CHECKING:
    from .page import Section

pytestmark = [pytest.mark.generators, pytest.mark.xdist_group("generators")]

#: Type and default of every field. Starlight itself shows a default only where it is true.
FIELDS = {
    "mode": ("string", "required"),
    "deal_id": ("string | null", "null by default"),
    "org_id": ("string | null", "null by default"),
    "include_checkpoints": ("boolean", "false by default"),
    "exclude_active_within_secs": ("integer | null", "null by default"),
    "dry_run": ("boolean", "default: true"),
}


@pytest.fixture(scope="module")
def html(document: Path) -> str:
    """The page of the operation. Astro finds no packages that have no folder in common with the site but the root."""
    with TemporaryDirectory(prefix=".site-", dir=ROOM) as folder:
        site = Path(folder)
        shutil.copytree(ROOM / "site", site, dirs_exist_ok=True)
        shutil.copy(document, site)
        run_javascript("astro", "build", cwd=site)
        return (site / "dist" / "api" / "operations" / "purge_deals" / "index.html").read_text()


@pytest.fixture(scope="module")
def body(html: str) -> Section:
    """What the page says of the request's body."""
    from .page import section

    return section(html, "Request Body")


def test_the_fields_stand_in_their_order(body: Section) -> None:
    assert list(body.fields) == list(FIELDS)


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_is_told(body: Section, name: str) -> None:
    field = body.fields[name]
    type_, default = FIELDS[name]

    assert field.type == type_
    assert field.required == (default == "required")
    assert field.required or default in " ".join([*field.tags, field.description]).lower()
    assert len(field.description.split()) > 5


def test_the_words_of_mode_are_told(body: Section) -> None:
    field = body.fields["mode"]

    assert field.tags == ["all", "by_deal"]
    assert all(word in field.description for word in field.tags)


def test_no_field_is_one_of_several_things(body: Section, html: str) -> None:
    assert "One of" not in body.text
    assert "Any of" not in html


def test_the_sample_has_every_field_and_deletes_nothing(body: Section) -> None:
    assert list(body.samples[0]) == list(FIELDS)
    assert body.samples[0]["dry_run"] is True


def test_every_sample_has_every_field(body: Section) -> None:
    assert len(body.samples) > 1
    assert all(list(sample) == list(FIELDS) for sample in body.samples)
