"""What stands around every page, under any base that a host's admin has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.template.loader import get_template
from django.test import Client
from pytest_django.fixtures import Settings

import dealpurge
from tests import themes

from .conftest import FORM, LIST, ClientOf, MakePreview, page_of

pytestmark = pytest.mark.django_db

TEMPLATES = Path(dealpurge.__file__).parent / "templates"
OWN = Path(themes.__file__).parent / "templates"
PAGES = [path.relative_to(TEMPLATES) for path in TEMPLATES.rglob("*.html") if "purgerun/base.html" in path.read_text()]


@pytest.fixture
def browser(client_of: ClientOf, purger: User) -> Client:
    return client_of(purger)


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_page_leaves_the_frame_to_its_base(page: Path) -> None:
    assert not re.findall(r"{% block (content|content_title|nav-breadcrumbs) %}", (TEMPLATES / page).read_text())
    get_template(str(page))


@pytest.mark.parametrize("base", ["Django's", "its own"])
def test_which_redis_it_is_is_told_once_and_the_heading_too(
    browser: Client, make_preview: MakePreview, purger: User, settings: Settings, base: str
) -> None:
    if base == "its own":
        settings.TEMPLATES = [settings.TEMPLATES[0] | {"DIRS": [OWN]}]
    preview = page_of(make_preview(purger))

    for address in (FORM, LIST, preview, f"{LIST}inventory/"):
        page = browser.get(address, follow=True).content.decode()

        assert ("Deals Ltd." in page) == (base == "its own")
        assert page.count('<aside class="dp-where') == 1, address
        assert page.count("<h1") == 1 or address == LIST, address
    assert "dry run · nothing deleted" in browser.get(preview).content.decode()
