"""How far a scan may go: one that goes on past what the server holds, or goes round in a circle, has no end.

A cursor is the whole state of a scan. Redis's own only ever rise, read from the lowest bit on, whether the table grows
or shrinks meanwhile, so none comes twice; of a proxy before several servers one may, by chance.
"""

from __future__ import annotations

from dealpurge.exceptions import RedisUnavailable
from dealpurge.i18n import gettext_noop
from dealpurge.servers.replies import MOST_KEYS

ENDLESS = gettext_noop("Redis, or a proxy before it, does not let a SCAN come to its end.", code="scan_endless")
#: Keys that a scan returns for each that DBSIZE tells of, and besides: one shard of many may be what it tells of.
MOST_TIMES, BESIDES = 100, 1_000_000
#: COUNTs that are gone through without keys: a page passes by ten empty places for each key of its COUNT, and a table
#: keeps its size for a while after a mass delete.
MOST_EMPTY = 2**30
#: How often the scan may be where it was before.
MOST_RETURNS = 10


class Course:
    """What is remembered of the pages of a scan: their number, and one cursor."""

    def __init__(self, page_size: int) -> None:
        self._page_size = page_size
        self._keys = self._pages = 0
        #: Taken anew at twice as many pages each time: in a circle of any length it comes round again.
        self._landmark, self._next = 0, 1
        self._most_keys = self._most_pages = 0
        self._returns = 0

    def begin(self, keys: int) -> None:
        """The server holds so many keys; 0 where it does not tell."""
        most = MOST_TIMES * keys + BESIDES if keys else MOST_KEYS
        self._most_keys = max(self._most_keys, most)
        self._most_pages = (self._most_keys + MOST_EMPTY) // self._page_size

    def resume(self) -> None:
        """After a fault the last page comes again."""
        self._landmark = 0

    def is_long(self, cursor: int, keys: int) -> bool:
        """Note a page; whether ``check`` must be asked."""
        self._pages += 1
        self._keys += keys
        self._returns += cursor == self._landmark != 0
        if self._pages >= self._next:
            self._landmark, self._next = cursor, 2 * self._pages
        return self._is_beyond()

    def check(self, keys: int) -> None:
        """With the number of keys by now, which may have grown. Raises ``RedisUnavailable``."""
        self.begin(keys)
        if self._is_beyond():
            raise RedisUnavailable("refused", ENDLESS)

    def _is_beyond(self) -> bool:
        return self._returns > MOST_RETURNS or self._keys > self._most_keys or self._pages > self._most_pages
