"""A lock that others hold, or that is held for us."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
import redis
from django.db import connection

from dealpurge import services
from dealpurge.exceptions import RunLost
from dealpurge.runs import record, store
from tests.support.databases import seen_by_others
from tests.support.runs import LIVE, ONE, ORIGIN

from .trouble import HEARTBEAT, KEYS, TOO_LONG, ended_after, postgresql_only, silent_after

pytestmark = pytest.mark.django_db(transaction=True)


def others_wait_for_no_lock() -> bool:
    return seen_by_others("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'") == [(0,)]


@contextmanager
def row_locked() -> Iterator[None]:
    """Somebody holds the rows of all runs, and does not end."""
    with closing(connection.copy()) as other:
        with other.cursor() as cursor:
            cursor.execute("BEGIN; SELECT 1 FROM dealpurge_purgerun FOR UPDATE")
        with ended_after(TOO_LONG, lambda: other.connection.rollback()):
            yield


@postgresql_only
def test_a_lock_that_is_never_given_ends_a_purge(deals: redis.Redis) -> None:
    def observer(progress: services.Progress) -> bool:
        if progress.deleted and not locked:
            locked.append(lock.enter_context(row_locked()))
        return True

    locked: list[None] = []
    with ExitStack() as lock:
        with pytest.raises(RunLost) as caught:
            services.start(LIVE, ORIGIN, observer=observer)
        assert others_wait_for_no_lock()

    assert caught.value.report.keys.deleted == KEYS - deals.dbsize() > 0


@postgresql_only
def test_a_row_that_was_changed_and_not_committed_is_free_again_within_seconds() -> None:
    run = store.create(ONE, ORIGIN)
    beat = record.RunRecord(run)

    with silent_after(HEARTBEAT, last_arrives=True) as proxy:
        assert beat.keep_up(scanned=1, total=2, deleted=0)

        # The proxy holds the connection to the server: nobody told it that we hung up.
        other = connection.copy()
        other.settings_dict |= {"HOST": str(Path(proxy.path).parent), "PORT": ""}
        with closing(other), other.cursor() as cursor:
            cursor.execute("SET lock_timeout = '5s'")
            cursor.execute("SELECT keys_scanned FROM dealpurge_purgerun FOR UPDATE")
            assert cursor.fetchall() == [(0,)]
