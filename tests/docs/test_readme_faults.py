"""The README's table of faults: every sentence about trouble with Redis is there, and no other."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

import dealpurge.engine
import dealpurge.servers
from dealpurge.i18n import Sentence
from tests.support.readme_blocks import section

TABLE = section("Redis servers and Sentinel").partition("| what happens | what you see |\n")[2].partition("\n\n")[0]
#: Those of an organisation that was named or not, and of a limit, are in the sections about that.
ELSEWHERE = {"NAMESAKE_WARNING", "THREAD_WARNING", "ORGANISATION_WARNING", "SEVERAL_WARNING"}
ELSEWHERE |= {"DEALS_EXCEEDED", "KEYS_EXCEEDED", "BOTH_EXCEEDED", "DEALS_REACHED", "KEYS_REACHED"}
SHORTEST = 15


def sentences() -> Iterator[str]:
    """What the engine and the servers say."""
    for package in (dealpurge.engine, dealpurge.servers):
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            for name, value in vars(importlib.import_module(info.name)).items():
                if name.isupper() and name not in ELSEWHERE:
                    values = value.values() if isinstance(value, dict) else [value]
                    yield from (text for text in values if isinstance(text, Sentence))


def quoted() -> list[str]:
    return [re.sub(r"^… ", "", words) for words in re.findall(r'"([^"]+)"', TABLE)]


def begins(sentence: str, words: str) -> bool:
    return re.sub(r"^\{\} ", "", sentence).startswith(words)


def test_every_sentence_is_in_the_table() -> None:
    said = set(sentences())

    assert len(said) > 35
    assert [sentence for sentence in sorted(said) if not any(begins(sentence, words) for words in quoted())] == []


def test_what_the_table_quotes_is_said() -> None:
    assert len(quoted()) > 30
    assert [words for words in quoted() if len(words) < SHORTEST] == []
    said = set(sentences())
    assert [words for words in quoted() if not any(begins(sentence, words) for sentence in said)] == []


def test_a_row_says_both() -> None:
    assert [row for row in TABLE.splitlines()[1:] if not re.fullmatch(r"\| [^|]+ \| [^|]+ \|", row)] == []
