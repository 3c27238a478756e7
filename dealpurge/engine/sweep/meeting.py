"""Which Redis a run meets: the address that its settings lead to, and the processes there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.identity import Identity, in_turn

#: One process as the record has it.
Process = dict[str, str | None]


@dataclass(slots=True)
class Meeting:
    """``expect`` is told the configured address before anything is sent there, and may raise."""

    expect: Callable[[str], None] = lambda address: None
    #: Every process once, in the order of their meeting; empty where INFO is refused, None where none was met.
    processes: list[Process] | None = None
    #: The processes behind each node's address, or behind the one address, one after the other.
    behind: dict[object, list[Identity]] = field(default_factory=dict)

    def note(self, connection: ServerConnection) -> None:
        """The process at the other end, as INFO told when it was connected to."""
        process = connection.info.process(getattr(connection.node, "id", None))
        self.processes = self.processes or []
        if process and process not in self.processes:
            self.processes.append(process)

    def note_processes(self, connections: Iterable[ServerConnection]) -> bool:
        """What the connections met; whether an address is found to lead to several servers in turn."""
        for connection in connections:
            self.behind.setdefault(connection.node, []).extend(connection.processes)
        return any(map(in_turn, self.behind.values()))


def changed(before: list[Process], after: list[Process]) -> bool:
    """Whether what was met first is another process, or has another history of its data, than what was met last
    before. False where one of them is unknown."""
    last = {process["node"]: _history(process) for process in before}
    first = {process["node"]: _history(process) for process in reversed(after)}
    return bool(last and first) and last != first


def _history(process: Process) -> tuple[str | None, str | None]:
    return process.get("run_id"), process.get("replid")
