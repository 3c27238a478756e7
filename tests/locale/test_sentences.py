"""What the record says in English, a page says in its reader's language: every sentence, with whatever is in it."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from ssl import SSLCertVerificationError

import pytest
from django.utils.translation import gettext, override
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,
    NoPermissionError,
    ReadOnlyError,
    ResponseError,
)

from dealpurge.console.translation import FORMS, in_language
from dealpurge.engine.guard.plan import MISREAD_WARNING, OVERSIZED_WARNING
from dealpurge.engine.passes import PLAIN_WARNING, SCATTERED_WARNING
from dealpurge.engine.sweep.selection import NAMESAKE_WARNING, ORGANISATION_WARNING
from dealpurge.engine.sweep.tally import NAMES_SHOWN
from dealpurge.runs import messages
from dealpurge.scope import ID_MAX_BYTES
from dealpurge.servers import errors
from dealpurge.text import escape
from tests.support.readme_blocks import ROOT

PACKAGE = ROOT / "dealpurge"
TREES = {str(path.relative_to(PACKAGE)): ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}
#: Errors whose words are stored where they end a run, or are shown where they prevent one.
ERRORS = {"AuditUnavailable", "PurgeConfigurationError", "PurgeNotAllowed", "RedisUnavailable", "TemplateError"}
#: Its only error is about a setting of the API, which answers in English.
OF_THE_API = {"runs/throttling.py"}
FILLED = [sentence for sentence in FORMS if "{}" in sentence]


def marked() -> Iterator[str]:
    """Every literal in the sources that is marked, found without importing anything."""
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "gettext_noop":
                yield ast.literal_eval(node.args[0])


def spelt_out(node: ast.AST | None) -> bool:
    """Whether these are words, and not the name of a constant or a code of one word."""
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value
    )


def language(code: str) -> override:
    """Active in a block, and none behind it, as the other tests expect."""
    return override(code, deactivate=True)


def filled(sentence: str, name: str) -> str:
    """As it is stored: what has no place for a name is not formatted."""
    return sentence.format(*[name] * sentence.count("{}")) if "{}" in sentence else sentence


# None is forgotten


def test_all_that_is_marked_is_known_to_who_asks_for_nothing_else() -> None:
    code = (
        "import django, json; django.setup(); "
        "from dealpurge.console.translation import FORMS; print(json.dumps([*FORMS]))"
    )
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "project.settings"}

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=environment, timeout=60
    )

    assert len(FORMS) > 50
    assert set(json.loads(done.stdout)) == set(marked()) == set(FORMS)


def test_every_warning_is_marked() -> None:
    names = {
        (file, target.id): node.value
        for file, tree in TREES.items()
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id.endswith("_WARNING")
    }

    assert len(names) > 15
    assert [
        name for name, value in names.items() if getattr(getattr(value, "func", None), "id", "") != "gettext_noop"
    ] == []


def test_every_sentence_about_trouble_with_redis_is_marked() -> None:
    nodes = list(ast.walk(TREES["servers/errors.py"]))
    docstrings = {
        ast.get_docstring(node, clean=False)
        for node in nodes
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
    }
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    sentences = {text for text in texts - docstrings if re.fullmatch(r"[A-Z].* .*\.", text)}

    assert len(sentences) > 20
    assert sentences - set(FORMS) == set()


def test_nothing_else_is_raised_warned_of_or_stored() -> None:
    found = []
    for file, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                words = node.args if name in ERRORS or name == "warn" else []
                errors = [keyword.value for keyword in node.keywords if keyword.arg == "error"]
                found += [(file, ast.unparse(node)) for text in [*words, *errors] if spelt_out(text)]

    assert [place for place in found if place[0] not in OF_THE_API] == []
    assert {file for file, _ in found} == OF_THE_API  # so that the search is known to find something


# Each in German


@pytest.mark.parametrize("sentence", FORMS)
def test_every_sentence_is_told_from_its_stored_form(sentence: str) -> None:
    stored = filled(sentence, "acme deal-1")

    with language("de"):
        told = in_language(stored)
        assert told == filled(gettext(sentence), "acme deal-1")
    assert told != stored


@pytest.mark.parametrize(
    "name",
    ["{}", "{0}{deal_id}", "{{", "}", "100 %", "%s %(n)s", "<script>alert(1)</script>", "a\nb\r\n", "\\x00\\udc80",
     "", " ", "(.*)", "d1: d2. d3", "é🦊", "and 5 more"],
)  # fmt: skip
@pytest.mark.parametrize("sentence", FILLED)
def test_a_name_is_handed_on_as_it_is(sentence: str, name: str) -> None:
    with language("de"):
        assert in_language(filled(sentence, name)) == filled(gettext(sentence), name)


def test_no_name_makes_a_sentence_another_one() -> None:
    """Those that begin with a name, or alike, have nothing in them but settings and numbers of deals."""
    beginnings = Counter(sentence.partition("{}")[0] for sentence in FORMS)
    told = [sentence for sentence in FILLED if sentence[0] != "{" and beginnings[sentence.partition("{}")[0]] == 1]
    with language("de"):
        wrong = [
            (sentence, other)
            for sentence in told
            for other in FORMS
            if in_language(sentence.format(other)) != gettext(sentence).format(other)
        ]

    assert len(told) > 15
    assert wrong == []


def test_no_beginning_goes_on_as_another() -> None:
    beginnings = {sentence.partition("{}")[0] for sentence in FILLED} - {""}
    others = {sentence.partition("{}")[0] for sentence in FORMS}

    assert [(one, other) for one in beginnings for other in others - {one} if other.startswith(one)] == []


def test_a_number_of_deals_is_said_as_the_language_has_it() -> None:
    with language("de"):
        assert ": 1 Deal. " in in_language(PLAIN_WARNING.format("1 deal"))
        assert ": 1.200 Deals. " in in_language(SCATTERED_WARNING.format("1200 deals"))
        assert "etwa {{{org_id}:{deal_id}}}, halten" in in_language(SCATTERED_WARNING.format("2 deals"))


@pytest.mark.parametrize(("count", "words"), [(1, "und 1 weiterer"), (7, "und 7 weitere"), (1200, "und 1.200 weitere")])
def test_a_list_that_goes_on(count: int, words: str) -> None:
    stored = OVERSIZED_WARNING.format(f"d0, d1, d2, d3, d4 and {count} more")

    with language("de"):
        assert in_language(stored) == gettext(OVERSIZED_WARNING).format(f"d0, d1, d2, d3, d4 {words}")


def test_the_longest_names_that_there_are() -> None:
    name = escape("\x80" * (ID_MAX_BYTES // 2))
    listed = ", ".join([f"{name} {name}"] * NAMES_SHOWN)

    with language("de"):
        told = in_language(NAMESAKE_WARNING.format(f"{listed} and 7 more"))
    assert told.endswith(f"nicht angerührt: {listed} und 7 weitere.")


def test_a_deal_that_is_named_as_a_number_of_deals_keeps_its_name() -> None:
    with language("de"):
        assert in_language(NAMESAKE_WARNING.format("5 deals")).endswith(": 5 deals.")


def test_braces_that_are_meant() -> None:
    with language("de"):
        assert in_language(MISREAD_WARNING).endswith("DEALPURGE_CHECKPOINT_THREAD auf '{org_id}:{deal_id}'.")
        assert in_language(ORGANISATION_WARNING.format("acme")).endswith("auf '{org_id}:{deal_id}'.")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (errors.failure(ResponseError("BUSY Redis is busy")), "Redis ist mit einem Skript beschäftigt (BUSY)."),
        (errors.failure(ReadOnlyError()), "Dieses Redis ist eine Replica und nimmt keine Löschungen an. "),
        (errors.failure(ResponseError("WEIRD canvas:lock:acme:1")), "Redis hat einen Befehl verweigert (WEIRD)."),
        (errors.failure(ResponseError("unknown command 'UNLINK', with")), "verweigert (unknown command 'UNLINK)."),
        (
            errors.failure(NoPermissionError("has no permissions to run the 'scan' command")),
            "darf SCAN nicht ausführen",
        ),
        (errors.failure(NoPermissionError("No permissions to access a key")), "fehlt eine Berechtigung"),
        (errors.hopeless(AuthenticationError()), "Redis hat das Passwort oder den Benutzer abgelehnt."),
        (errors.hopeless(SSLCertVerificationError()), "Dem TLS-Zertifikat von Redis wird nicht vertraut"),
        (errors.given_up(BusyLoadingError(), 30), "Redis lädt noch seine Daten (gewartet: 30 s)."),
        (errors.given_up(ConnectionError("refused"), 2), "Redis ist nicht erreichbar (versucht: 2 s lang)."),
    ],
)
def test_trouble_with_redis(error: Exception, words: str) -> None:
    with language("de"):
        assert words in in_language(str(error))


# As they stand


@pytest.mark.parametrize("sentence", FORMS)
def test_in_english_a_page_says_what_is_stored(sentence: str) -> None:
    stored = filled(sentence, "d1, d2 and 7 more")

    with language("en-gb"):
        assert in_language(stored) == stored


@pytest.mark.parametrize(
    "sentence",
    [
        "",
        "{}",
        "A sentence of an older version, with {} and %s.",
        "Redis refused a command.",
        f"{messages.INTERRUPTED} ",
        f"{messages.INTERRUPTED}\n",
        "Redis is busy with a script [BUSY].",
        "Template " + " has a placeholder that is none: " * 600,
        "Template " + " has a placeholder that is none: " * 60_000,
        " cannot be imported: " * 60_000,
    ],
    ids=range(10),
)
def test_what_nothing_says_is_left_alone(sentence: str) -> None:
    with language("de"):
        assert in_language(sentence) == sentence
