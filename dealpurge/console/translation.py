"""Warnings and errors of a run in the language of who looks at it: the record has them in English."""

from __future__ import annotations

import re

from django.utils.translation import gettext, ngettext

import dealpurge.services  # noqa: F401 - with it comes every module that marks sentences
from dealpurge.console import formatting
from dealpurge.engine.passes import PLAIN_WARNING, SCATTERED_WARNING
from dealpurge.i18n import SENTENCES

#: Longer than five deals' names make any sentence. Looking for two names in one takes time by the square of its length.
LONGEST = 20_000
#: Templates that say a number of deals where the others say names.
COUNTING = (PLAIN_WARNING, SCATTERED_WARNING)
DEALS = re.compile(r"([0-9]{1,9}) deals?")
#: A list of names that goes on. Commas part them, and no name has two blanks in it, so none looks like this end.
CUT_SHORT = re.compile(r"(.*) and ([0-9]{1,9}) more", re.DOTALL)


def in_language(sentence: str) -> str:
    """A stored sentence in the active language, names and all; one that nothing says any more, as it stands."""
    for template, form in FORMS.items() if len(sentence) <= LONGEST else ():
        match = form.fullmatch(sentence)
        if match:
            told = _count if template in COUNTING else _names
            return gettext(template).format(*map(told, match.groups())) if match.groups() else gettext(template)
    return sentence


def _form(template: str) -> re.Pattern[str]:
    """What matches every sentence made of a template. One without a ``{}`` is a sentence already, braces and all."""
    literals = [text.format() for text in template.split("{}")] if "{}" in template else [template]
    return re.compile("(.*?)".join(map(re.escape, literals)), re.DOTALL)


def _beginning(template: str) -> tuple[int, int]:
    return len(template.partition("{}")[0]), len(template)


def _count(part: str) -> str:
    match = DEALS.fullmatch(part)
    return formatting.deals(int(match[1])) if match else part


def _names(part: str) -> str:
    match = CUT_SHORT.fullmatch(part)
    if not match:
        return part
    count = int(match[2])
    more = ngettext("and %(n)s more", "and %(n)s more", count) % {"n": formatting.number(count)}
    return f"{match[1]} {more}"


#: The longest beginning first: that is the sentence's own, which no name in it can change.
FORMS = {template: _form(template) for template in sorted(SENTENCES, key=_beginning, reverse=True)}
