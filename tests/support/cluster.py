"""A Redis Cluster of our own: primaries and replicas as real processes on free ports, told of each other by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from redis.cluster import ClusterNode, RedisCluster
from redis.crc import key_slot

from tests.support.seeding import names

from .servers import RedisServer, ServerMissingError, free_port, missing, wait_until

SLOTS = 16384
TIMEOUT_MS = 1000


@dataclass
class Ring:
    """Three primaries of a third of the slots each, and replicas of the first ones."""

    kind: str
    directory: Path
    replicas: int = 0
    servers: list[RedisServer] = field(default_factory=list)
    _clients: dict[int, redis.Redis] = field(default_factory=dict)

    def start(self) -> Ring:
        try:
            self.servers = [self._server(number).start() for number in range(3 + self.replicas)]
        except ServerMissingError as absent:
            missing(str(absent))
        first, *others = self.servers
        for server in others:
            self.tell(server, "MEET", "127.0.0.1", first.port, first.options["cluster-port"])
        self.reset_slots()
        everyone = len(self.servers)
        wait_until(lambda: all(len(self._known(one)) == everyone for one in self.servers), what="acquaintance")
        for number in range(self.replicas):
            replica = self.servers[3 + number]
            self.tell(replica, "REPLICATE", self.id_of(self.servers[number]))
            wait_until(lambda: self._follows(replica), what="replica")  # noqa: B023
        self.settle()
        return self

    def stop(self) -> None:
        for server in self.servers:
            server.stop()
        for client in self._clients.values():
            client.close()

    def direct(self, server: RedisServer) -> redis.Redis:
        """The test's own client of one node."""
        if server.port not in self._clients:
            self._clients[server.port] = server.client(client_name="test")
        return self._clients[server.port]

    def client(self, **options: Any) -> RedisCluster:
        nodes = [ClusterNode(*server.address) for server in self.primaries()]  # type: ignore[no-untyped-call]
        return RedisCluster(startup_nodes=nodes, **options)

    def primaries(self) -> list[RedisServer]:
        """The processes that run and have slots, as they themselves say."""
        alive = [server for server in self.servers if server.process]
        return [server for server in alive if self.direct(server).info("replication")["role"] == "master"]

    def clients(self) -> list[redis.Redis]:
        return [self.direct(server) for server in self.primaries()]

    def names(self) -> set[str]:
        """Every key on every primary."""
        return names(*self.clients())

    def flush(self) -> None:
        for client in self.clients():
            client.flushall()

    def owner(self, slot: int) -> RedisServer:
        """The primary that says that it has the slot."""
        for server in self.primaries():
            for line in self.direct(server).execute_command("CLUSTER SLOTS"):  # type: ignore[no-untyped-call]
                if line[0] <= slot <= line[1] and int(line[2][1]) == server.port:
                    return server
        raise LookupError(slot)

    def tell(self, server: RedisServer, *words: Any) -> Any:
        """A CLUSTER command to one node."""
        return self.direct(server).execute_command("CLUSTER", *words)  # type: ignore[no-untyped-call]

    def id_of(self, server: RedisServer) -> str:
        return str(self.tell(server, "MYID").decode())

    def begin_move(self, slot: int, target: RedisServer) -> RedisServer:
        """Let the slot be on its way, none of its keys moved yet; returns where it comes from."""
        source = self.owner(slot)
        self.tell(target, "SETSLOT", slot, "IMPORTING", self.id_of(source))
        self.tell(source, "SETSLOT", slot, "MIGRATING", self.id_of(target))
        return source

    def move_keys(self, source: RedisServer, target: RedisServer, keys: Sequence[bytes | str]) -> None:
        if keys:
            client: Any = self.direct(source)
            client.execute_command("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)

    def end_move(self, slot: int, target: RedisServer) -> None:
        others = [server for server in self.primaries() if server is not target]
        for server in (target, *others):
            self.tell(server, "SETSLOT", slot, "NODE", self.id_of(target))

    def move(self, slot: int, target: RedisServer) -> None:
        """Reshard one slot to its end."""
        source = self.begin_move(slot, target)
        while keys := self.tell(source, "GETKEYSINSLOT", slot, 1000):
            self.move_keys(source, target, keys)
        self.end_move(slot, target)

    def reset_slots(self) -> None:
        """Give every primary its third again; for an empty cluster."""
        primaries = self.servers[:3]
        for server in primaries:
            with suppress(redis.ResponseError):
                self.tell(server, "FLUSHSLOTS")
        for number, server in enumerate(primaries):
            self.tell(server, "ADDSLOTSRANGE", SLOTS * number // 3, SLOTS * (number + 1) // 3 - 1)

    def settle(self) -> None:
        """Wait until all nodes say the same, and that all is well."""
        wait_until(self._agreed, what="an agreed cluster")

    def _agreed(self) -> bool:
        views = set()
        for server in self.servers:
            if server.process:
                state = self.tell(server, "INFO")
                fine = state["cluster_state"] == "ok" if isinstance(state, dict) else b"cluster_state:ok" in state
                views.add((fine, tuple(sorted(self._slots(server)))))
        return len(views) == 1 and next(iter(views))[0]

    def _slots(self, server: RedisServer) -> Iterator[tuple[Any, ...]]:
        for first, last, primary, *replicas in self.tell(server, "SLOTS"):
            yield first, last, int(primary[1]), len(replicas)

    def _follows(self, replica: RedisServer) -> bool:
        return self.direct(replica).info("replication").get("master_link_status") == "up"

    def _known(self, server: RedisServer) -> list[bytes]:
        return [line for line in self.tell(server, "NODES").splitlines() if b"handshake" not in line]

    def _server(self, number: int) -> RedisServer:
        options = {
            "cluster-enabled": "yes",
            "cluster-port": str(free_port()),
            "cluster-node-timeout": str(TIMEOUT_MS),
            "cluster-replica-validity-factor": "0",
            "repl-diskless-sync-delay": "0",
        }
        return RedisServer(kind=self.kind, directory=self.directory / str(number), options=options)


def slot_of(key: str | bytes) -> int:
    return int(key_slot(key.encode() if isinstance(key, str) else key))
