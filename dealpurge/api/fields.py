"""Fields that take what pydantic takes in its lax mode, and refuse with pydantic's words for it."""

from __future__ import annotations

import re
from typing import Any

from rest_framework import serializers

from dealpurge.api.body import MAX_DIGITS
from dealpurge.api.errors import MESSAGES
from dealpurge.scope import ID_MAX_BYTES, MODES, id_problem

TRUE_WORDS = frozenset(("true", "1", "yes", "on", "t", "y"))
FALSE_WORDS = frozenset(("false", "0", "no", "off", "f", "n"))

#: White space as Unicode has it; ``str.strip`` would also take the separators 0x1C to 0x1F.
WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
#: Digits are ASCII, underscores single but among leading zeros, a fraction is zero. To pydantic ``0-5`` is -5.
#: Nothing is given back (``++``): a text of a million zeros and a letter would be tried in 10^18 ways.
INTEGER = re.compile(r"(?:\+?0[0_]*+(?=-))?([+-]?)(?:0[0_]*+)?+([1-9]\d*+(?:_\d++)*+|(?<=0))(?:\.0++)?", re.ASCII)

INT64 = 2**63


class ModeField(serializers.ChoiceField):
    """One of the two words, and nothing that only looks like one."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=MODES, **kwargs)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Told apart as pydantic does: absent, and not one of the words."""
        if data is serializers.empty:
            raise refusal("missing")
        if not isinstance(data, str) or data not in MODES:
            raise refusal("literal_error", "Input should be 'all' or 'by_deal'")
        return data


class IdField(serializers.CharField):
    """An id as it stands in a key: never trimmed, never made of something else."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_length=1, max_length=ID_MAX_BYTES, **kwargs)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Null and absence are both no id."""
        if data is serializers.empty or data is None:
            return None
        problem = id_problem(data)
        if problem:
            raise refusal(problem[0], str(problem[1]))
        return data


class LaxBooleanField(serializers.BooleanField):
    """``true``, 1, 1.0 and the usual words in any case."""

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Only absence takes the default; null is refused."""
        return self.get_default() if data is serializers.empty else to_bool(data)


class SecondsField(serializers.IntegerField):
    """Integers, integral floats and decimal strings, 0 or more; no booleans."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=0, **kwargs)

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """Null and absence both spare nobody."""
        if data is serializers.empty or data is None:
            return None
        number = to_int(data)
        if number < 0:
            raise refusal("greater_than_equal", "Input should be greater than or equal to 0")
        return number


def to_bool(value: object) -> bool:
    """As pydantic, which never trims the words."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.lower()
        if word not in TRUE_WORDS | FALSE_WORDS:
            raise refusal("bool_parsing")
        return word in TRUE_WORDS
    if not isinstance(value, int | float) or not _is_int64(value):
        raise refusal("bool_type")
    if value not in (0, 1):
        raise refusal("bool_parsing")
    return bool(value)


def to_int(value: object) -> int:
    """As pydantic, but for booleans."""
    if isinstance(value, str):
        return _int_of_text(value)
    if isinstance(value, float):
        return _int_of_float(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise refusal("int_type")
    return value


def refusal(code: str, message: str = "") -> serializers.ValidationError:
    """What a field raises; the code is pydantic's ``type``."""
    return serializers.ValidationError(message or MESSAGES[code], code)


def _int_of_text(text: str) -> int:
    match = INTEGER.fullmatch(text.strip(WHITE_SPACE))
    if not match:
        raise refusal("int_parsing")
    digits = match[2].replace("_", "").lstrip("0") or "0"
    if len(digits) > MAX_DIGITS:
        raise refusal("int_parsing_size")
    return int(match[1] + digits)


def _int_of_float(number: float) -> int:
    if number != number or number in (float("inf"), float("-inf")):
        raise refusal("finite_number")
    if not number.is_integer():
        raise refusal("int_from_float")
    if not _is_int64(number):
        raise refusal("int_parsing_size")
    return int(number)


def _is_int64(number: float) -> bool:
    if isinstance(number, int):
        return -INT64 <= number < INT64
    return number.is_integer() and -INT64 < number < INT64
