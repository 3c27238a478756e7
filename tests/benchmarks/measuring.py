"""One way, once: in a fresh process, while a bystander pings the same server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from statistics import median
from typing import Any

from tests.benchmarks import dataset
from tests.benchmarks.bystander import Bystander
from tests.support.servers import RedisServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Seconds of wall clock and of CPU; latencies in milliseconds; memory in bytes that the process grew by at most."""

    wall: float
    client_cpu: float
    server_cpu: float
    p50: float
    p99: float
    memory: int
    keys_gone: int
    #: What the way returned, where that is a report.
    report: dict[str, Any] | None = None

    @classmethod
    def median(cls, rounds: list[Round]) -> Round:
        """Each figure's median."""
        names = ("wall", "client_cpu", "server_cpu", "p50", "p99", "memory", "keys_gone")
        return cls(**{name: median(getattr(item, name) for item in rounds) for name in names})


def measure(server: RedisServer, way: str, *, watched: bool = True) -> Round:
    """Restore the keys and go one way; without a bystander the latencies are 0. Raises ``CalledProcessError``."""
    dataset.restore(server)
    with server.client(socket_timeout=120) as client:
        before, keys = _server_cpu(client), client.dbsize()
        with Bystander(server.port) if watched else nullcontext() as bystander:
            done = _in_a_process(server, way)
        server_cpu, keys_gone = _server_cpu(client) - before, keys - client.dbsize()
    p50, p99 = (bystander.percentile(50), bystander.percentile(99)) if bystander else (0.0, 0.0)
    return Round(server_cpu=server_cpu, keys_gone=keys_gone, p50=p50, p99=p99, **done)


def _in_a_process(server: RedisServer, way: str) -> dict[str, Any]:
    environment = {**os.environ, "REDIS_URL": server.url, "DJANGO_SETTINGS_MODULE": "project.settings"}
    command = [sys.executable, "-m", "tests.benchmarks.one", way, str(server.port)]
    printed = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout
    answer: dict[str, Any] = json.loads(printed)
    return answer


def _server_cpu(client: Any) -> float:
    info = client.info("cpu")
    return float(info["used_cpu_user"] + info["used_cpu_sys"])
