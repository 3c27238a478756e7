"""What the lax fields make of texts that were written to hurt."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from types import FrameType

import pytest

from dealpurge.models import PurgeRun

from .conftest import Post

LONG = 200_000


@pytest.fixture
def _bounded() -> Iterator[None]:
    """Minutes of matching become a failure; what is linear takes milliseconds."""

    def give_up(number: int, frame: FrameType | None) -> None:
        raise TimeoutError("still matching")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("_bounded")
@pytest.mark.django_db
@pytest.mark.parametrize(
    "text", ["0" * LONG + "x", "0_" * LONG, "1_" * LONG, "+0" + "_0" * LONG + "-", "1." + "0" * LONG + "x"]
)
def test_a_long_text_that_is_nearly_a_number_is_refused_in_linear_time(post: Post, text: str) -> None:
    answer = post({"mode": "all", "exclude_active_within_secs": text})

    assert (answer.status_code, answer.json()["detail"][0]["type"]) == (422, "int_parsing")
    assert not PurgeRun.objects.exists()
