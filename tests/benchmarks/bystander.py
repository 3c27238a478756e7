"""Somebody else on the same server: pings a thousand times a second and notes how long each takes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from types import TracebackType

import redis

PAUSE = 0.001


class Bystander:
    """Pings from a process of its own while the block runs."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.milliseconds: list[float] = []

    def __enter__(self) -> Bystander:
        command = [sys.executable, "-m", "tests.benchmarks.bystander", str(self.port)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._process.stdout.readline()  # type: ignore[union-attr]  # it has begun
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        printed, _ = self._process.communicate(b"enough\n")
        self.milliseconds = sorted(json.loads(printed))

    def percentile(self, share: int) -> float:
        """Of the latencies, in milliseconds."""
        return self.milliseconds[min(len(self.milliseconds) * share // 100, len(self.milliseconds) - 1)]


def main(port: int) -> None:
    """Ping until something comes in on the standard input, then print the latencies."""
    from select import select

    took: list[float] = []
    with redis.Redis(host="127.0.0.1", port=port) as client:
        client.ping()
        print("pinging", flush=True)
        while not select([sys.stdin], [], [], PAUSE)[0]:
            start = time.perf_counter()
            client.ping()
            took.append((time.perf_counter() - start) * 1000)
    json.dump(took or [0.0], sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]))
