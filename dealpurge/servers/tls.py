"""Whether a server that drops plain connections speaks TLS."""

from __future__ import annotations

import ssl
from socket import create_connection
from typing import Any

from redis.connection import SSLConnection

#: Seconds for a try. A Redis without TLS waits for the end of what it takes for a command.
TIMEOUT = 1.0


def speaks_tls(connection: Any) -> bool:
    """Whether TLS is answered where a plain connection was dropped: by a handshake, or an alert that ends it."""
    address = getattr(connection, "host", None), getattr(connection, "port", None)
    if isinstance(connection, SSLConnection) or None in address:
        return False
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with create_connection(address, TIMEOUT) as sock, context.wrap_socket(sock):
            return True
    except ssl.SSLError as exc:
        return "ALERT" in (exc.reason or "")
    except OSError:
        return False
