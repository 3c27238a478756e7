"""What was measured, as text and as data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from tests.benchmarks.measuring import Round
from tests.benchmarks.ways import Way

Rounds = Mapping[str, Sequence[Round]]
HEADINGS = ("wall s", "ratio", "client CPU s", "server CPU s", "p50 ms", "p99 ms", "memory MB", "keys gone")


def ratio(rounds: Rounds, name: str, floor: str) -> float:
    """The median over the rounds of the two ways' wall times, round against round."""
    pairs = zip(rounds[name], rounds[floor], strict=False)
    return median(mine.wall / theirs.wall for mine, theirs in pairs)


def ways(rounds: Rounds, chosen: Sequence[Way]) -> str:
    """A table of medians; the ratio is to the way's floor, or of the others to ours."""
    width = max(len(way.name) for way in chosen)
    lines = []
    for group in dict.fromkeys(way.group for way in chosen):
        lines += ["", f"{group:<{width}}" + "".join(f"{heading:>14}" for heading in HEADINGS)]
        lines += [_line(way, rounds, width) for way in chosen if way.group == group]
    return "\n".join(lines) + "\n"


def growth(found: Mapping[int, Rounds]) -> str:
    """Wall time by number of keys, and microseconds a key."""
    if not found:
        return ""
    names = list(next(iter(found.values())))
    lines = ["", f"{'keys':<12}" + "".join(f"{name + ' s':>14}{'µs a key':>12}" for name in names)]
    for keys, rounds in found.items():
        walls = [median(item.wall for item in rounds[name]) for name in names]
        lines.append(f"{keys:<12,}" + "".join(f"{wall:>14.2f}{wall / keys * 1e6:>12.2f}" for wall in walls))
    return "\n".join(lines) + "\n"


def as_data(rounds: Rounds, found: Mapping[int, Rounds]) -> dict[str, Any]:
    """Every round of every way, for JSON."""
    return {"ways": _plain(rounds), "growth": {keys: _plain(item) for keys, item in found.items()}}


def _plain(rounds: Rounds) -> dict[str, list[dict[str, Any]]]:
    return {name: [_figures(item) for item in items] for name, items in rounds.items()}


def _figures(item: Round) -> dict[str, Any]:
    return {name: value for name, value in asdict(item).items() if name != "report"}


def _line(way: Way, rounds: Rounds, width: int) -> str:
    return f"{way.name:<{width}}" + "".join(f"{cell:>14}" for cell in _cells(way, rounds))


def _cells(way: Way, rounds: Rounds) -> Iterator[str]:
    middle = Round.median(list(rounds[way.name]))
    yield f"{middle.wall:.2f}"
    yield f"{ratio(rounds, way.name, way.floor):.2f}" if way.floor else ""
    yield from _decimals((middle.client_cpu, middle.server_cpu, middle.p50, middle.p99))
    yield f"{middle.memory / 1e6:.0f}"
    yield f"{middle.keys_gone:,.0f}"


def _decimals(figures: Iterable[float]) -> Iterator[str]:
    return (f"{figure:.2f}" for figure in figures)
