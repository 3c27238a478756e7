"""The primaries that hold the keys: one for a standalone server or Sentinel, each primary of a cluster."""

from __future__ import annotations

from collections.abc import Sequence
from traceback import walk_tb
from typing import Any, Protocol
from uuid import uuid4

from django.core.exceptions import ImproperlyConfigured
from django_redis import get_redis_connection
from redis.cluster import NodesManager, RedisCluster
from redis.exceptions import (
    AskError,
    ClusterCrossSlotError,
    NoPermissionError,
    RedisClusterException,
    RedisError,
    ResponseError,
)
from redis.sentinel import SentinelConnectionPool

from dealpurge.conf import conf
from dealpurge.exceptions import PurgeConfigurationError, RedisUnavailable
from dealpurge.i18n import gettext_noop
from dealpurge.keys.families import Keyspace
from dealpurge.scope import PurgeScope
from dealpurge.servers.address import address_of
from dealpurge.servers.backoff import Backoff, KeepGoing
from dealpurge.servers.cluster import Cluster
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.construction import MISTAKES, check_tls, new_connection
from dealpurge.servers.detection import detect
from dealpurge.servers.errors import LOST, Transient, causes, failure, forbids_command
from dealpurge.servers.replies import count
from dealpurge.servers.sentinel import Sentinels
from dealpurge.servers.slots import NO_CLUSTER

UNREADABLE = gettext_noop(
    "No client can be made of the address of Redis. In a URL, what is special in a password must be percent-encoded.",
    code="address_unreadable",
)
UNFIT = gettext_noop("redis-py takes an option of the cache not at all, or not of that type.", code="option_unfit")
NO_CLIENT = gettext_noop("{} leads to no client of redis-py; manage.py check may tell why.", code="no_client")
#: Keys that are tried at the start where there may be a cluster, so that one of them is likely to be its own.
PROBES = 16


class Servers(Protocol):
    """Where the keys are. Asked again before every pass, because servers are replaced and slots move."""

    #: Whether the connections that were asked for last lead to those nodes only that should have keys of the scope.
    narrowed: bool
    #: The address that is configured, whichever servers there are behind it; empty where it is unknown.
    configured: str
    #: Connections that are made to look whether the servers are still the same: an address may lead to several in turn.
    looks: int

    def connections(self, keep_going: KeepGoing) -> Sequence[ServerConnection]:
        """An unopened connection to every primary as known now. Raises ``RedisUnavailable``, ``Stopped``."""

    def layout(self, keep_going: KeepGoing) -> object:
        """What must be the same before and after a pass for it to have seen every key, besides the processes."""


class Standalone:
    """One primary behind one pool; with Sentinel it is looked up anew for each connection."""

    narrowed = False
    looks = 3

    def __init__(self, client: Any, keep_going: KeepGoing) -> None:
        self.configured = address_of(client)
        self._pool = pool = client.connection_pool
        watched = isinstance(pool, SentinelConnectionPool) and pool.is_master
        self._address = {"connection_pool": Sentinels(pool, keep_going)} if watched else {}

    def connections(self, keep_going: KeepGoing) -> Sequence[ServerConnection]:
        """The one connection."""
        return [ServerConnection(self._pool, keep_going, **self._address)]

    def check(self) -> None:
        """Make a connection that connects to nothing. Raises ``PurgeConfigurationError``."""
        check_tls(new_connection(self._pool, **self._address))

    def layout(self, keep_going: KeepGoing) -> object:
        """Nothing but the process itself."""
        return None


def find(scope: PurgeScope, keyspace: Keyspace, keep_going: KeepGoing, *, restoring: bool = False) -> Servers:
    """The servers that the settings name, ``restoring``: for the user who may write.

    Raises ``PurgeConfigurationError``, ``RedisUnavailable``, ``Stopped``.
    """
    backoff = Backoff(keep_going)
    backoff.begin()
    while True:
        try:
            client = _client(restoring=restoring)
        except (RedisError, RedisClusterException) as exc:  # a cluster's client asks its nodes when it is made
            _let_go(exc)
            backoff.back_off(_reason(exc))
        else:
            break
    return Cluster(client, scope, keyspace) if isinstance(client, RedisCluster) else Standalone(client, keep_going)


def check_connection() -> None:
    """Make a connection of the cache's options that connects to nothing. Raises ``PurgeConfigurationError``."""
    Standalone(_client(), lambda: True).check()


def probe(connection: ServerConnection, keyspace: Keyspace, *, first: bool) -> str | None:
    """Make sure that the server takes deletes and shows all its keys; a warning where it may not show them.

    By an UNLINK of keys that cannot exist: INFO tells a replica too, but common production ACLs refuse it. Only at
    ``first`` a replica is refused at once, as in ``ServerConnection.open``. Raises ``RedisUnavailable``.
    """
    heads = dict.fromkeys(item.head for family in keyspace.families.values() for item in family.templates)
    while True:
        try:
            warning = detect(connection)
            _try_deletes(connection, list(heads) or [b""])
        except (*LOST, Transient) as exc:
            if first and isinstance(exc, Transient) and exc.unless.reason == "replica":
                raise exc.unless from exc
            connection.recover(exc)
        else:
            return warning


def _try_deletes(connection: ServerConnection, heads: Sequence[bytes]) -> None:
    """UNLINK below one head after the other, until the user may delete there: an ACL may know some families alone.

    Below none of them: it may have organisations in its patterns, and what stays is counted as not removed. Raises
    ``Transient``, ``RedisUnavailable``.
    """
    name = b"\x00dealpurge-probe-" + uuid4().hex.encode()
    probes = 1 if connection.info.mode == "standalone" else PROBES
    for head in heads:
        parts = connection.parts([head + name + b"-%d" % number for number in range(probes)])
        replies = connection.ask_all([("UNLINK", *part) for part in parts])
        if not connection.clustered and any(isinstance(reply, ClusterCrossSlotError) for reply in replies):
            connection.clustered = True  # which nothing else has told
            return _try_deletes(connection, heads)
        if any(isinstance(reply, NoPermissionError) and not forbids_command(reply) for reply in replies):
            continue
        for part, reply in zip(parts, replies, strict=True):
            if not (connection.node and isinstance(reply, AskError)):
                count(reply, len(part), "UNLINK")
        return None
    return None


def _client(*, restoring: bool = False) -> Any:
    own = conf.restore_redis_client if restoring else None
    make, setting = (own, "DEALPURGE_RESTORE_REDIS_CLIENT") if own else (conf.redis_client, "DEALPURGE_REDIS_CLIENT")
    try:
        return make() if make else get_redis_connection(conf.cache_alias)
    # Their texts may quote an address with its password: nothing that is logged may be chained to them.
    except (ImproperlyConfigured, NotImplementedError):
        problem = NO_CLIENT.format(setting if make else "DEALPURGE_CACHE_ALIAS")
    except ValueError:
        problem = UNREADABLE
    except MISTAKES:
        problem = NO_CLIENT.format(setting) if make else UNFIT
    except RedisClusterException as exc:
        if "in cluster mode" not in str(exc):  # said of options that a cluster's client never takes, such as db=1
            raise
        problem = NO_CLIENT.format(setting) if make else UNFIT
    raise PurgeConfigurationError(problem)


def _let_go(exc: Exception) -> None:
    """Disconnect what a cluster's client had opened when it could not be made: redis-py leaves it to the collector."""
    making = getattr(NodesManager.__init__, "__code__", None)
    for cause in causes(exc):
        for frame, _ in walk_tb(cause.__traceback__):
            manager = frame.f_locals.get("self") if frame.f_code is making else None
            for node in getattr(manager, "startup_nodes", {}).values():
                if node.redis_connection:
                    _disconnect(node.redis_connection.connection_pool)


def _disconnect(pool: Any) -> None:
    try:
        pool.disconnect(inuse_connections=False)  # it may be the host's own
    except TypeError:  # a BlockingConnectionPool of redis-py before 7
        pool.disconnect()


def _reason(exc: Exception) -> Exception:
    """What stood in the way, which redis-py wraps. Raises ``RedisUnavailable`` for what a node refused."""
    for cause in causes(exc):
        if "cluster support disabled" in str(cause):
            raise RedisUnavailable("refused", NO_CLUSTER) from exc
        if isinstance(cause, ResponseError):
            trouble = failure(cause)
            if not isinstance(trouble, Transient):
                raise trouble from exc
            return trouble
        if isinstance(cause, LOST):
            return cause
    return exc
