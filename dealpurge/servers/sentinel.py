"""Where the primary is, asked of the host's Sentinels over connections of our own.

redis-py would ask each of them ten times over and for as long as the system lets a connection wait, which with one
Sentinel gone takes a minute, and would disconnect the host's pool besides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import InvalidResponse, ResponseError
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, SentinelConnectionPool
from redis.utils import str_if_bytes

from dealpurge.exceptions import RedisUnavailable
from dealpurge.i18n import gettext_noop
from dealpurge.servers.backoff import Backoff, KeepGoing
from dealpurge.servers.construction import bound, construct
from dealpurge.servers.errors import LOST, SentinelsSilent, ServiceUnknown, failure, hopeless
from dealpurge.servers.replies import nonsense
from dealpurge.servers.sockets import ReplyLimit

#: Seconds to wait for a Sentinel where the host's settings name no limit.
SENTINEL_TIMEOUT = 1.0
CREDENTIALS = gettext_noop(
    "Sentinel refused the password or the user (SENTINEL_KWARGS in the cache's OPTIONS).", code="sentinel_credentials"
)


class Sentinels:
    """Stands in for the pool that a Sentinel connection of redis-py asks for the primary's address."""

    is_master = True
    check_connection = False

    def __init__(self, pool: SentinelConnectionPool, keep_going: KeepGoing) -> None:
        self.service_name: str = pool.service_name
        self._manager: Any = pool.sentinel_manager
        while_waiting = Backoff(keep_going).while_waiting
        named = self._manager.sentinel_kwargs
        self._pools = [_bounded(client, named, while_waiting) for client in self._manager.sentinels]

    def get_master_address(self) -> tuple[str, int]:
        """Host and port of the primary, by the first Sentinel that knows one that is up.

        Raises what ``faults.LOST`` names, and ``RedisUnavailable``.
        """
        trouble: Exception = SentinelsSilent("no Sentinel is configured")
        for pool in list(self._pools):
            try:
                host, port = self._address(Redis(connection_pool=pool))
            except LOST as exc:
                trouble = max(trouble, exc, key=_weight)
            else:
                self._pools.sort(key=lambda other: other is not pool)  # the next question goes to it first
                return getattr(self._manager, "_force_master_ip", None) or host, port
            finally:
                pool.disconnect()
        if isinstance(trouble, InvalidResponse):
            raise nonsense("SENTINEL") from trouble
        if hopeless(trouble):
            raise RedisUnavailable("authentication", CREDENTIALS) from trouble
        if _weight(trouble) > 1:
            raise trouble
        raise SentinelsSilent("no Sentinel answers") from trouble

    def _address(self, client: Any) -> tuple[str, int]:
        try:
            return self._named(client)
        except ResponseError as exc:
            raise failure(exc) from exc
        except (TypeError, ValueError, LookupError, AttributeError) as exc:  # another one may answer better
            raise InvalidResponse from exc

    def _named(self, client: Any) -> tuple[str, int]:
        state = client.sentinel_masters().get(self.service_name)
        named = client.sentinel_get_master_addr_by_name(self.service_name)
        if state is None or named is None:
            raise ServiceUnknown(self.service_name)
        host, port = str_if_bytes(named[0]), int(named[1])
        if not isinstance(host, str):  # redis-py 5 takes a text apart as well
            raise TypeError("no address")
        # During a failover the replica that is promoted has the name already, while the state is that of the old one.
        promoted = (host, port) != (state["ip"], state["port"])
        if not promoted and not self._manager.check_master_state(state, self.service_name):
            raise MasterNotFoundError(self.service_name)
        return host, port


class _Pool(ConnectionPool):
    """Of a connection that is waited for as one to a server is."""

    while_waiting: Callable[[], None]

    def make_connection(self) -> Any:
        connection = super().make_connection()
        ReplyLimit(connection, self.while_waiting)
        return connection


def _bounded(client: Any, named: Mapping[str, Any], while_waiting: Callable[[], None]) -> ConnectionPool:
    """A pool as the client's, for a single try and a bounded time."""
    pool = client.connection_pool
    options = {**pool.connection_kwargs, "retry": Retry(NoBackoff(), 0)}
    options |= {name: named.get(name) for name in ("socket_timeout", "socket_connect_timeout")}
    bound(options, SENTINEL_TIMEOUT)
    construct(pool.connection_class, options)
    bounded = _Pool(connection_class=pool.connection_class, max_connections=1, **options)
    bounded.while_waiting = while_waiting
    return bounded


def _weight(trouble: Exception) -> int:
    """How telling: a Sentinel that speaks tells more than one that is silent."""
    if isinstance(trouble, MasterNotFoundError):
        return 4
    if isinstance(trouble, ServiceUnknown):
        return 3
    return 2 if hopeless(trouble) else 1
