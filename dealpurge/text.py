"""Text of others made fit for logs and messages: no password of an address, nothing that ends a line."""

from __future__ import annotations

import re

from dealpurge.report import escape

#: Up to the last ``@`` before a blank: a password that nobody percent-encoded may have ``/`` and ``@`` in it.
CREDENTIALS = re.compile(r"//\S*@")


def redacted(text: object) -> str:
    """``text`` on one line, escaped, and without what stands before the host of an address."""
    return escape(CREDENTIALS.sub("//***@", str(text)))
