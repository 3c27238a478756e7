"""What trouble with Redis means for a purge: try again, begin anew, or give up with words that help."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ssl import SSLCertVerificationError, SSLError
from typing import NoReturn

from redis.exceptions import (
    AskError,
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterCrossSlotError,
    ClusterDownError,
    ConnectionError,
    ExecAbortError,
    InvalidResponse,
    NoPermissionError,
    ReadOnlyError,
    ResponseError,
    TimeoutError,
    TryAgainError,
)
from redis.sentinel import MasterNotFoundError

from dealpurge.exceptions import RedisUnavailable
from dealpurge.i18n import Sentence, gettext_noop
from dealpurge.text import escape

#: What a lost connection raises. Some of it means that trying again is of no use.
LOST = (ConnectionError, TimeoutError, InvalidResponse)
#: Errors of a key that another node of the cluster has, or will have in a moment. MOVED is an ``AskError``.
MOVED_AWAY = (AskError, TryAgainError)
#: Errors that concern single keys, so that the others of a batch can still go.
PER_KEY = (*MOVED_AWAY, ClusterCrossSlotError, NoPermissionError)

REPLICA = gettext_noop(
    "This Redis is a replica, which takes no deletes. Let the cache alias point at the primary.", code="replica"
)
CLUSTER_DOWN = gettext_noop("The Redis cluster is down: some of its slots are served by no node.", code="cluster_down")
ONE_NODE = gettext_noop(
    "This Redis is one node of a cluster and has only a part of the keys. "
    "Let DEALPURGE_REDIS_CLIENT name a callable that returns a RedisCluster.",
    code="cluster_node",
)
CREDENTIALS = gettext_noop("Redis refused the password or the user.", code="credentials_refused")
NOT_REDIS = gettext_noop(
    "What answers at the address of Redis is no Redis, or wants TLS (rediss://).", code="not_redis"
)
NOT_TLS = gettext_noop(
    "What answers at the address of Redis does not speak TLS (redis:// instead of rediss://).", code="not_tls"
)
UNTRUSTED = gettext_noop(
    "The TLS certificate of Redis is not trusted, or is for another name.", code="certificate_untrusted"
)
REPLICA_NAMED = gettext_noop(
    "Sentinel names a replica, which takes no deletes, as the primary.", code="sentinel_names_replica"
)
RESTARTED = gettext_noop("Redis was restarted or replaced again and again.", code="restarted")
FORBIDDEN = gettext_noop(
    "The Redis user may not run {}, which a purge needs; the README lists the commands.", code="command_forbidden"
)
LACKING = gettext_noop(
    "The Redis user lacks a permission, which a purge needs; the README lists the commands.", code="permission_lacking"
)
REFUSED = gettext_noop("Redis refused a command ({}).", code="command_refused")
#: With the time for which it was waited for.
LOADING = gettext_noop("Redis is still loading its data (waited for {}).", code="loading")
NO_PRIMARY = gettext_noop("Sentinel knows no primary that is up (asked for {}).", code="no_primary")
NO_SERVICE = gettext_noop(
    "Sentinel watches no service of the name that the cache's LOCATION gives (asked for {}).", code="no_service"
)
NO_SENTINEL = gettext_noop("No Sentinel can be reached (tried for {}).", code="no_sentinel")
FULL = gettext_noop("Redis takes no more connections: maxclients is reached (tried for {}).", code="max_clients")
DROPPED = gettext_noop(
    "Redis takes connections and drops them (tried for {}), as a proxy does that does not know a command.",
    code="connections_dropped",
)
WANTS_TLS = gettext_noop("Redis wants TLS at this port: let its address begin with rediss://.", code="wants_tls")
NO_HANDSHAKE = gettext_noop(
    "Redis does not answer to TLS (tried for {}). It may speak none (redis://).", code="no_handshake"
)
UNREACHABLE = gettext_noop("Redis cannot be reached (tried for {}).", code="unreachable")
#: By the word that an error reply begins with.
REFUSALS = {
    "MISCONF": gettext_noop("Redis refuses writes because it cannot save to disk (MISCONF).", code="cannot_save"),
    "NOREPLICAS": gettext_noop(
        "Redis refuses writes because too few replicas follow it (NOREPLICAS).", code="too_few_replicas"
    ),
    "BUSY": gettext_noop("Redis is busy with a script (BUSY).", code="script_busy"),
    "DENIED": gettext_noop(
        "Redis is in protected mode and talks to its own host only (DENIED).", code="protected_mode"
    ),
    "DB": gettext_noop("Redis has no database of the number that the cache's LOCATION gives.", code="no_database"),
}


class Stopped(Exception):
    """Told to stop while a server was waited for; its text, where it has one, says what was wrong with that."""


class Interrupted(BaseException):
    """Ends a wait for Redis in the middle: redis-py takes what ``keep_going`` raises for its own, but none of this."""

    def __init__(self, reason: BaseException) -> None:
        super().__init__(str(reason))
        self.reason = reason


class ProcessChanged(Exception):
    """The server is another process than the one the pass began with, or may be: its cursors mean nothing now."""


class Departed(Exception):
    """The node is no primary of its cluster any more: what it had is found where the cluster has it now."""


class Transient(Exception):
    """An error reply that may pass by itself: the server is busy, or about to be another one.

    ``unless`` is what to raise when it does not pass.
    """

    def __init__(self, unless: RedisUnavailable) -> None:
        super().__init__(str(unless))
        self.unless = unless


class SentinelsSilent(ConnectionError):
    """No Sentinel answered."""


class ServiceUnknown(ConnectionError):
    """Sentinels answered, and none of them watches a service of this name."""


def failure(error: ResponseError) -> Exception:
    """What an error reply to a command of ours means: ``Transient``, or ``RedisUnavailable`` with what to do."""
    if isinstance(error, ReadOnlyError):
        return Transient(RedisUnavailable("replica", REPLICA))
    if isinstance(error, (ClusterDownError, TryAgainError)):
        return Transient(RedisUnavailable("unreachable", CLUSTER_DOWN))
    if isinstance(error, AskError):
        return RedisUnavailable("refused", ONE_NODE)
    if isinstance(error, NoPermissionError) or forbids_command(error):
        return RedisUnavailable("permission", _lacking(str(error)))
    word = str(error).partition(" ")[0]
    refused = RedisUnavailable("refused", REFUSALS.get(word) or REFUSED.format(_told(str(error))))
    return Transient(refused) if word in ("BUSY", "NOREPLICAS") else refused


def raise_unread(exc: BaseException) -> NoReturn:
    """What reading a reply ended in; of what redis-py's parsers fail at, ``InvalidResponse``."""
    if isinstance(exc, (TypeError, ValueError, LookupError, AttributeError, AssertionError)):
        raise InvalidResponse("no reply of Redis") from exc
    raise_reason(exc)


def raise_reason(exc: BaseException) -> NoReturn:
    """Raise it, or what it stands for."""
    raise exc.reason if isinstance(exc, Interrupted) else exc


def raise_transient(reply: object) -> None:
    """Raise ``Transient`` for an error reply that may pass by itself."""
    if isinstance(reply, ResponseError) and not isinstance(reply, MOVED_AWAY):
        trouble = failure(reply)
        if isinstance(trouble, Transient):
            raise trouble


def forbids_command(error: object) -> bool:
    """Whether the user may not send this command at all, whatever the key."""
    return isinstance(error, (NoPermissionError, ExecAbortError)) and _command(str(error)) is not None


def hopeless(exc: Exception) -> RedisUnavailable | None:
    """What to raise at once because waiting does not help; None where it may."""
    if isinstance(exc, (AuthenticationError, AuthorizationError)):
        return RedisUnavailable("authentication", CREDENTIALS)
    if isinstance(exc, InvalidResponse):
        return RedisUnavailable("unreachable", NOT_REDIS)
    for cause in causes(exc):
        if isinstance(cause, SSLCertVerificationError):
            return RedisUnavailable("unreachable", UNTRUSTED)
        if isinstance(cause, SSLError) and cause.reason == "WRONG_VERSION_NUMBER":
            return RedisUnavailable("unreachable", NOT_TLS)
    return None


def given_up(exc: Exception, seconds: float) -> RedisUnavailable:
    """What to raise after ``seconds`` of the same trouble."""
    if isinstance(exc, Transient):
        return exc.unless
    if any(isinstance(cause, ReadOnlyError) for cause in causes(exc)):  # what redis-py makes of it under Sentinel
        return RedisUnavailable("replica", REPLICA_NAMED)
    return RedisUnavailable("unreachable", _trouble(exc).format(f"{seconds:g} s"))


def _trouble(exc: Exception) -> Sentence:
    if isinstance(exc, BusyLoadingError):
        return LOADING
    if isinstance(exc, MasterNotFoundError):
        return NO_PRIMARY
    if isinstance(exc, ServiceUnknown):
        return NO_SERVICE
    if isinstance(exc, SentinelsSilent):
        return NO_SENTINEL
    if "max number of clients" in str(exc):
        return FULL
    if dropped(exc):
        return DROPPED
    if any("handshake" in str(cause) for cause in causes(exc)):
        return NO_HANDSHAKE
    return UNREACHABLE


def dropped(exc: BaseException) -> bool:
    """Whether a connection was made, and closed by the other side."""
    return isinstance(exc, ConnectionError) and str(exc).startswith(("Connection closed", "Error while reading"))


def causes(exc: BaseException | None) -> Iterator[BaseException]:
    """The exception and what led to it; whoever raised it may have made a circle of that."""
    seen: list[BaseException] = []
    while exc is not None and exc not in seen:
        yield exc
        seen.append(exc)
        exc = exc.__cause__ or exc.__context__


def _lacking(text: str) -> str:
    command = _command(text)
    return FORBIDDEN.format(command.upper()) if command else LACKING


def _command(text: str) -> str | None:
    """The command that a NOPERM reply names; it names none where a key is what is forbidden."""
    named = re.search(r"'([a-z|-]+)' command", text)
    return named[1].replace("|", " ") if named else None


def _told(text: str) -> str:
    """As much of an error reply as cannot hold a key."""
    unknown = re.match(r"unknown (?:sub)?command\W+\w+", text)
    return escape(unknown[0] if unknown else text.split(" ", 1)[0][:40])
