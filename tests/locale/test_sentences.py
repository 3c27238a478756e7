"""What the record says in English, a page says in its reader's language: every sentence, with whatever is in it."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import cycle, islice
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

from dealpurge.conf import NOT_IMPORTED
from dealpurge.console.translation import in_language
from dealpurge.engine.guard.plan import MISREAD_WARNING, OVERSIZED_WARNING
from dealpurge.engine.limits import KEYS_EXCEEDED
from dealpurge.engine.pass_warnings import PLAIN_WARNING, SCATTERED_WARNING
from dealpurge.engine.sweep.selection import ORGANISATION_WARNING
from dealpurge.i18n import SENTENCES, Deals, Names, Number, Said, Sentence, as_json, from_json, said_by
from dealpurge.keys.template import NO_PLACEHOLDER
from dealpurge.runs import messages
from dealpurge.servers import errors
from tests.support.readme_blocks import ROOT

PACKAGE = ROOT / "dealpurge"
TREES = {str(path.relative_to(PACKAGE)): ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}
#: Errors whose words are stored where they end a run, or are shown where they prevent one.
ERRORS = {
    "ArchiveUnavailable",
    "AuditUnavailable",
    "PurgeConfigurationError",
    "PurgeNotAllowed",
    "RedisUnavailable",
    "TemplateError",
}
#: Its only error is about a setting of the API, which answers in English.
OF_THE_API = {"runs/throttling.py"}
#: As many parameters as any sentence has.
MOST = max(sentence.count("{}") for sentence in SENTENCES.values())
FILLED = [sentence for sentence in SENTENCES.values() if "{}" in sentence]


def marked() -> Iterator[tuple[str, str]]:
    """Code and words of all that is marked in the sources, found without importing anything."""
    for tree in TREES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "gettext_noop":
                yield ast.literal_eval(node.keywords[0].value), ast.literal_eval(node.args[0])


def spelt_out(node: ast.AST | None) -> bool:
    """Whether these are words, and not the name of a constant or a code of one word."""
    return isinstance(node, ast.JoinedStr) or (
        isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value
    )


def language(code: str) -> override:
    """Active in a block, and none behind it, as the other tests expect."""
    return override(code, deactivate=True)


def filled(sentence: Sentence, *parameters: object) -> Said:
    """With as many parameters as it has places for."""
    places = sentence.count("{}")
    return sentence.format(*islice(cycle(parameters), places)) if places else sentence


def stored(said: Said) -> Said:
    """As a page has it, which reads the record."""
    again = from_json(json.loads(json.dumps(as_json(said))))
    assert again == said
    return again


# None is forgotten


def test_all_that_is_marked_is_known_to_who_asks_for_nothing_else() -> None:
    code = (
        "import django, json; django.setup(); "
        "import dealpurge.console.translation; from dealpurge.i18n import SENTENCES; print(json.dumps(SENTENCES))"
    )
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "project.settings"}

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=environment, timeout=60
    )

    assert len(SENTENCES) > 50
    assert json.loads(done.stdout) == dict(marked()) == SENTENCES


def test_no_code_is_given_twice() -> None:
    assert len([*marked()]) == len({code for code, _ in marked()}) == len({sentence for _, sentence in marked()})


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
    assert sentences - set(SENTENCES.values()) == set()


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


@pytest.mark.parametrize("sentence", SENTENCES.values(), ids=SENTENCES)
def test_every_sentence_is_made_of_what_is_stored(sentence: Sentence) -> None:
    said = filled(sentence, "acme deal-1", "x")

    with language("de"):
        told = in_language(stored(said))
        assert told == (
            gettext(sentence).format(*["acme deal-1", "x"] * MOST) if said != sentence else gettext(sentence)
        )
    assert told != said


@pytest.mark.parametrize(
    "name",
    ["{}", "{0}{deal_id}", "{{", "}", "100 %", "%s %(n)s", "<script>alert(1)</script>", "a\nb\r\n", "\\x00\\udc80",
     "", " ", "(.*)", "d1: d2. d3", "é🦊", "and 5 more", "x and 3 more", "5 deals", "x" * 60_000],
    ids=range(18),
)  # fmt: skip
@pytest.mark.parametrize("sentence", FILLED, ids=[sentence.code for sentence in FILLED])
def test_a_name_is_handed_on_as_it_is(sentence: Sentence, name: str) -> None:
    with language("de"):
        assert in_language(stored(filled(sentence, name))) == gettext(sentence).format(*[name] * MOST)
        assert in_language(stored(filled(sentence, Names((name,))))) == gettext(sentence).format(*[name] * MOST)


def test_no_name_makes_a_sentence_another_one() -> None:
    with language("de"):
        wrong = [
            (sentence, other)
            for sentence in FILLED
            for other in SENTENCES.values()
            if in_language(stored(filled(sentence, other))) != gettext(sentence).format(*[other] * MOST)
        ]

    assert wrong == []


def test_two_names_in_one_sentence_are_told_apart() -> None:
    names = ("'a' has a placeholder that is none: 'b'", "'c'")

    with language("de"):
        assert in_language(stored(NO_PLACEHOLDER.format(*names))) == gettext(NO_PLACEHOLDER).format(*names)


def test_a_text_of_somebody_else_is_a_parameter() -> None:
    said = NOT_IMPORTED.format("DEALPURGE_ENQUEUE", ImportError("No module named 'a'"))

    with language("de"):
        assert in_language(stored(said)) == "DEALPURGE_ENQUEUE kann nicht importiert werden: No module named 'a'"


def test_a_number_of_deals_is_said_as_the_language_has_it() -> None:
    with language("de"):
        assert ": 1 Deal. " in in_language(stored(PLAIN_WARNING.format(Deals(1))))
        assert ": 1.200 Deals. " in in_language(stored(SCATTERED_WARNING.format(Deals(1200))))
        assert "etwa {{{org_id}:{deal_id}}}, halten" in in_language(stored(SCATTERED_WARNING.format(Deals(2))))


def test_a_number_is_grouped_as_the_language_has_it() -> None:
    said = KEYS_EXCEEDED.format(Number(61200), Number(11200), Number(50000))

    assert said == "61,200 keys would go, 11,200 more than the limit of 50,000: the purge is refused."
    with language("de"):
        assert in_language(stored(said)).startswith("61.200 Schlüssel würden gelöscht, 11.200 mehr als die Grenze von")


@pytest.mark.parametrize(("count", "words"), [(1, "und 1 weiterer"), (7, "und 7 weitere"), (1200, "und 1.200 weitere")])
def test_a_list_that_goes_on(count: int, words: str) -> None:
    said = OVERSIZED_WARNING.format(Names(("d0", "d1 and 2 more"), count))

    with language("de"):
        assert in_language(stored(said)) == gettext(OVERSIZED_WARNING).format(f"d0, d1 and 2 more {words}")


def test_braces_that_are_meant() -> None:
    with language("de"):
        assert in_language(stored(MISREAD_WARNING)).endswith("DEALPURGE_CHECKPOINT_THREAD auf '{org_id}:{deal_id}'.")
        assert in_language(stored(ORGANISATION_WARNING.format("acme"))).endswith("auf '{org_id}:{deal_id}'.")


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
        said = said_by(getattr(error, "unless", error))
        assert isinstance(said, Said)
        assert words in in_language(stored(said))


# In English


@pytest.mark.parametrize("sentence", SENTENCES.values(), ids=SENTENCES)
def test_in_english_a_page_says_what_the_api_does(sentence: Sentence) -> None:
    with language("en-gb"):
        for parameter in ("5 deals", Names(("d1", "d2"), 7), Names(("d1",)), Deals(1), Deals(2), Number(1200)):
            assert in_language(stored(filled(sentence, parameter))) == filled(sentence, str(parameter))


@pytest.mark.parametrize(
    "text", ["", "{}", "A sentence of an older version, with {} and %s.", str(messages.INTERRUPTED)]
)
def test_what_has_no_code_is_left_alone(text: str) -> None:
    with language("de"):
        assert in_language(text) == text


@pytest.mark.parametrize(
    "record",
    [
        None,
        "command_refused",
        ["command_refused", ["WEIRD"]],
        {},
        {"code": "command_refused"},
        {"code": "of_a_newer_version", "parameters": []},
        {"code": ["command_refused"], "parameters": ["WEIRD"]},
        {"code": "command_refused", "parameters": "W"},
        {"code": "command_refused", "parameters": {"0": "WEIRD"}},
        {"code": "command_refused", "parameters": []},
        {"code": "command_refused", "parameters": ["WEIRD", "WEIRD"]},
        {"code": "command_refused", "parameters": ["WEIRD", 5]},
        {"code": "command_refused", "parameters": [None]},
        {"code": "command_refused", "parameters": [{"organisations": 5}]},
        {"code": "command_refused", "parameters": [{"names": "d1", "more": 0}]},
        {"code": "command_refused", "parameters": [{"names": ["d1"], "more": None}]},
        {"code": "command_refused", "parameters": [{"deals": "5"}]},
    ],
)
def test_what_is_not_understood_is_no_sentence(record: object) -> None:
    assert from_json(record) is None
