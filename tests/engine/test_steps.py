"""Work in steps: what is done meanwhile, and whose turn it is."""

from __future__ import annotations

import pytest

from dealpurge.engine.steps import Steps, Turn, alone, finish


def work(log: list[str], name: str, *, fails: bool = False) -> Steps[str]:
    log.append(f"{name} asks")
    yield
    if fails:
        raise ValueError(name)
    log.append(f"{name} is answered")
    return name


def test_other_work_is_done_while_an_answer_is_awaited() -> None:
    log: list[str] = []

    assert finish(work(log, "a"), lambda: log.append("meanwhile")) == "a"

    assert log == ["a asks", "meanwhile", "a is answered"]


def test_one_at_a_time_has_the_turn() -> None:
    log: list[str] = []
    turn = Turn()
    first, second = alone(turn, work(log, "a")), alone(turn, work(log, "b"))

    next(first)
    next(second)
    next(second)
    assert log == ["a asks"]

    assert finish(first) == "a"
    assert finish(second) == "b"
    assert log == ["a asks", "a is answered", "b asks", "b is answered"]


@pytest.mark.parametrize("ended", [True, False], ids=["closed", "failed"])
def test_the_turn_is_given_back_whatever_ends_the_work(ended: bool) -> None:
    turn = Turn()
    first = alone(turn, work([], "a", fails=True))
    next(first)

    if ended:
        first.close()
    else:
        with pytest.raises(ValueError, match="a"):
            next(first)

    assert not turn.taken
    assert finish(alone(turn, work([], "b"))) == "b"
