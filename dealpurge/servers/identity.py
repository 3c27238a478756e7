"""Which server it is: the process, the history of its data, its role and its rules, as INFO tells if it may."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any, NamedTuple, Protocol

from dealpurge.servers.errors import failure, raise_transient

#: One section a command, which is all that Redis 6.2 takes.
QUESTIONS = tuple(("INFO", section) for section in ("server", "replication", "commandstats"))


class Connection(Protocol):
    """What is asked."""

    def send_all(self, commands: Sequence[Sequence[Any]]) -> int:
        """Send commands; their replies are owed."""

    def read(self) -> Any:
        """The next reply, an error as itself."""


class Identity(NamedTuple):
    """Which process this is, and which history its data have; ``run_id`` is None where INFO is refused or unknown."""

    run_id: str | None
    #: None where the process is known by its ``run_id``.
    address: str | None
    #: REPLICAOF changes it under a process, and so do, without harm, a first replica and a backlog that expires.
    history: str | None = None
    #: How often SWAPDB was called, of which nothing else tells; CONFIG RESETSTAT forgets it.
    swaps: str | None = None


class Info(NamedTuple):
    """What INFO tells; empty where it is refused or unknown."""

    fields: dict[str, str]
    #: Whether there was an answer, and whether the command is not even known.
    answered: bool
    unknown: bool

    @property
    def replica(self) -> bool:
        """Whether it follows another server; a writable one takes deletes all the same."""
        return self.fields.get("role") == "slave"

    @property
    def mode(self) -> str | None:
        """``cluster``, ``standalone``, and what else a server calls itself. Valkey says it by another name."""
        return self.fields.get("redis_mode") or self.fields.get("server_mode")

    @property
    def kind(self) -> str:
        """Which server it calls itself; they all tell the version of Redis as well."""
        return next((kind for kind in ("valkey", "dragonfly") if f"{kind}_version" in self.fields), "redis")

    @property
    def version(self) -> str:
        """Its kind and version, as for a sentence; empty where it does not tell."""
        version = self.fields.get(f"{self.kind}_version")
        return f"{self.kind} {version}" if version else ""

    @property
    def made_up(self) -> bool:
        """Whether a proxy put it together: a process knows its port and its number."""
        return self.answered and not self.fields.keys() & {"tcp_port", "process_id"}

    def process(self, node: str | None) -> dict[str, str | None] | None:
        """What the record keeps of the process; None where it is unknown. ``node``: of a cluster, its id."""
        run_id = self.fields.get("run_id")
        if not run_id:
            return None
        return {
            "node": node,
            "run_id": run_id,
            "replid": self.fields.get("master_replid"),
            "version": self.fields.get(f"{self.kind}_version"),
            "role": "replica" if self.replica else "primary",
            "kind": self.kind,
        }

    def identity(self, address: str | None) -> Identity:
        """The process that answers at ``address``."""
        run_id = self.fields.get("run_id")
        calls = self.fields.get("cmdstat_swapdb", "").partition(",")[0]
        return Identity(run_id, None if run_id else address, self.fields.get("master_replid"), calls or None)


def ask_info(connection: Connection) -> Info:
    """Ask in one round trip. Raises what ``LOST`` names, ``Transient``, ``RedisUnavailable`` where all is denied."""
    connection.send_all(QUESTIONS)
    replies = [connection.read()]
    if str(replies[0]).startswith("DENIED"):  # and nothing else is said
        raise failure(replies[0])
    raise_transient(replies[0])  # a script keeps it busy, and nobody knows which process that is
    replies += (connection.read() for _ in QUESTIONS[1:])
    fields: dict[str, str] = {}
    for reply in replies:
        if isinstance(reply, bytes):
            fields |= dict(line.partition(":")[::2] for line in reply.decode("utf-8", "replace").splitlines())
    return Info(fields, isinstance(replies[0], bytes), str(replies[0]).startswith("unknown command"))


def in_turn(processes: Iterable[Identity]) -> bool:
    """Whether a process was met again after another one, unchanged: no failover brings that about."""
    runs = [run for run, _ in groupby((it.run_id, it.history) for it in processes if it.run_id)]
    return len(set(runs)) < len(runs)


def peer_of(connection: Any) -> str | None:
    """The address that answered, which a DNS name behind ``host`` does not tell."""
    sock = getattr(connection, "_sock", None)
    try:
        name = sock.getpeername() if sock else None
    except (AttributeError, OSError):
        return None
    return str(name) if name else None
