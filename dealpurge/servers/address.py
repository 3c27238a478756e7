"""The address of Redis as it is configured: a failover leaves it as it is. Never with a password or a user."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django_redis import get_redis_connection
from redis.cluster import RedisCluster
from redis.sentinel import SentinelConnectionPool

from dealpurge.conf import conf
from dealpurge.text import escape

#: The most of it that is kept.
LONGEST = 1000


def configured() -> str:
    """The address that the settings name, told without connecting; empty where only the client itself could tell."""
    try:
        if conf.redis_client is not None:
            return ""  # the callable may connect
        cache = settings.CACHES[conf.cache_alias]
        if not is_made_by_django_redis(cache.get("OPTIONS", {})) or _is_ambiguous(cache.get("LOCATION")):
            return ""
        return address_of(get_redis_connection(conf.cache_alias))
    except Exception:  # whatever is wrong with the settings, the run says it in words, and without a password
        return ""


def address_of(client: Any) -> str:
    """The address that a client was made with: ``host:port/db``, a socket's path, the nodes of a cluster, or a
    service and its Sentinels. Empty for a client that does not tell."""
    try:
        return escape(_address(client))[:LONGEST]
    except (AttributeError, TypeError, ValueError, LookupError):  # a client of the host's own making
        return ""


def is_made_by_django_redis(options: Any) -> bool:
    """Whether no network is asked for a client; a factory of the host's may ask the nodes of a cluster."""
    factory = options.get("CONNECTION_FACTORY") or getattr(settings, "DJANGO_REDIS_CONNECTION_FACTORY", "django_redis.")
    return str(factory).startswith("django_redis.") and "REDIS_CLIENT_CLASS" not in options


def _address(client: Any) -> str:
    if isinstance(client, RedisCluster):
        return f"cluster {_listed(_startup_nodes(client))}"
    pool = client.connection_pool
    options = pool.connection_kwargs
    database = int(options.get("db") or 0)
    if isinstance(pool, SentinelConnectionPool):
        sentinels = (sentinel.connection_pool.connection_kwargs for sentinel in pool.sentinel_manager.sentinels)
        asked = _listed((item.get("host", "localhost"), item.get("port", 26379)) for item in sentinels)
        return f"{pool.service_name}/{database} (Sentinel {asked})"
    if options.get("path"):
        return f"{options['path']} db {database}"
    return f"{_host(options.get('host', 'localhost'), options.get('port', 6379))}/{database}"


def _startup_nodes(client: RedisCluster) -> Iterable[tuple[object, object]]:
    """Those that were named; the client's manager replaces them by those that it finds."""
    named = getattr(client, "startup_nodes", None) or client.nodes_manager.startup_nodes.values()
    return ((node.host, node.port) for node in named)


def _listed(addresses: Iterable[tuple[object, object]]) -> str:
    """In an order of their own: the one in the settings may change without another place being meant."""
    return ", ".join(sorted({_host(host, port) for host, port in addresses}))


def _host(host: object, port: object) -> str:
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


def _is_ambiguous(location: Any) -> bool:
    """Whether an ``@`` stands where none belongs: of a password that nobody encoded a part would be taken for the
    host or the port."""
    urls = [location] if isinstance(location, str) else [*(location or ())]
    return any("@" in rest for url in urls for rest in urlsplit(str(url))[2:])
