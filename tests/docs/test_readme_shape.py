"""The README is short in the open, and what is folded away is found from there.

A link into a closed ``<details>`` opens nothing on GitHub and PyPI, so what is linked to stands in the open.
"""

from __future__ import annotations

import re

import pytest

from dealpurge.servers import errors
from tests.support.readme_blocks import FOLDED, README, ROOT, anchor, headings, in_the_open, prose

TEXT = README.read_text()
OPEN = in_the_open(TEXT)
LINES_IN_THE_OPEN = 250
WORDS_IN_THE_OPEN = 1_500
COLUMNS = 100

#: Directly below its heading, with a line that says what is in it; the blank lines make Markdown of what is between.
FOLD = re.compile(r"<details><summary>[^\n]{10,}</summary>\n\n.+\n\n</details>\n", re.DOTALL)


def folded_sections(text: str) -> list[str]:
    """The headings that are followed by something folded."""
    return re.findall(r"^### (.*)\n<details>", text, re.MULTILINE)


def long_lines(text: str) -> list[str]:
    return [line for line in prose(text).splitlines() if len(line) > COLUMNS and not line.startswith("| ")]


def targets(text: str) -> list[str]:
    return re.findall(r"\]\(([^)]+)\)", text)


def test_the_front_page_is_short() -> None:
    assert len(OPEN.splitlines()) <= LINES_IN_THE_OPEN
    assert len(OPEN.split()) <= WORDS_IN_THE_OPEN


def test_no_line_is_long() -> None:
    assert long_lines(TEXT) == []


def test_a_long_line_is_found() -> None:
    long = "x" * (COLUMNS + 1)

    assert long_lines(f"| {long} |\n\n```text\n{long}\n```\n\n{long}\n") == [long]


def test_what_is_folded_is_closed_again() -> None:
    folds = FOLDED.findall(TEXT)

    assert TEXT.count("<details>") == TEXT.count("</details>") == len(folds) > 10
    assert [fold for fold in folds if not FOLD.fullmatch(fold) or fold.count("<details>") != 1] == []
    assert TEXT.count("<summary>") == TEXT.count("</summary>") == len(folds)


def test_every_fold_has_a_heading_of_its_own() -> None:
    assert len(folded_sections(TEXT)) == TEXT.count("<details>") == len(re.findall(r"^### ", prose(TEXT), re.MULTILINE))


def test_no_heading_is_folded_away() -> None:
    assert [heading for fold in FOLDED.findall(TEXT) for heading in headings(fold)] == []


def test_headings_differ() -> None:
    anchors = [anchor(heading) for heading in headings(TEXT)]

    assert len(set(anchors)) == len(anchors)


def test_every_link_leads_somewhere() -> None:
    anchors = {anchor(heading) for heading in headings(OPEN)}
    links = [link for link in targets(TEXT) if not link.startswith("https://")]

    assert len(links) > 20
    assert [link for link in links if link[0] == "#" and link[1:] not in anchors] == []
    assert [link for link in links if link[0] != "#" and not (ROOT / link).is_file()] == []


def answers() -> list[tuple[str, str]]:
    """The cells of the table that leads to what is folded."""
    table = OPEN.partition("\n| looking for | read |\n| --- | --- |\n")[2].partition("\n\n")[0]
    return [(cells[1].strip(), cells[2]) for cells in (row.split("|") for row in table.splitlines())]


def test_the_table_names_every_folded_section_in_its_order() -> None:
    links = [link for _, read in answers() for link in re.findall(r"\[([^]]+)\]\(#([^)]+)\)", read)]

    assert [name for name, _ in links] == folded_sections(TEXT)
    assert [name for name, target in links if anchor(name) != target] == []
    assert all(looking_for for looking_for, _ in answers())


def test_messages_in_the_table_are_what_is_said() -> None:
    said = "".join(text for name, text in vars(errors).items() if name.isupper() and isinstance(text, str))
    quoted = [message for looking_for, _ in answers() for message in re.findall(r'"([^"]+)"', looking_for)]

    assert len(quoted) > 4
    assert [message for message in quoted if message not in said] == []


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("spares deals active within the last hour, the endpoint and the command spare none", id="guard"),
        pytest.param("`deals.purged` and `families` say what **would be**", id="dry run"),
    ],
)
def test_what_decides_stands_in_the_open(words: str) -> None:
    assert words in " ".join(OPEN.split())


def test_what_is_pasted_asks_for_nothing_that_is_not_published() -> None:
    assert re.findall(r"pip install[^\n]*django-dealpurge", TEXT) == []
