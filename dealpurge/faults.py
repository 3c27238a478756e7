"""What trouble with Redis means for a purge: try again, begin anew, or give up with words that help."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ssl import SSLCertVerificationError, SSLError

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
from dealpurge.report import escape

#: What a lost connection raises. Some of it means that trying again is of no use.
LOST = (ConnectionError, TimeoutError, InvalidResponse)
#: Errors of a key that another node of the cluster has, or will have in a moment. MOVED is an ``AskError``.
MOVED_AWAY = (AskError, TryAgainError)
#: Errors that concern single keys, so that the others of a batch can still go.
PER_KEY = (*MOVED_AWAY, ClusterCrossSlotError, NoPermissionError)

REPLICA = "This Redis is a replica, which takes no deletes. Let the cache alias point at the primary."
CLUSTER_DOWN = "The Redis cluster is down: some of its slots are served by no node."
ONE_NODE = (
    "This Redis is one node of a cluster and has only a part of the keys. "
    "Let DEALPURGE_REDIS_CLIENT name a callable that returns a RedisCluster."
)
CREDENTIALS = "Redis refused the password or the user."
NOT_REDIS = "What answers at the address of Redis is no Redis, or wants TLS (rediss://)."
NOT_TLS = "What answers at the address of Redis does not speak TLS (redis:// instead of rediss://)."
UNTRUSTED = "The TLS certificate of Redis is not trusted, or is for another name."
#: By the word that an error reply begins with.
REFUSALS = {
    "MISCONF": "Redis refuses writes because it cannot save to disk (MISCONF).",
    "NOREPLICAS": "Redis refuses writes because too few replicas follow it (NOREPLICAS).",
    "BUSY": "Redis is busy with a script (BUSY).",
    "DENIED": "Redis is in protected mode and talks to its own host only (DENIED).",
    "DB": "Redis has no database of the number that the cache's LOCATION gives.",
}


class Stopped(Exception):
    """The pulse said stop while a server was waited for."""


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
    refused = RedisUnavailable("refused", REFUSALS.get(word, f"Redis refused a command ({_told(str(error))})."))
    return Transient(refused) if word in ("BUSY", "NOREPLICAS") else refused


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
        return RedisUnavailable("replica", "Sentinel names a replica, which takes no deletes, as the primary.")
    return RedisUnavailable("unreachable", _trouble(exc).format(f"{seconds:g} s"))


def _trouble(exc: Exception) -> str:
    if isinstance(exc, BusyLoadingError):
        return "Redis is still loading its data (waited for {})."
    if isinstance(exc, MasterNotFoundError):
        return "Sentinel knows no primary that is up (asked for {})."
    if isinstance(exc, ServiceUnknown):
        return "Sentinel watches no service of the name that the cache's LOCATION gives (asked for {})."
    if isinstance(exc, SentinelsSilent):
        return "No Sentinel can be reached (tried for {})."
    if "max number of clients" in str(exc):
        return "Redis takes no more connections: maxclients is reached (tried for {})."
    if str(exc).startswith(("Connection closed", "Error while reading")):
        return "Redis takes connections and drops them (tried for {}). It may want TLS (rediss://)."
    if any("handshake" in str(cause) for cause in causes(exc)):
        return "Redis does not answer to TLS (tried for {}). It may speak none (redis://)."
    return "Redis cannot be reached (tried for {})."


def causes(exc: BaseException | None) -> Iterator[BaseException]:
    """The exception and what led to it; whoever raised it may have made a circle of that."""
    seen: list[BaseException] = []
    while exc is not None and exc not in seen:
        yield exc
        seen.append(exc)
        exc = exc.__cause__ or exc.__context__


def _lacking(text: str) -> str:
    command = _command(text)
    what = f"may not run {command.upper()}" if command else "lacks a permission"
    return f"The Redis user {what}, which a purge needs; the README lists the commands."


def _command(text: str) -> str | None:
    """The command that a NOPERM reply names; it names none where a key is what is forbidden."""
    named = re.search(r"'([a-z|-]+)' command", text)
    return named[1].replace("|", " ") if named else None


def _told(text: str) -> str:
    """As much of an error reply as cannot hold a key."""
    unknown = re.match(r"unknown (?:sub)?command\W+\w+", text)
    return escape(unknown[0] if unknown else text.split(" ", 1)[0][:40])
