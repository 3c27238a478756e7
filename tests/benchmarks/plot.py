"""Bars of wall time, as SVG that a page in light or dark shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from statistics import median

from tests.benchmarks.measuring import Round
from tests.benchmarks.ways import Way

ROW, LABELS, BARS, FIGURES = 26, 310, 420, 110
OURS = {"sweep", "guarded", "dry run", "by_deal", "guarded by_deal"}
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#333}.head{font-weight:600}.ours{fill:#2f7d5b}.theirs{fill:#9aa5ad}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.ours{fill:#5bbf92}.theirs{fill:#66717a}}"
)


def bars(rounds: Mapping[str, Sequence[Round]], chosen: Sequence[Way], keys: int) -> str:
    """A chart for each group, its longest bar the full width."""
    rows: list[str] = []
    for group in dict.fromkeys(way.group for way in chosen):
        walls = {way.name: median(item.wall for item in rounds[way.name]) for way in chosen if way.group == group}
        rows.append(_text(0, len(rows), f"{group}, {keys:,} keys: seconds", "head"))
        longest = max(walls.values())
        rows += [_row(len(rows) + place, name, wall, longest) for place, (name, wall) in enumerate(walls.items())]
    size = f'width="{LABELS + BARS + FIGURES}" height="{len(rows) * ROW + 10}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}><style>{STYLE}</style>{"".join(rows)}</svg>\n'


def _row(place: int, name: str, wall: float, longest: float) -> str:
    length = max(1.0, wall / longest * BARS)
    kind = "ours" if name in OURS else "theirs"
    bar = f'<rect class="{kind}" x="{LABELS}" y="{place * ROW + 7}" width="{length:.1f}" height="16" rx="2"/>'
    return _text(0, place, name) + bar + _text(LABELS + length + 6, place, f"{wall:.2f}")


def _text(x: float, place: int, text: str, kind: str = "") -> str:
    return f'<text x="{x:.0f}" y="{place * ROW + 20}" class="{kind}">{escape(text)}</text>'
