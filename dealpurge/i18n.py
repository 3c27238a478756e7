"""Sentences of a run's record: English for the API, the command and the log, and a code with parameters beside them,
of which the admin makes the sentence again in the language of who looks at it. Pure, no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Self

#: Every sentence marked in the modules that are imported, by its code.
SENTENCES: dict[str, Sentence] = {}


@dataclass(frozen=True, slots=True)
class Names:
    """Names, escaped, and how many there are ``more``."""

    names: tuple[str, ...]
    more: int = 0

    def __str__(self) -> str:
        listed = ", ".join(self.names)
        return f"{listed} and {self.more} more" if self.more else listed


@dataclass(frozen=True, slots=True)
class Deals:
    """A number of deals."""

    deals: int

    def __str__(self) -> str:
        return "1 deal" if self.deals == 1 else f"{self.deals} deals"


@dataclass(frozen=True, slots=True)
class Number:
    """A number of whatever the sentence says."""

    number: int

    def __str__(self) -> str:
        return f"{self.number:,}"


#: What may stand in place of a ``{}``.
Parameter = str | Names | Deals | Number


class Said(str):
    """An English sentence that still knows what it was made of, as an exception's argument or in a report."""

    code: str
    parameters: tuple[Parameter, ...]

    def __new__(cls, text: str, code: str = "", parameters: tuple[Parameter, ...] = ()) -> Self:
        said = super().__new__(cls, text)
        said.code, said.parameters = code, parameters
        return said


class Sentence(Said):
    """A marked sentence. Without a ``{}`` it is said as it stands, braces and all."""

    def format(self, *parameters: object) -> Said:  # type: ignore[override]
        """With names, numbers of deals, or texts in place of each ``{}``."""
        told = tuple(item if isinstance(item, Parameter) else str(item) for item in parameters)
        return Said(super().format(*told), self.code, told)


def gettext_noop(sentence: str, *, code: str) -> Sentence:
    """The sentence, for ``makemessages``, which knows this name. Stored runs refer to ``code``: it is for good, and so
    is the number of its ``{}``. Django's function asks the settings, which may be about to import this."""
    SENTENCES[code] = Sentence(sentence, code)
    return SENTENCES[code]


def said_by(exc: BaseException) -> str:
    """The words of an exception, with what they were made of where they know it."""
    words = exc.args[0] if exc.args else ""
    return words if isinstance(words, Said) else str(exc)


def as_json(text: str) -> dict[str, Any] | None:
    """What ``from_json`` makes a sentence of again; None for words that are no sentence of ours."""
    if not isinstance(text, Said):
        return None
    parameters = [item if isinstance(item, str) else asdict(item) for item in text.parameters]
    return {"code": text.code, "parameters": parameters}


def from_json(stored: object) -> Said | None:
    """The sentence that was stored; None where this version has none of that code, or not with such parameters."""
    match stored:
        case {"code": str(code), "parameters": [*items]} if code in SENTENCES:
            sentence, parameters = SENTENCES[code], list(_parameters(items))
            if len(parameters) == len(items) == sentence.count("{}"):
                return sentence.format(*parameters) if parameters else sentence
    return None


def _parameters(items: Iterable[object]) -> Iterator[Parameter]:
    """Those that are understood."""
    for item in items:
        match item:
            case str():
                yield item
            case {"names": [*names], "more": int(more)}:
                yield Names(tuple(map(str, names)), more)
            case {"deals": int(deals)}:
                yield Deals(deals)
            case {"number": int(number)}:
                yield Number(number)
