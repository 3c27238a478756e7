"""A dry run without a guard says who works on deals, and counts as the sweep deletes."""

from __future__ import annotations

from dataclasses import replace
from time import time
from typing import Any

import pytest
import redis
from django.test import override_settings

from dealpurge.engine import live_work
from dealpurge.engine.guard.deal_index import DealIndex
from dealpurge.engine.live_work import UNTOLD_WARNING
from dealpurge.engine.passes import Passes
from dealpurge.engine.sweep.deal_log import WOULD_BE_PURGED
from dealpurge.engine.sweep.fates import notes_of
from dealpurge.engine.sweep.tally import Tally
from dealpurge.keys.families import make_token
from tests.support.purging import carry_out, report_of
from tests.support.seeding import HOUR, seed_deal


def looked(**options: Any) -> Tally:
    tally = Tally()
    carry_out(tally, dry_run=True, look=True, **options)
    return tally


def test_who_works_on_deals_is_told_and_nothing_is_spared_by_it(server: redis.Redis) -> None:
    for number in range(7):
        seed_deal(server, "acme", f"d{number}", age=60 if number % 3 == 0 else 2 * HOUR)
    server.set("canvas:lock:acme:quiet", "1")

    tally = looked()
    report = report_of(tally, dry_run=True)

    assert (report.deals.purged, report.deals.skipped_active, report.deals.active) == (8, 0, 3)
    notes = notes_of(tally, dry_run=True)
    assert {note.outcome for note in notes.values()} == {WOULD_BE_PURGED}
    known = {token for token, note in notes.items() if note.last_active}
    assert known == {make_token("acme", f"d{number}") for number in range(7)}
    recent = {token for token in known if (notes[token].last_active or 0) > (time() - HOUR) * 1000}
    assert recent == tally.active == {make_token("acme", f"d{number}") for number in (0, 3, 6)}


def test_it_counts_what_a_dry_run_counts_that_does_not_look(server: redis.Redis) -> None:
    for number in range(5):
        seed_deal(server, "acme", f"d{number}", age=60)
    for key in ("canvas:lock:d1", "canvas:lock:acme", "langgraph:checkpoint:d2:x", "other:thing"):
        server.set(key, "1")
    plain = Tally()
    carry_out(plain, dry_run=True)

    report = report_of(looked(), dry_run=True)

    assert replace(report.deals, active=None) == report_of(plain, dry_run=True).deals
    assert report.keys == report_of(plain, dry_run=True).keys
    assert report.families == report_of(plain, dry_run=True).families


def test_only_deals_in_scope_are_looked_at(server: redis.Redis) -> None:
    for org in ("acme", "globex"):
        for number in range(3):
            seed_deal(server, org, f"d{number}", age=60)
    server.config_resetstat()

    tally = looked(mode="by_deal", deals=(("acme", "d1"), (None, "d2")))

    assert tally.active == {make_token("acme", "d1"), make_token("acme", "d2"), make_token("globex", "d2")}
    calls = {name: stats["calls"] for name, stats in server.info("commandstats").items()}
    assert calls["cmdstat_xinfo|stream"] == 3


def test_nobody_is_active_where_nobody_looked_and_a_live_purge_does_not_look(server: redis.Redis) -> None:
    seed_deal(server, "acme", "d1", age=60)
    tally = Tally()

    carry_out(tally, dry_run=True)

    assert report_of(tally, dry_run=True).deals.active is None


def test_who_may_not_read_events_may_still_preview(server: redis.Redis) -> None:
    """A purge without a guard needs no right to read them either."""
    seed_deal(server, "acme", "d1", age=60)
    server.acl_setuser("default", enabled=True, commands=["-xinfo"])
    try:
        tally = looked()
    finally:
        server.acl_setuser("default", enabled=True, categories=["+@all"])

    report = report_of(tally, dry_run=True)
    assert (report.deals.purged, report.deals.active) == (1, None)
    assert UNTOLD_WARNING in report.warnings


def test_it_stops_between_two_looks(server: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_work, "JUDGED_AT_ONCE", 2)
    for number in range(6):
        seed_deal(server, "acme", f"d{number}", age=60)
    tally = Tally()

    with override_settings(DEALPURGE_SCAN_COUNT=1000):
        carry_out(tally, dry_run=True, look=True, keep_going=lambda: tally.judged < 2)

    assert tally.cancelled
    assert tally.judged < 6


def test_servers_that_changed_are_counted_once(server: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dry run forgets what an earlier pass counted, who was active in it too."""
    for number in range(4):
        seed_deal(server, "acme", f"d{number}", age=60)
    same, answers = Passes._same_servers, iter([False])

    def replaced(self: Passes, *arguments: Any) -> bool:
        if next(answers, True):
            return same(self, *arguments)
        for key in server.scan_iter("*:acme:d0*"):
            server.delete(key)
        return False

    monkeypatch.setattr(Passes, "_same_servers", replaced)
    tally, plain = looked(), Tally()
    carry_out(plain, dry_run=True)

    report, again = report_of(tally, dry_run=True), report_of(plain, dry_run=True)
    assert tally.active == {make_token("acme", f"d{number}") for number in (1, 2, 3)}
    assert replace(report.deals, active=None) == again.deals
    assert (report.keys, report.families) == (again.keys, again.families)
    assert tally.left == plain.left


def test_an_unfinished_look_tells_of_nobody(server: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_work, "JUDGED_AT_ONCE", 2)
    for number in range(6):
        seed_deal(server, "acme", f"d{number}", age=60)
    tally = Tally()

    carry_out(tally, dry_run=True, look=True, keep_going=lambda: tally.judged < 2)

    assert (tally.cancelled, tally.active) == (True, None)


def test_no_events_key_is_held_that_a_template_names(server: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory must not grow with the deals by more than their counts."""
    monkeypatch.delattr(DealIndex, "note_events")
    for number in range(5):
        seed_deal(server, "acme", f"d{number}", age=60)

    assert looked().active == {make_token("acme", f"d{number}") for number in range(5)}
