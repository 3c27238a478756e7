"""What a host may import from ``dealpurge``, and when."""

from __future__ import annotations

import subprocess
import sys

import pytest

import dealpurge
from dealpurge import exceptions
from dealpurge.exceptions import ScopeError


def test_every_public_name_is_there_and_listed() -> None:
    assert sorted(dealpurge.__all__) == dealpurge.__all__
    assert all(getattr(dealpurge, name) is not None for name in dealpurge.__all__)
    assert set(dealpurge.__all__) <= set(dir(dealpurge))


def test_no_other_name_is_made_up() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'purge'"):
        _ = dealpurge.purge  # type: ignore[attr-defined]


def test_public_errors_are_those_of_the_exceptions() -> None:
    assert dealpurge.ScopeError is ScopeError
    assert all(hasattr(exceptions, name) for name in dealpurge.__all__ if name.endswith(("Error", "Lost", "Refused")))


def test_the_package_is_imported_before_apps_are_ready() -> None:
    code = (
        "import dealpurge, sys; assert 'django' not in sys.modules, 'Django was loaded'; print(dealpurge.__version__)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout.strip() == dealpurge.__version__


def test_a_name_that_does_not_need_apps_is_imported_in_settings() -> None:
    code = "from dealpurge import PurgeReport, RedisUnavailable, purge_finished; print(RedisUnavailable.__name__)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert done.stdout == "RedisUnavailable\n"


@pytest.mark.parametrize(
    ("family", "ids", "words"),
    [
        ("locks", {"deal_id": "1"}, "org_id: Field required (for the key template 'canvas:lock:{org_id}:{deal_id}')"),
        ("locks", {"org_id": "acme", "deal_id": 1}, "deal_id: Input should be a valid string (for the key template "),
        ("locks", {"org_id": "a b", "deal_id": "1"}, "org_id: String should have no control characters, spaces, "),
    ],
)
def test_no_key_is_built_of_what_is_no_id(family: str, ids: dict[str, str], words: str) -> None:
    with pytest.raises(ScopeError) as caught:
        dealpurge.families()[family].key(**ids)

    assert str(caught.value).startswith(words)


def test_a_built_key_is_explained_as_the_deals() -> None:
    key = dealpurge.families()["image_crops"].key("page-3", org_id="acme", deal_id="a*\\é")

    explained = dealpurge.explain(key)

    assert (explained.family, explained.org_id, explained.deal_id) == ("image_crops", "acme", "a*\\é")
