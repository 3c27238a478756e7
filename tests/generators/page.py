"""A page of starlight-openapi, as somebody reads it: its sections, the fields in them, and the samples."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from bs4 import BeautifulSoup


@dataclass(frozen=True)
class Field:
    """A row: what stands in it apart, and all of its text."""

    required: bool
    type: str
    tags: list[str]
    description: str


class Section:
    """A part of the page under a heading of its own."""

    def __init__(self, element: Any) -> None:
        self._element = element

    @property
    def text(self) -> str:
        return words(self._element)

    @property
    def fields(self) -> dict[str, Field]:
        """The rows by their names, those within others left out."""
        rows = [row for row in self._element.select(".key") if row.find_parent(class_="key") is None]
        return {words(row.select_one(".name strong")): field(row) for row in rows}

    @property
    def samples(self) -> list[Any]:
        """The JSON that is shown, the first without a click."""
        shown = self._element.select("figure pre")
        return [json.loads("\n".join(line.get_text() for line in pre.select(".ec-line"))) for pre in shown]


def field(row: Any) -> Field:
    text = row.select_one(".description")
    return Field(
        required=row.select_one(".name .required") is not None,
        type=words(text.select_one(".type")),
        tags=[words(tag) for tag in text.select(".tags span")],
        description=" ".join(words(part) for part in text.select("p, li")),
    )


def section(html: str, heading: str) -> Section:
    """The one section of a page whose heading begins so."""
    page = BeautifulSoup(html, "html.parser")
    (found,) = [title for title in page.select("main section h2") if title.get_text().startswith(heading)]
    return Section(found.find_parent("section"))


def words(element: Any) -> str:
    """The text of an element, as wide as a browser shows it."""
    return " ".join(element.get_text().split()) if element is not None else ""
