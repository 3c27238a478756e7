"""A primary, its replica, and a Sentinel that watches them: real processes, with a failover of half a second."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from .servers import EXECUTABLES, RedisServer, wait_until

SERVICE = "mymaster"
README = (Path(__file__).resolve().parents[2] / "README.md").read_text()


@dataclass(kw_only=True)
class SentinelProcess(RedisServer):
    """Keeps what it knows in its configuration file, so that it can be stopped and started again."""

    watched: tuple[str, int]
    down_after: int = 300

    def command_line(self) -> list[str]:
        path = self.directory / "sentinel.conf"
        if not path.exists():
            path.write_text(
                f"port {self.port}\nbind 127.0.0.1\ndir {self.directory}\n"
                f"sentinel monitor {SERVICE} {self.watched[0]} {self.watched[1]} 1\n"
                f"sentinel down-after-milliseconds {SERVICE} {self.down_after}\n"
                f"sentinel failover-timeout {SERVICE} 10000\n" + "\n".join(map(" ".join, self.options.items()))
            )
        return [str(EXECUTABLES[self.kind]()), str(path), "--sentinel"]


class Ring:
    """The three processes. `primary` and `replica` are what they were at the start."""

    def __init__(self, kind: str, directory: Path, **sentinel: Any) -> None:
        self.primary = RedisServer(kind=kind, directory=directory / "primary")
        self.replica = RedisServer(kind=kind, directory=directory / "replica")
        watched = self.primary.address
        self.sentinel = SentinelProcess(kind=kind, directory=directory / "sentinel", watched=watched, **sentinel)

    def start(self) -> Ring:
        self.primary.start()
        self.replica.start().follow(self.primary)
        self.sentinel.start()
        with self.sentinel.client() as client:
            # Sentinel asks every ten seconds, and every second while a failover is under way.
            client.execute_command("SENTINEL DEBUG info-period 100")
            wait_until(lambda: client.sentinel_slaves(SERVICE), what="the Sentinel to find the replica")
            wait_until(lambda: self._replica_is_sound(client), what="the Sentinel to trust the replica")
        return self

    def stop(self) -> None:
        for server in (self.sentinel, self.replica, self.primary):
            server.stop()

    def true_primary(self) -> RedisServer:
        """The one that the Sentinel names."""
        with self.sentinel.client() as client:
            port = client.sentinel_get_master_addr_by_name(SERVICE)[1]
        return self.primary if port == self.primary.port else self.replica

    def fail_over(self) -> None:
        """As an administrator does it; returns when the Sentinel names the other one.

        For eight seconds more the former primary takes writes as if nothing had happened.
        """
        for _ in range(4):  # a busy machine may let it come to nothing
            with self.sentinel.client() as client, suppress(redis.ResponseError):
                client.execute_command("SENTINEL FAILOVER", SERVICE)
            with suppress(TimeoutError):
                return wait_until(lambda: self.true_primary() is self.replica, seconds=5)
        raise TimeoutError("the Sentinel does not fail over")

    def fail_over_and_demote(self) -> None:
        """And the former primary has become a replica by then."""
        self.fail_over()
        self.primary.follow(self.replica)

    def replicated(self) -> None:
        """Return when the replica has all that the primary has."""
        with self.primary.client() as client:
            client.set("replicated", 1)
            client.delete("replicated")
            if client.wait(1, 5000) != 1:
                raise TimeoutError("the replica does not follow")

    def _replica_is_sound(self, client: redis.Redis) -> bool:
        states = client.sentinel_slaves(SERVICE)
        return all(state["master-link-status"] == "ok" and state["slave-repl-offset"] > 0 for state in states)


def readme_options(*sentinels: tuple[str, int]) -> tuple[str, dict[str, Any]]:
    """LOCATION and OPTIONS of the README's CACHES, with these for its Sentinels."""
    block = next(block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "SENTINELS" in block)
    names: dict[str, Any] = {}
    exec(compile(block, "README.md", "exec"), names)  # noqa: S102 - our own README
    cache = names["CACHES"]["default"]
    return cache["LOCATION"], {**cache["OPTIONS"], "SENTINELS": list(sentinels)}
