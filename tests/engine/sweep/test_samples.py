"""Keys picked at random: every one as likely as any other, whatever pages, servers and parts they came in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random

import pytest

from dealpurge.engine.sweep import samples
from dealpurge.engine.sweep.samples import LONGEST, Samples
from dealpurge.keys.matching import Batch
from dealpurge.report import SAMPLE_SIZE

KEYS = [str(number).encode() for number in range(60)]
TRIES = 4000
#: Of 59 degrees of freedom, 99.99 % of all samples have less.
CHI_SQUARE = 107


@pytest.fixture(autouse=True)
def _seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "_random", Random(7).random)  # noqa: S311 - nothing secret


def take(found: Samples, keys: list[bytes], families: list[int]) -> None:
    found.take(Batch(keys, families, [b"acme:1"] * len(keys)), Counter(families))


def in_pages(keys: list[bytes], size: int) -> Samples:
    found = Samples()
    for start in range(0, len(keys), size):
        page = keys[start : start + size]
        take(found, page, [0] * len(page))
    return found


def of_servers(*shares: list[bytes]) -> Samples:
    found = Samples()
    for share in shares:
        found.add(in_pages(share, 7))
    return found


def behind_others() -> Samples:
    """More keys come when those of another server were added."""
    found = of_servers(KEYS[:10], KEYS[10:50])
    take(found, KEYS[50:], [0] * 10)
    return found


def distance(tries: Iterator[Samples]) -> float:
    """Chi-square of how often each key was picked."""
    counts = Counter(key for found in tries for key in found.keys[0])
    expected = TRIES * SAMPLE_SIZE / len(KEYS)
    return sum((counts[key] - expected) ** 2 / expected for key in KEYS)


@pytest.mark.parametrize("size", [1, 7, 60])
def test_every_key_is_as_likely_in_pages_of_any_size(size: int) -> None:
    assert distance(in_pages(KEYS, size) for _ in range(TRIES)) < CHI_SQUARE


@pytest.mark.parametrize("shares", [(30, 30), (55, 5), (2, 57, 1)])
def test_servers_of_any_size_are_one(shares: tuple[int, ...]) -> None:
    rest = iter(KEYS)
    parts = [[next(rest) for _ in range(share)] for share in shares]

    assert distance(of_servers(*parts) for _ in range(TRIES)) < CHI_SQUARE


def test_more_keys_behind_those_of_other_servers() -> None:
    assert distance(behind_others() for _ in range(TRIES)) < CHI_SQUARE


def test_one_key_is_picked_once_and_of_few_all_are() -> None:
    for _ in range(100):
        assert len(set(in_pages(KEYS, 9).keys[0])) == SAMPLE_SIZE
    assert set(in_pages(KEYS[:3], 2).keys[0]) == set(KEYS[:3])


def test_families_are_apart() -> None:
    found = Samples()
    take(found, KEYS, [number % 3 for number in range(60)])

    assert set(found.keys) == {0, 1, 2}
    assert all(int(key) % 3 == family for family, keys in found.keys.items() for key in keys)


def test_a_long_name_is_not_held() -> None:
    found = Samples()
    take(found, [b"x" * 10_000], [0])

    assert found.keys == {0: [b"x" * (LONGEST + 1)]}


def test_most_keys_cost_no_random_number(monkeypatch: pytest.MonkeyPatch) -> None:
    random, asked = Random(7).random, Counter[str]()  # noqa: S311 - nothing secret

    def counted() -> float:
        asked["random"] += 1
        return random()

    monkeypatch.setattr(samples, "_random", counted)
    in_pages([b"key"] * 100_000, 500)

    assert asked["random"] < 200
