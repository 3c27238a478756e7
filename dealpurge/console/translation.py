"""Warnings and errors of a run in the language of who looks at it: the record has them in English, and in codes."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext, ngettext

import dealpurge.services  # noqa: F401 - with it comes every module that marks sentences
from dealpurge.console import formatting
from dealpurge.i18n import SENTENCES, Deals, Names, Number, Parameter, Said, from_json
from dealpurge.models import PurgeRun


def in_language(text: str) -> str:
    """A sentence in the active language; words that do not know what they were made of, as they stand."""
    if not isinstance(text, Said):
        return text
    words = gettext(SENTENCES[text.code])
    return words.format(*map(_in_language, text.parameters)) if text.parameters else words


def warnings(run: PurgeRun) -> Iterator[str]:
    """The warnings of a run's report in the active language; of an older version's run in English."""
    texts = (run.report or {}).get("warnings", [])
    codes = (run.sentences or {}).get("warnings", [])
    for text, stored in zip(texts, codes if len(codes) == len(texts) else [None] * len(texts), strict=True):
        yield in_language(from_json(stored) or text)


def error(run: PurgeRun) -> str:
    """Why a run failed, likewise."""
    return in_language(from_json((run.sentences or {}).get("error")) or run.error)


def _in_language(parameter: Parameter) -> str:
    match parameter:
        case Names(names, more) if more:
            words = ngettext("and %(n)s more", "and %(n)s more", more) % {"n": formatting.number(more)}
            return f"{', '.join(names)} {words}"
        case Deals(count):
            return formatting.deals(count)
        case Number(number):
            return formatting.number(number)
    return str(parameter)
