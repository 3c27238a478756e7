"""What stands behind a plain address: one server, one with the rules of a cluster, or what shows a part of the keys."""

from __future__ import annotations

from redis.exceptions import NoPermissionError

from dealpurge.exceptions import RedisUnavailable
from dealpurge.i18n import gettext_noop
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.errors import ONE_NODE
from dealpurge.servers.replies import is_unknown_command, understood

SHARDING = gettext_noop(
    "A proxy that spreads the keys over several servers, such as Envoy, stands at the address of Redis, and SCAN shows "
    "the keys of one of them only. Purge each server by its own address.",
    code="sharding_proxy",
)
PARTIAL_WARNING = gettext_noop(
    "WARNING: most likely a proxy that spreads the keys over several servers stands at the address of Redis, and ONLY "
    "SOME OF THE KEYS WERE SEEN. Purge each server by its own address.",
    code="sharding_suspected",
)


def detect(connection: ServerConnection) -> str | None:
    """Let a plain connection keep to the rules of its server; a warning where SCAN may well not show all keys.

    Raises ``RedisUnavailable`` where it is certain not to, and what ``LOST`` names. What is refused proves nothing.
    """
    info = connection.info
    if connection.node is not None or info.mode == "standalone":
        return None
    slots, size = connection.ask_all([("CLUSTER", "SLOTS"), ("DBSIZE",)])
    if isinstance(slots, list):
        with understood("CLUSTER SLOTS"):
            primaries = {tuple(primary[:2]) for _, _, primary, *_ in slots}
        if len(primaries) > 1:
            raise RedisUnavailable("refused", ONE_NODE)
        connection.clustered = True
    elif info.mode == "cluster":
        disabled = "cluster support disabled" in str(slots)
        if disabled or (info.made_up and not isinstance(slots, NoPermissionError)):
            raise RedisUnavailable("refused", SHARDING)
        connection.clustered = True
        return PARTIAL_WARNING if is_unknown_command(slots) else None
    return PARTIAL_WARNING if info.unknown and is_unknown_command(slots) and is_unknown_command(size) else None
