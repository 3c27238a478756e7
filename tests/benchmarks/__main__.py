"""Measure every way side by side on a server of its own: ``python -m tests.benchmarks``."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks import dataset, plot, table
from tests.benchmarks.measuring import Round, measure
from tests.benchmarks.ways import WAYS
from tests.support.servers import EXECUTABLES, RedisServer

Rounds = dict[str, list[Round]]


def main() -> None:
    """Seed, go round after round, and write what was measured."""
    options = _options()
    chosen = [way for way in WAYS.values() if not way.untuned or options.untuned]
    with server_with(options.keys, options.server) as server:
        _tell(
            f"{server.client().dbsize():,} keys on {options.server} {server.client().info('server')['redis_version']}"
        )
        rounds = go_round(
            server, [way.name for way in chosen], options.rounds, once={w.name for w in chosen if w.untuned}
        )
    sys.stdout.write(table.ways(rounds, chosen))
    growth = measure_growth(options.growth, options.server) if options.growth else {}
    sys.stdout.write(table.growth(growth))
    if options.json:
        options.json.write_text(json.dumps(table.as_data(rounds, growth), indent=1) + "\n")
    if options.svg:
        options.svg.write_text(plot.bars(rounds, chosen, options.keys))


@contextmanager
def server_with(keys: int, kind: str = "valkey", *, active: float = 0.5) -> Iterator[RedisServer]:
    """A server with about so many keys; it ends with the block."""
    with tempfile.TemporaryDirectory() as directory:
        server = RedisServer(kind=kind, directory=Path(directory)).start()
        try:
            dataset.seed(server, keys, active=active)
            yield server
        finally:
            server.stop()


def go_round(
    server: RedisServer, names: list[str], times: int, *, once: set[str] | None = None, watched: bool = True
) -> Rounds:
    """Every way in turn, forwards and backwards alternately, so that none is always first after the others."""
    rounds: Rounds = {name: [] for name in names}
    for number in range(times):
        for name in names if number % 2 == 0 else reversed(names):
            if number == 0 or name not in (once or ()):
                _tell(f"round {number + 1} of {times}: {name}")
                rounds[name].append(measure(server, name, watched=watched))
    return rounds


def measure_growth(sizes: list[int], kind: str) -> dict[int, Rounds]:
    """The same ways on more and more keys, the median of three rounds each."""
    found: dict[int, Rounds] = {}
    for keys in sizes:
        with server_with(keys, kind) as server:
            found[int(server.client().dbsize())] = go_round(server, ["sweep", "guarded", "by_deal"], 3)
    return found


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--keys", type=int, default=1_000_000, help="how many to seed, about (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="of every way (default: %(default)s)")
    parser.add_argument("--server", choices=list(EXECUTABLES), default="valkey")
    parser.add_argument("--untuned", action="store_true", help="also what takes minutes, once")
    parser.add_argument(
        "--growth", type=int, nargs="*", metavar="KEYS", help="also how time grows with these many keys"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="draw the medians")
    return parser.parse_args()


def _tell(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    main()
