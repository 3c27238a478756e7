"""The request's body: read within bounds from whatever server, and from bytes to Python data as Starlette does."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from email.message import Message
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest
from django.http.request import UnreadablePostError

from dealpurge.api.errors import BodyTooLarge, BodyUnreadable, ErrorItem, InvalidBody, LengthRequired
from dealpurge.conf import conf

#: Longer integers cost quadratic time; Python's own default, which a host may have changed.
MAX_DIGITS = 4300
#: What ``int`` would read besides is no length, and two lengths in one header are a smuggler's.
LENGTH = re.compile(r"0*([0-9]{1,18})", re.ASCII)


class JsonObject(dict[str, Any]):
    """A JSON object that remembers which of its names were there twice."""

    repeated: frozenset[str] = frozenset()

    @classmethod
    def from_pairs(cls, pairs: list[tuple[str, Any]]) -> JsonObject:
        """Keep the names that came twice, of which ``json.loads`` would let the last win."""
        made = cls(pairs)
        if len(made) < len(pairs):
            made.repeated = frozenset(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        return made


def json_object(request: HttpRequest) -> JsonObject:
    """The object that the request carries. Raises ``InvalidBody``, and what ``read`` and ``parse`` raise."""
    raw = read(request)
    if not raw:
        raise InvalidBody(ErrorItem(code="missing", input=None))
    if not is_json(request.META.get("CONTENT_TYPE", "")):
        raise InvalidBody(ErrorItem(code="model_attributes_type", input=raw.decode(errors="backslashreplace")))
    data = parse(raw)
    if not isinstance(data, JsonObject):
        raise InvalidBody(ErrorItem(code="model_attributes_type", input=data))
    return data


def read(request: HttpRequest) -> bytes:
    """The body's bytes, never more than the limit. Raises ``BodyTooLarge``, ``BodyUnreadable``, ``LengthRequired``."""
    limit, declared, receive = conf.max_body_bytes, _content_length(request), _receiver(request)
    if declared > limit:
        raise BodyTooLarge
    raw = b""
    try:
        while len(raw) <= limit and (chunk := receive(limit + 1 - len(raw))):
            raw += chunk
    except (OSError, UnreadablePostError) as exc:
        raise BodyUnreadable from exc
    if len(raw) > limit:
        raise BodyTooLarge
    if len(raw) < declared:  # the sender went away: what it wanted is not known
        raise BodyUnreadable
    return raw


def is_json(content_type: str) -> bool:
    """Whether the media type is JSON; a missing one counts as JSON."""
    if not content_type:
        return True
    message = Message()
    message["Content-Type"] = content_type.replace("\r", " ").replace("\n", " ")
    subtype = message.get_content_subtype()
    return message.get_content_maintype() == "application" and (subtype == "json" or subtype.endswith("+json"))


def parse(raw: bytes) -> Any:
    """JSON in UTF-8, UTF-16 or UTF-32. Raises ``InvalidBody`` for malformed JSON, ``BodyUnreadable`` for the rest."""
    try:
        # json.loads would let surrogates through, which are UTF-8 to nobody else.
        return DECODER.decode(raw.decode(json.detect_encoding(raw)))
    except json.JSONDecodeError as exc:
        raise InvalidBody(ErrorItem(code="json_invalid", loc=(exc.pos,), input={}, ctx={"error": exc.msg})) from exc
    except (ValueError, RecursionError) as exc:  # not in its encoding, an integer too long, nested too deeply
        raise BodyUnreadable from exc


def _integer(digits: str) -> int:
    if len(digits.lstrip("-")) > MAX_DIGITS:
        raise ValueError("too many digits")
    return int(digits)


DECODER = json.JSONDecoder(object_pairs_hook=JsonObject.from_pairs, parse_int=_integer)


def _content_length(request: HttpRequest) -> int:
    """What the request says; to Django anything odd is 0, and the body would be taken for the next request."""
    match = LENGTH.fullmatch(request.META.get("CONTENT_LENGTH") or "0")
    if not match:
        raise BodyUnreadable
    return int(match[1])


def _receiver(request: HttpRequest) -> Callable[[int], bytes]:
    """Django reads no chunked body under WSGI; where the server says that it ends the stream, we can."""
    if isinstance(request, WSGIRequest) and request.META.get("HTTP_TRANSFER_ENCODING"):
        if not request.environ.get("wsgi.input_terminated"):
            raise LengthRequired
        return request.environ["wsgi.input"].read  # type: ignore[no-any-return]
    return request.read
