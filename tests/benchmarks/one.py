"""Go one way and print what it took, as JSON: ``python -m tests.benchmarks.one WAY PORT``."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import django

from dealpurge.report import PurgeReport
from tests.benchmarks.ways import WAYS


def main(name: str, port: int) -> None:
    """The clock starts when everything is imported; children count as the process itself."""
    django.setup()
    way = WAYS[name]
    memory, cpu, start = _memory("VmRSS"), _cpu(), time.perf_counter()
    result = way.run(port)
    took = {
        "wall": time.perf_counter() - start,
        "client_cpu": _cpu() - cpu,
        "memory": max(0, _memory("VmHWM") - memory),
        "report": result.as_dict() if isinstance(result, PurgeReport) else None,
    }
    json.dump(took, sys.stdout)


def _cpu() -> float:
    parts = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(part.ru_utime + part.ru_stime for part in parts)


def _memory(name: str) -> int:
    """In bytes: ``VmRSS`` as it is now, ``VmHWM`` at its highest."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
