"""Every way that is measured, by name. A way does its work on the server of the settings, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dealpurge.keys.families import Keyspace
from dealpurge.scope import PurgeScope
from tests.benchmarks import dataset, floors, rivals
from tests.benchmarks.keeping import purge_archived
from tests.support.purging import purge
from tests.support.seeding import HOUR

#: The deal that is purged alone: idle, so that the guard lets it go.
NUMBER = 77
DEAL = (dataset.org_id(NUMBER), dataset.deal_id(NUMBER))


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """``untuned``: so slow that one round is enough. ``floor`` names the way that this one is held against."""

    name: str
    run: Callable[[int], object]
    group: str
    floor: str | None = None
    untuned: bool = False


def _globs(deal: tuple[str, str] | None = None) -> list[str]:
    return rivals.patterns(Keyspace.from_settings(), deal)


def _scan_for_the_deal(port: int) -> None:
    scope = PurgeScope(mode="by_deal", deals=(DEAL,))
    floors.scan(port, Keyspace.from_settings().scan_pattern(scope) or b"*")


ALL, ONE = "all deals", "one deal"
WAYS = {
    way.name: way
    for way in (
        Way(name="floor", group=ALL, run=floors.sweep),
        Way(name="sweep", group=ALL, floor="floor", run=lambda port: purge()),
        Way(name="guarded", group=ALL, floor="floor", run=lambda port: purge(exclude_active_within_secs=HOUR)),
        Way(name="sweep, archived", group=ALL, floor="floor", run=lambda port: purge_archived()),
        Way(
            name="guarded, archived",
            group=ALL,
            floor="floor",
            run=lambda port: purge_archived(exclude_active_within_secs=HOUR),
        ),
        Way(name="dry run", group=ALL, floor="floor", run=lambda port: purge(dry_run=True)),
        Way(
            name="SCAN 10,000 a family, UNLINK a key",
            group=ALL,
            floor="sweep",
            run=lambda port: rivals.one_by_one(_globs(), 10_000),
        ),
        Way(
            name="SCAN 500 a family, UNLINK a key",
            group=ALL,
            floor="sweep",
            run=lambda port: rivals.one_by_one(_globs(), 500),
        ),
        Way(
            name="delete_pattern, itersize 10,000",
            group=ALL,
            floor="sweep",
            run=lambda port: rivals.delete_pattern(_globs(), 10_000),
        ),
        Way(
            name="delete_pattern",
            group=ALL,
            floor="sweep",
            untuned=True,
            run=lambda port: rivals.delete_pattern(_globs()),
        ),
        Way(
            name="redis-cli --scan, xargs",
            group=ALL,
            floor="sweep",
            untuned=True,
            run=lambda port: rivals.xargs(_globs(), port),
        ),
        Way(name="raw SCAN", group=ONE, run=_scan_for_the_deal),
        Way(
            name="by_deal",
            group=ONE,
            floor="raw SCAN",
            run=lambda port: purge(mode="by_deal", deals=(DEAL,)),
        ),
        Way(
            name="guarded by_deal",
            group=ONE,
            floor="raw SCAN",
            run=lambda port: purge(mode="by_deal", deals=(DEAL,), exclude_active_within_secs=HOUR),
        ),
        Way(
            name="SCAN 10,000 a family, UNLINK a key, one deal",
            group=ONE,
            floor="by_deal",
            run=lambda port: rivals.one_by_one(_globs(DEAL), 10_000),
        ),
        Way(
            name="delete_pattern, itersize 10,000, one deal",
            group=ONE,
            floor="by_deal",
            run=lambda port: rivals.delete_pattern(_globs(DEAL), 10_000),
        ),
    )
    if "redis-cli" not in way.name or rivals.has_redis_cli()
}
