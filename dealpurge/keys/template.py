"""One key template: a prefix with a deal id and perhaps an organisation id in it. Pure, no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from string import Formatter

from dealpurge.exceptions import FieldError, PurgeConfigurationError, ScopeError
from dealpurge.i18n import gettext_noop
from dealpurge.scope import ID_MAX_BYTES, id_problem

#: An id as it stands in a key; whether it is UTF-8 is asked separately, of the few that are not ASCII.
ID_PATTERN = rb"[^\x00-\x20\x7f:{}]{1,%d}" % ID_MAX_BYTES
PLACEHOLDERS = ("org_id", "deal_id")
#: No id holds one of these, so they end an id for certain.
DELIMITERS = ":{}"

NO_STRING = gettext_noop("A template must be a string, not {}.", code="template_no_string")
ONE_DEAL = gettext_noop("Template {} must have {{deal_id}} once.", code="template_deal_id")
ONE_ORGANISATION = gettext_noop("Template {} may have {{org_id}} once at most.", code="template_org_id")
NO_HEAD = gettext_noop("Template {} must begin with literal text.", code="template_head")
ADJACENT = gettext_noop("Template {} needs one of ':', '{{', '}}' between its placeholders.", code="template_delimiter")
NO_PLACEHOLDER = gettext_noop("Template {} has a placeholder that is none: {}.", code="template_placeholder")
NO_FORMAT = gettext_noop("Template {} cannot be read: {}.", code="template_unreadable")


class TemplateError(PurgeConfigurationError):
    """A template that cannot be used; ``code`` tells the system checks which rule it breaks."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template. ``parts`` alternates literal text and placeholder names, beginning and ending with text."""

    text: str
    parts: tuple[str, ...]

    @classmethod
    def parse(cls, text: object) -> Template:
        """Parse as ``str.format`` would; raises ``TemplateError``."""
        if not isinstance(text, str):
            raise TemplateError("syntax", NO_STRING.format(repr(text)))
        template = cls(text, _parts(text))
        template._validate()
        return template

    @property
    def has_org(self) -> bool:
        """Whether keys of this template name their organisation."""
        return "org_id" in self.parts[1::2]

    @property
    def head(self) -> bytes:
        """The literal text that every key of this template begins with."""
        return self.parts[0].encode()

    @property
    def is_pair(self) -> bool:
        """Whether organisation and deal stand as ``org:deal``, so that one group catches both."""
        return self.parts[1::2] == PLACEHOLDERS and self.parts[2] == ":"

    @property
    def hash_tag(self) -> tuple[str, ...]:
        """The parts between the first ``{`` and the next ``}``: what a cluster hashes, empty if the whole key."""
        flat = [piece for index, part in enumerate(self.parts) for piece in (([part]) if index % 2 else list(part))]
        if "{" not in flat:
            return ()
        opened = flat.index("{") + 1
        return tuple(flat[opened : flat.index("}", opened)]) if "}" in flat[opened:] else ()

    def pattern(self) -> bytes:
        """Regex of what follows ``head`` in a claimed key; the groups are as ``groups`` names them."""
        if self.is_pair:
            body = b"(%b:%b)" % (ID_PATTERN, ID_PATTERN)
            rest = self.parts[4]
        else:
            body = b"(%b)" % ID_PATTERN
            for literal in self.parts[2:-1:2]:
                body += re.escape(literal.encode()) + b"(%b)" % ID_PATTERN
            rest = self.parts[-1]
        return body + re.escape(rest.encode()) + rb"(?![^:])"

    @property
    def groups(self) -> int:
        """How many groups ``pattern`` has."""
        return 1 if self.is_pair else len(self.parts) // 2

    def render(self, org_id: str | bytes | None, deal_id: str | bytes) -> bytes:
        """The key prefix of a deal, ids taken as they are."""
        values = {"org_id": org_id, "deal_id": deal_id}
        return b"".join(_encode(values[part] if index % 2 else part) for index, part in enumerate(self.parts))

    def key(self, *suffix: str, org_id: str | None = None, deal_id: str) -> bytes:
        """A key of the deal, ``suffix`` joined below it by ``:``. Raises ``ScopeError`` for what is no id, and
        ``TypeError`` where a part of the suffix is no text."""
        for field, value in (("deal_id", deal_id), *((("org_id", org_id),) if self.has_org else ())):
            problem = ("missing", "Field required") if value is None else id_problem(value)
            if problem:
                message = f"{problem[1]} (for the key template {self.text!r})"
                raise ScopeError(FieldError(field=field, code=problem[0], message=message))
        below: tuple[object, ...] = suffix  # whoever calls may not be typed
        for number, part in enumerate(below, 1):
            if not isinstance(part, str | bytes):
                message = f"Part {number} below the deal must be a string, not {part!r}"
                raise TypeError(f"{message} (for the key template {self.text!r}).")
        return b":".join((self.render(org_id, deal_id), *map(_encode, suffix)))

    def _validate(self) -> None:
        names = self.parts[1::2]
        if names.count("deal_id") != 1:
            raise TemplateError("deal_id", ONE_DEAL.format(repr(self.text)))
        if names.count("org_id") > 1:
            raise TemplateError("syntax", ONE_ORGANISATION.format(repr(self.text)))
        if not self.parts[0]:
            raise TemplateError("head", NO_HEAD.format(repr(self.text)))
        if len(names) == 2 and not any(mark in self.parts[2] for mark in DELIMITERS):
            raise TemplateError("adjacent", ADJACENT.format(repr(self.text)))


def _parts(text: str) -> tuple[str, ...]:
    parts = [""]
    try:
        for literal, name, spec, conversion in Formatter().parse(text):
            parts[-1] += literal
            if name is None:
                continue
            if name not in PLACEHOLDERS or spec or conversion:
                raise TemplateError("syntax", NO_PLACEHOLDER.format(repr(text), repr(name)))
            parts += [name, ""]
        "".join(parts).encode()
    except ValueError as exc:
        raise TemplateError("syntax", NO_FORMAT.format(repr(text), exc)) from exc
    return tuple(parts)


def _encode(value: str | bytes | None) -> bytes:
    return value.encode() if isinstance(value, str) else value or b""
