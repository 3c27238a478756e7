"""Chunks on their way into the archive: compressed and saved by threads, two at a time, and then written down."""

from __future__ import annotations

import logging
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from threading import Event, Lock

from dealpurge.engine.archive.chunk import Chunk, Keeper
from dealpurge.engine.archive.entries import Entries
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.errors import Stopped
from dealpurge.servers.parallel import in_calling_thread

logger = logging.getLogger("dealpurge")

#: Bytes of keys and values in a chunk, over all servers at once, and at least.
CHUNK_BYTES, LEAST_CHUNK_BYTES = 4 << 20, 512 << 10
#: Chunks of a server that are being saved while the next one is read.
IN_FLIGHT = 2
#: Seconds between two signs of life while a file is written.
TICK = 0.2
#: Seconds for which files are still waited for when the run ends: a storage that hangs must not keep it from that.
GRACE = 5.0


@dataclass(slots=True, eq=False)
class Gathered:
    """What is to be a chunk. Its commands are made bit by bit, and not when it is saved: a thread that has Python to
    itself for so long would hold up the one that deletes."""

    entries: Entries = field(default_factory=Entries)
    commands: list[bytes] = field(default_factory=list)
    #: Bytes of the commands.
    size: int = 0

    def add(self, entries: Entries) -> None:
        """Take them in too."""
        self.entries.add(entries)
        self.commands.append(entries.commands())
        self.size += len(self.commands[-1])


@dataclass(slots=True, eq=False)
class Saving:
    """A chunk that is being saved."""

    entries: Entries
    in_order: bool
    future: Future[tuple[Chunk, str]]


@dataclass(slots=True, eq=False)
class Saved:
    """A chunk that belongs to the archive."""

    entries: Entries
    in_order: bool
    chunk: Chunk
    name: str


class Archive:
    """That of one run, for all its servers and passes. Used by several threads."""

    def __init__(self, keeper: Keeper, largest: int) -> None:
        """``largest``: bytes of a value above which its key stays."""
        self.keeper, self.largest = keeper, largest
        self.chunk_bytes = CHUNK_BYTES
        self._threads = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="dealpurge-archive")
        self._stop = Event()
        self._servers: defaultdict[object, int] = defaultdict(count(1).__next__)
        self._numbers: defaultdict[int, count[int]] = defaultdict(lambda: count(1))
        #: What an end left behind: chunks on their way, and those of which only some keys went.
        self._unfinished: list[Saving] = []
        self._uneven: list[tuple[Saved, Entries]] = []
        self._lock = Lock()

    def begin_pass(self, servers: int) -> None:
        """So many servers are gone over at once."""
        self.chunk_bytes = max(CHUNK_BYTES // servers, LEAST_CHUNK_BYTES)

    @property
    def most_bytes(self) -> int:
        """Of a deal that goes whole or not at all."""
        return 2 * self.chunk_bytes

    def close(self) -> None:
        """In the calling thread, at the end: leave nothing in the archive that was surely not deleted, as far as that
        can be done by now."""
        self._stop.set()
        rewritings = [(saved, self._write_again(saved, kept)) for saved, kept in self._uneven]
        wait([each.future for each in (*self._unfinished, *(again for _, again in rewritings))], GRACE)
        self._threads.shutdown(wait=False, cancel_futures=True)
        for saving in self._unfinished:
            with suppress(Exception):
                self.keeper.drop(saving.future.result(0)[1])
        for saved, again in rewritings:
            try:
                self._replace(saved, again, 0)
            except Exception as exc:  # it has more than was deleted, and what is still there is not overwritten
                logger.warning("the archive has keys that were not deleted: %s", type(exc).__name__)

    def begin(self, connection: ServerConnection, gathered: Gathered, *, in_order: bool = False) -> Saving:
        """Have it saved; to be waited for by ``finish``."""
        future = self._threads.submit(self._pack_and_save, connection, gathered, in_order)
        return Saving(gathered.entries, in_order, future)

    def finish(self, connection: ServerConnection, saving: Saving) -> Saved:
        """Wait until it is saved and written down. Raises ``ArchiveUnavailable``, ``RunLost``, ``Stopped``."""
        self._wait(connection, saving)
        try:
            chunk, name = saving.future.result()
            in_calling_thread(lambda: self.keeper.commit(chunk, name))
        except BaseException:
            self.leave(saving)
            raise
        return Saved(saving.entries, saving.in_order, chunk, name)

    def save(self, connection: ServerConnection, entries: Entries, *, in_order: bool = False) -> Saved:
        """Save them and write that down before this returns. Raises as ``finish``."""
        gathered = Gathered()
        gathered.add(entries)
        return self.finish(connection, self.begin(connection, gathered, in_order=in_order))

    def keep_only(self, connection: ServerConnection, saved: Saved, kept: Entries) -> Saved | None:
        """The others of its keys did not go; the chunk that takes its place. Raises as ``finish``."""
        if len(kept) == len(saved.entries):
            return saved
        again = self._write_again(saved, kept)
        try:
            self._wait(connection, again)
            return in_calling_thread(lambda: self._replace(saved, again))
        except BaseException:  # it may belong to the archive by now, so it is not left
            self.settle_later(saved, kept)
            raise

    def leave(self, saving: Saving) -> None:
        """It came to nothing."""
        with self._lock:
            self._unfinished.append(saving)

    def settle_later(self, saved: Saved, kept: Entries) -> None:
        """As ``keep_only``, when the run ends."""
        if len(kept) < len(saved.entries):
            with self._lock:
                self._uneven.append((saved, kept))

    def _wait(self, connection: ServerConnection, saving: Saving) -> None:
        try:
            while not wait([saving.future], TICK).done:
                if not connection.keep_going():
                    raise Stopped
        except BaseException:
            self.leave(saving)
            raise

    def _pack_and_save(self, connection: ServerConnection, gathered: Gathered, in_order: bool) -> tuple[Chunk, str]:
        with self._lock:
            server = self._servers[connection.node]
            number = next(self._numbers[server])
        chunk = Chunk.of(
            gathered.entries,
            b"".join(gathered.commands),
            server=server,
            number=number,
            server_version=connection.info.version,
            in_order=in_order,
        )
        return chunk, self.keeper.save(chunk, lambda: not self._stop.is_set())

    def _write_again(self, saved: Saved, kept: Entries) -> Saving:
        """Another file takes its place: whoever loads the files by hand finds each key once."""
        return Saving(kept, saved.in_order, self._threads.submit(self._save_again, saved, kept))

    def _save_again(self, saved: Saved, kept: Entries) -> tuple[Chunk, str]:
        old = saved.chunk
        if not kept:
            return old, ""
        with self._lock:
            number = next(self._numbers[old.server])
        chunk = Chunk.of(
            kept,
            kept.commands(),
            server=old.server,
            number=number,
            server_version=old.server_version,
            in_order=saved.in_order,
        )
        return chunk, self.keeper.save(chunk, lambda: True)

    def _replace(self, saved: Saved, again: Saving, seconds: float | None = None) -> Saved | None:
        chunk, name = again.future.result(seconds)
        if not name:
            self.keeper.drop(saved.name)
            return None
        self.keeper.commit(chunk, name, instead_of=saved.name)
        return Saved(again.entries, again.in_order, chunk, name)
