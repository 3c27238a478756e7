from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dealpurge.keys.families import split_token
from dealpurge.keys.matching import Claimer
from tests.support import keyspaces, oracle

from .conftest import KEYSPACES


@pytest.mark.parametrize("strangers", [True, False])
@given(st.data())
def test_a_page_is_claimed_as_its_keys_are(strangers: bool, data: st.DataObject) -> None:
    host = data.draw(keyspaces.hosts)
    keyspace = KEYSPACES[repr(host)]
    page = data.draw(st.lists(keyspaces.keys(host.table, keyspaces.IDS), max_size=30, unique=True))

    fast, slow, unclaimed = Claimer(keyspace, strangers=strangers).claim(page)

    rows = {
        key: (keyspace.names[family], *split_token(token))
        for batch in (fast, slow)
        for key, family, token in batch.rows()
    }
    read = {key: claim for key in page if (claim := oracle.read(key, host.table))}
    assert rows == read
    assert len(fast.keys) + len(slow.keys) == len(read)
    assert set(unclaimed) <= set(page) - read.keys()
    if strangers:
        assert set(unclaimed) | {b""} == set(page) - read.keys() | {b""}
