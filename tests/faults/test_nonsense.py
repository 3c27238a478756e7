"""A server, or a proxy before it, that answers with something else than Redis does: an end with words and counts."""

from __future__ import annotations

import time
from itertools import count
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from dealpurge.engine.sweep import course
from dealpurge.engine.sweep.tally import Tally
from tests.conftest import PointCacheAt
from tests.support.purging import Outcome, carry_out, run
from tests.support.scripted import ScriptedServer, array, bulk
from tests.support.seeding import key_of

pytestmark = pytest.mark.faults

DEALS, KEYS = 60, 10
NONSENSE = {
    "nil": b"$-1\r\n",
    "text": bulk(b"gateway timeout"),
    "status": b"+PONG\r\n",
    "negative": b":-7\r\n",
    "huge": b":99999999999\r\n",
    "no items": b"*0\r\n",
    "one item": b"*1\r\n:-1\r\n",
    "nils": b"*2\r\n$-1\r\n*-1\r\n",
    "errors": b"*2\r\n-ERR no\r\n-ERR no\r\n",
    "lists": b"*2\r\n*1\r\n:1\r\n*1\r\n*0\r\n",
    "not UTF-8": b"-ERR \xff\xfe\r\n",
    "no redirect": b"-MOVED to somewhere\r\n",
    "error": b"-ERR upstream failure\r\n",
}
#: What is asked in a sweep and in a guarded purge. Of others than these the answers are taken as they are.
SWEEP, GUARD = ("SCAN", "UNLINK"), ("SCAN", "TIME", "TYPE", "XINFO", "WATCH", "MULTI", "EXEC")


def deal_keys() -> list[str]:
    crops = [
        key_of("image_crops", "acme", f"deal-{deal}", number) for deal in range(DEALS) for number in range(KEYS - 1)
    ]
    return [*crops, *(key_of("events", "acme", f"deal-{deal}") for deal in range(DEALS))]


def after(number: int, command: str, answer: bytes) -> Any:
    """Answers so many times as Redis does, and then with ``answer``."""
    numbers = count(1)

    def script(words: list[bytes]) -> bytes | None:
        return answer if words[0].upper().decode() == command and next(numbers) > number else None

    return script


def assert_told(outcome: Outcome, server: ScriptedServer, since: float) -> None:
    keys = outcome.report.keys
    assert outcome.error is not None
    assert outcome.error.reason in ("refused", "unreachable")
    assert time.monotonic() - since < 10
    gone = DEALS * KEYS - len(server.keys)
    assert keys.deleted == gone or (keys.deleted < gone and outcome.warned("Replies were lost"))


@pytest.fixture(autouse=True)
def _quick(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DEALPURGE_RETRY_SECONDS = 0.3
    monkeypatch.setattr("dealpurge.engine.guard.piecemeal.Piecemeal.transaction_keys", 100)
    monkeypatch.setattr("dealpurge.engine.guard.lookahead.JUDGED_AT_ONCE", 20)


@pytest.mark.parametrize("kind", NONSENSE)
@pytest.mark.parametrize(
    ("command", "guarded"), [*((command, False) for command in SWEEP), *((command, True) for command in GUARD)]
)
def test_an_answer_that_is_none(cache_at: PointCacheAt, command: str, guarded: bool, kind: str) -> None:
    with ScriptedServer(deal_keys(), after(2 if command != "TYPE" else 30, command, NONSENSE[kind])) as server:
        cache_at(server.url)
        started = time.monotonic()

        outcome = run(guarded=guarded)

        assert server.asked[command] > 2
    if outcome.error is None:  # an answer that this command may have, or one that keeps a deal
        assert outcome.report.keys.deleted == DEALS * KEYS - len(server.keys)
        assert (command, kind) in ACCEPTED
    else:
        assert_told(outcome, server, started)


#: What is no nonsense: an event came, the type is another one, the key cannot be read and its idle time tells.
ACCEPTED = {("EXEC", "nil"), ("TYPE", "text"), ("TYPE", "status"), ("XINFO", "error"), ("XINFO", "not UTF-8")}


@pytest.mark.parametrize(
    "answer", [b":-7\r\n", b":99999999999999\r\n", b"$-1\r\n", b"+OK\r\n", b"-ERR no\r\n", b"*0\r\n"]
)
def test_a_number_of_keys_that_is_none_is_unknown(cache_at: PointCacheAt, answer: bytes) -> None:
    tally = Tally()
    with ScriptedServer(deal_keys(), after(0, "DBSIZE", answer)) as server:
        cache_at(server.url)
        carry_out(tally)

    assert (tally.total, tally.deleted, server.keys) == (0, DEALS * KEYS, {})


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("empty", [True, False])
@pytest.mark.parametrize("circle", [1, 7])
def test_a_scan_that_goes_round_in_a_circle(cache_at: PointCacheAt, circle: int, empty: bool, known: bool) -> None:
    cursors = count()

    def script(words: list[bytes]) -> bytes | None:
        if words[0] == b"DBSIZE" and not known:
            return b"-NOPERM no\r\n"
        page = () if empty else map(bulk, keys)
        return array((bulk(b"%d" % (next(cursors) % circle + 1)), array(page))) if words[0] == b"SCAN" else None

    with ScriptedServer(deal_keys(), script) as server:
        keys = list(server.keys)[:100]
        cache_at(server.url)
        outcome = run(dry_run=True)

    assert outcome.error is not None
    assert str(outcome.error) == course.ENDLESS
    assert server.asked["SCAN"] < 50 * circle


@pytest.mark.parametrize("guarded", [True, False])
def test_a_scan_of_ever_other_keys(cache_at: PointCacheAt, monkeypatch: pytest.MonkeyPatch, guarded: bool) -> None:
    monkeypatch.setattr(course, "MOST_TIMES", 3)
    monkeypatch.setattr(course, "BESIDES", 100)
    numbers = count(1)

    def script(words: list[bytes]) -> bytes | None:
        if words[0] != b"SCAN":
            return None
        cursor = next(numbers)
        keys = [key_of("image_crops", "acme", f"new-{cursor}-{number}").encode() for number in range(100)]
        return array((bulk(b"%d" % cursor), array(map(bulk, keys))))

    with ScriptedServer(deal_keys(), script) as server:
        cache_at(server.url)
        outcome = run(guarded=guarded)

    assert outcome.error is not None
    assert str(outcome.error) == course.ENDLESS
    assert server.asked["SCAN"] <= 2 * (3 * DEALS * KEYS + 100) // 100 + 2  # twice where UNLINK finds no key
    assert server.asked["DBSIZE"] == 3  # for the total, for the bound, and once to tell a proxy


def test_a_server_that_grows_while_it_is_scanned_comes_to_its_end(
    cache_at: PointCacheAt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(course, "MOST_TIMES", 1)
    monkeypatch.setattr(course, "BESIDES", 0)
    sizes = count(1)

    def script(words: list[bytes]) -> bytes | None:
        return b":%d\r\n" % (next(sizes) * 150) if words[0] == b"DBSIZE" else None

    with ScriptedServer(deal_keys(), script) as server:
        cache_at(server.url)
        assert run(dry_run=True).report.keys.matched == DEALS * KEYS
    assert server.asked["DBSIZE"] == 4


def test_an_exec_that_is_forbidden_leaves_no_transaction_open(cache_at: PointCacheAt) -> None:
    """Where the server goes on queueing, nothing of what follows would be carried out."""
    with ScriptedServer(deal_keys(), after(0, "EXEC", b"-NOPERM not this one\r\n")) as server:
        cache_at(server.url)
        outcome = run(guarded=True)

    assert outcome.error is not None
    assert outcome.error.reason == "permission"
    assert outcome.report.keys.deleted == DEALS * KEYS - len(server.keys)
    assert outcome.report.keys.not_removed == outcome.report.keys.vanished == 0


def test_what_a_transaction_may_not_remove_is_not_removed_without_a_judgement(cache_at: PointCacheAt) -> None:
    """As where the permissions change between UNLINK and EXEC."""
    looks, numbers = list[int](), count(1)

    def script(words: list[bytes]) -> bytes | None:
        if words[0] == b"EXEC" and next(numbers) == 1:
            looks.append(server.asked["XINFO"])
            return b"*1\r\n-NOPERM no permissions to access a key\r\n"
        if words[0] == b"UNLINK" and len(looks) == 1 and len(words) > 2:
            looks.append(server.asked["XINFO"])
        return None

    with ScriptedServer(deal_keys(), script) as server:
        cache_at(server.url)
        run(guarded=True)

    assert looks[1] > looks[0]
