"""Marks the sentences that a run's record may hold, for the catalogues and for whoever shows them. Pure, no I/O."""

from __future__ import annotations

#: Every sentence marked in the modules that are imported. Where it has a ``{}``, names are filled in by ``str.format``.
SENTENCES: list[str] = []


def gettext_noop(sentence: str) -> str:
    """The sentence itself. ``makemessages`` knows this name; Django's function asks the settings, which may be about
    to import this."""
    SENTENCES.append(sentence)
    return sentence
