"""Text fit to be shown, logged and copied: escapes for what is not printable, no password of an address, quotes."""

from __future__ import annotations

import re
import shlex

#: A backslash and what may follow it in an escaped text; the last branch is what may not.
ESCAPE = re.compile(r"\\(\\|[nrt]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|)")
LETTERS = {"n": b"\n", "r": b"\r", "t": b"\t", "\\": b"\\"}
#: Up to the last ``@`` before a blank: a password that nobody percent-encoded may have ``/`` and ``@`` in it.
CREDENTIALS = re.compile(r"//\S*@")


def escape(text: str | bytes) -> str:
    """``text`` fit to be shown: backslash escapes for the backslash and all that is not printable or not UTF-8."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(_escape_character(character) for character in text)


def plain(text: str) -> str:
    """What people wrote, fit to be shown: its lines and backslashes stay, what is not printable is escaped."""
    return "".join(c if c.isprintable() or c in "\\\n" else _escape_character(c) for c in text.replace("\r\n", "\n"))


def in_ascii(text: str) -> str:
    """An escaped text with escapes for all that is not ASCII besides, for a terminal that has no more."""
    return "".join(character if character.isascii() else _code(character) for character in text)


def unescape(text: str) -> bytes:
    """The key that ``escape`` shows as ``text``; raises ``ValueError`` for a backslash that begins no escape."""
    done, place = b"", 0
    for found in ESCAPE.finditer(text):
        done += text[place : found.start()].encode("utf-8", "surrogateescape") + _unescaped(found[1])
        place = found.end()
    return done + text[place:].encode("utf-8", "surrogateescape")


def redacted(text: object) -> str:
    """``text`` on one line, escaped, and without what stands before the host of an address."""
    return escape(CREDENTIALS.sub("//***@", str(text)))


def quote(word: str) -> str:
    """One printable word for any shell.

    ``shlex`` writes a ``'`` in double quotes, after which the bash 3.2 of macOS loses count and would expand a ``!``.
    """
    return word if shlex.quote(word) == word else "'" + word.replace("'", "'\\''") + "'"


def _escape_character(character: str) -> str:
    if character.isprintable() and character != "\\":
        return character
    if "\udc80" <= character <= "\udcff":  # a byte that was not UTF-8, as surrogateescape keeps it
        return f"\\x{ord(character) - 0xDC00:02x}"
    return _code(character)


def _code(character: str) -> str:
    if "\x7f" < character < "\u0100":  # \\x80 and above are bytes that were not UTF-8
        return f"\\u{ord(character):04x}"
    return character.encode("unicode_escape", "surrogatepass").decode()


def _unescaped(code: str) -> bytes:
    if code in LETTERS:
        return LETTERS[code]
    if not code:
        raise ValueError("a backslash is written twice, as reports show it")
    number = int(code[1:], 16)
    return bytes([number]) if code[0] == "x" else chr(number).encode()
