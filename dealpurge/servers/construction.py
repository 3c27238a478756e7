"""Connections made of the host's options, which redis-py may refuse: at once, or when it comes to connect.

Its texts may quote an address with its password, so they are never told, nor chained to what is.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any

from redis.backoff import NoBackoff
from redis.connection import SSLConnection
from redis.exceptions import InvalidResponse, RedisError
from redis.retry import Retry

from dealpurge.exceptions import PurgeConfigurationError
from dealpurge.i18n import gettext_noop

UNUSABLE = gettext_noop(
    "redis-py makes no connection with this option of the cache or of the client: {}. "
    "What begins with ssl_ belongs to rediss:// alone.",
    code="option_unusable",
)
SENTINEL_TLS = gettext_noop(
    "With Sentinel, TLS is no rediss:// but 'ssl': True among the CONNECTION_POOL_KWARGS, with the ssl_ options.",
    code="sentinel_tls",
)
UNREADABLE_FILE = gettext_noop(
    "TLS cannot be set up: a certificate, a key or another option is missing, unreadable or does not fit ({}).",
    code="tls_unusable",
)
#: Seconds to wait for a reply where the host's client sets no limit.
SOCKET_TIMEOUT = 5.0
#: The most seconds to wait for a reply, whatever the host's client would have.
LONGEST_SOCKET_TIMEOUT = 10.0
#: Seconds for what cannot be waited for in slices, so that a run gives no sign of life meanwhile: a TCP connection to
#: an address, and a TLS handshake.
LONGEST_STEP = 4.0
#: Seconds for a try at TLS. A Redis without it waits for the end of what it takes for a command.
TLS_TIMEOUT = 1.0
#: What wrong options end in, besides what the network does.
MISTAKES = (TypeError, ValueError, LookupError, AttributeError, AssertionError, ImportError)


class TlsUnusable(PurgeConfigurationError):
    """Certificates, a key or ciphers that cannot be used in this process."""


def construct(make: Callable[..., Any], options: Mapping[str, Any]) -> Any:
    """A connection, not connected. Raises ``PurgeConfigurationError``."""
    try:
        return make(**options)
    except (*MISTAKES, OSError, RedisError) as exc:
        culprit = _culprit(make, options, str(exc))
    if culprit == "connection_pool":
        raise PurgeConfigurationError(SENTINEL_TLS)
    raise PurgeConfigurationError(UNUSABLE.format(culprit or "?"))


def check_tls(connection: Any) -> None:
    """Set up TLS as ``connection`` would, without a network. Raises ``PurgeConfigurationError``."""
    if (
        not isinstance(connection, SSLConnection)
        or connection.ssl_validate_ocsp
        or connection.ssl_validate_ocsp_stapled
    ):
        return
    wrap: Any = connection._wrap_socket_with_ssl
    try:
        with socket.socket() as unconnected:  # of which redis-py makes a TLS socket without a handshake
            wrap(unconnected).close()
    except (*MISTAKES, OSError, RedisError) as exc:
        problem = type(exc).__name__
    else:
        return
    raise TlsUnusable(UNREADABLE_FILE.format(problem))


def connect(connection: Any) -> None:
    """Connect. Raises ``PurgeConfigurationError`` where its options are why it fails, else what redis-py does."""
    try:
        connection.connect()
    except MISTAKES as exc:
        check_tls(connection)
        raise InvalidResponse("no reply of Redis") from exc
    except (OSError, RedisError):
        check_tls(connection)
        raise


def speaks_tls(connection: Any) -> bool:
    """Whether TLS is answered where a plain connection was dropped: by a handshake, or an alert that ends it."""
    address = getattr(connection, "host", None), getattr(connection, "port", None)
    if isinstance(connection, SSLConnection) or None in address:
        return False
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with socket.create_connection(address, TLS_TIMEOUT) as sock, context.wrap_socket(sock):
            return True
    except ssl.SSLError as exc:
        return "ALERT" in (exc.reason or "")
    except OSError:
        return False


def bound(options: dict[str, Any], default: float) -> None:
    """Bound the timeouts among a connection's options."""
    for name, most in (("socket_timeout", LONGEST_SOCKET_TIMEOUT), ("socket_connect_timeout", LONGEST_STEP)):
        options[name] = bounded(options.get(name) or default, most)


def bounded(seconds: Any, most: float) -> Any:
    """At most so many; what is no number is left for redis-py to refuse."""
    return min(seconds, most) if isinstance(seconds, int | float) else seconds


def _culprit(make: Callable[..., Any], options: Mapping[str, Any], text: str) -> str | None:
    """The option without which there is a connection, or that a text names."""
    for name in options:
        try:
            make(**{other: value for other, value in options.items() if other != name})
        except Exception:  # noqa: S112 - it was not this one, or not this one alone
            continue
        return name
    return next((word for word in re.findall(r"'(\w+)'", text) if word in options), None)


def new_connection(pool: Any, **address: Any) -> Any:
    """A connection as the pool would make it, never retrying by itself and never waiting for ever."""
    options = {**pool.connection_kwargs, **address}
    options["retry"] = Retry(NoBackoff(), 0)
    options["health_check_interval"] = 0
    bound(options, SOCKET_TIMEOUT)
    return construct(pool.connection_class, options)
