"""Sends commands to the servers that have their keys, several packets ahead of the replies, and counts these."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dealpurge.engine.restore.commands import Commands
from dealpurge.engine.restore.replies import Fate, all_written, judged
from dealpurge.engine.restore.tally import RestoreTally
from dealpurge.i18n import gettext_noop
from dealpurge.servers.backoff import KeepGoing
from dealpurge.servers.commands import Command
from dealpurge.servers.connection import ServerConnection
from dealpurge.servers.discovery import Servers
from dealpurge.servers.errors import LOST, Departed, Stopped, Transient, raise_transient

#: Bytes of a packet, and packets a server that are sent ahead of the replies: what a socket takes without a wait.
PACKET_BYTES, AHEAD = 64 << 10, 3

LOST_WARNING = gettext_noop(
    "A connection was lost before all replies had come: keys that are said to exist again may have been written by "
    "this restore.",
    code="restore_replies_lost",
)


#: What to ask about keys of a server.
Questions = Callable[[ServerConnection, Commands], Sequence[Command]]


class Full(Exception):
    """The server has no room for more."""


@dataclass(slots=True, eq=False)
class Packet:
    """Commands on their way to one server. ``again``: whether they may have been carried out before."""

    commands: Commands
    connection: ServerConnection
    sent: bool = False
    again: bool = False

    def words(self) -> Sequence[Command]:
        """As one, or each by itself where it may have to be followed to another node."""
        return self.commands.packed() if self.connection.clustered else [self.commands.joined()]


class Writer:
    """Keys are written where there are none: judged by the server, key by key. To be used as a context."""

    def __init__(self, servers: Servers, tally: RestoreTally, keep_going: KeepGoing) -> None:
        self.servers, self.tally, self.keep_going = servers, tally, keep_going
        self.connections: Sequence[ServerConnection] = ()
        self._waiting: deque[Packet] = deque()
        #: Whether the servers were reached once; from then on they are waited for.
        self._met = False

    def __enter__(self) -> Writer:
        self._open()
        return self

    def __exit__(self, *exception: object) -> None:
        for connection in self.connections:
            connection.close()

    def each(self, work: Callable[[ServerConnection], Any]) -> list[Any]:
        """What the work comes to on each server, tried again where that is lost. With nothing on its way."""
        while True:
            failing = self.connections[0]
            try:
                done = []
                for failing in self.connections:
                    done.append(work(failing))
            except (*LOST, Transient) as exc:
                self._recover(failing, exc)
            except Departed:
                self._open()
            else:
                return done

    def ask(
        self, questions: Callable[[ServerConnection, Commands], Sequence[Command]], commands: Commands
    ) -> list[Any]:
        """Replies to a command of each key, in their order. With nothing on its way."""
        while True:
            failing = self.connections[0]
            try:
                replies: list[Any] = [None] * len(commands)
                for failing, places in self._by_server(commands).items():
                    part = commands if len(places) == len(commands) else commands.at(places)
                    asked = questions(failing, part)
                    found = failing.followed(asked, failing.ask_all(asked))
                    for place, reply in zip(places, found, strict=True):
                        raise_transient(reply)
                        replies[place] = reply
                    failing.progressed()
            except (*LOST, Transient) as exc:
                self._recover(failing, exc)
            except Departed:
                self._open()
            else:
                return replies

    def put(self, commands: Commands) -> None:
        """Have them written; ``settle`` waits for it. Raises ``Full``, ``RedisUnavailable``, ``Stopped``."""
        for connection, places in self._by_server(commands).items() if commands else ():
            part = commands if len(places) == len(commands) else commands.at(places)
            self._waiting.append(Packet(part, connection))
        self.settle(AHEAD * len(self.connections))

    def settle(self, left: int = 0) -> None:
        """Until no more than so many packets wait for their replies. Raises as ``put``."""
        self._send()
        while len(self._waiting) > left:
            if not self.keep_going():
                raise Stopped
            self._settle_first()

    @property
    def unsettled(self) -> list[Commands]:
        """What was to be written, and nobody waits for the replies."""
        return [packet.commands for packet in self._waiting]

    def read_owed(self) -> None:
        """Count what was sent and is about to be answered, whatever ended the rest. Nothing more is sent."""
        given_up = set[ServerConnection]()
        for packet in [packet for packet in self._waiting if packet.sent]:
            if packet.connection not in given_up:
                try:
                    self._take(packet)
                except Full:
                    continue
                except Exception:
                    given_up.add(packet.connection)

    def _by_server(self, commands: Commands) -> dict[ServerConnection, Sequence[int]]:
        """The places of the commands that each server is to have."""
        if len(self.connections) == 1:
            return {self.connections[0]: range(len(commands))}
        nodes = {connection.node: connection for connection in self.connections}
        places: dict[ServerConnection, list[int]] = {}
        for place, key in enumerate(commands.keys):
            owner = nodes.get(self.connections[0].owner(key), self.connections[0])
            places.setdefault(owner, []).append(place)
        return dict(places)

    def _send(self) -> None:
        while packet := next((packet for packet in self._waiting if not packet.sent), None):
            packet.connection.backoff.confirm()
            packet.sent = True  # from the first byte on some may be carried out
            try:
                packed = packet.connection.pack(packet.words())
                packet.connection.send_packed(packed, len(packet.commands))
            except LOST as exc:
                self._recover(packet.connection, exc)

    def _settle_first(self) -> None:
        self._send()
        packet = self._waiting[0]
        try:
            self._take(packet)
        except (*LOST, Transient) as exc:
            self._recover(packet.connection, exc)
        except Departed:
            self._begin_again()

    def _take(self, packet: Packet) -> None:
        """Read what became of a packet, and count it. Raises what is ``LOST``, ``Departed``, and as ``_count``."""
        replies = packet.connection.read_all(len(packet.commands))
        if not all_written(replies):
            replies = packet.connection.followed(packet.commands.packed(), replies)
        self._waiting.remove(packet)
        self._count(packet, replies)
        packet.connection.progressed()

    def _count(self, packet: Packet, replies: list[Any]) -> None:
        """What a reply says nothing of waits on. Raises ``Transient``, ``RedisUnavailable`` for it, or ``Full``."""
        commands, tally = packet.commands, self.tally
        if all_written(replies):
            tally.settle(commands, tally.restored)
            return
        fates, trouble = judged(replies)
        columns = {
            Fate.RESTORED: tally.restored,
            Fate.KEPT: tally.kept,
            Fate.REFUSED: tally.refused,
            Fate.CROWDED_OUT: tally.crowded_out,
        }
        for fate, column in columns.items():
            if fate in fates:
                tally.settle(commands.only([item is fate for item in fates]), column)
        if packet.again and Fate.KEPT in fates:
            tally.warn(LOST_WARNING)
        if trouble:
            self._waiting.appendleft(Packet(commands.only([fate is None for fate in fates]), packet.connection))
            raise trouble
        if Fate.CROWDED_OUT in fates:
            raise Full

    def _recover(self, connection: ServerConnection, exc: Exception) -> None:
        """Connect again, and have sent again what was not answered. Raises ``RedisUnavailable``, ``Stopped``."""
        self._unsend(lambda packet: packet.connection is connection)
        try:
            if not connection.recover(exc):
                self.tally.note_replaced()
            self.tally.meeting.note(connection)
        except Departed:
            self._begin_again()

    def _begin_again(self) -> None:
        """Slots have moved, or a node has another one in its place."""
        self._unsend(lambda packet: True)
        self.tally.note_replaced()
        self._open()
        waiting, self._waiting = self._waiting, deque()
        for packet in waiting:
            for connection, places in self._by_server(packet.commands).items():
                self._waiting.append(Packet(packet.commands.at(places), connection, again=packet.again))

    def _unsend(self, chosen: Callable[[Packet], bool]) -> None:
        for packet in filter(chosen, self._waiting):
            packet.again = packet.again or packet.sent
            packet.sent = False

    def _open(self) -> None:
        for connection in self.connections:
            connection.close()
        while True:
            self.connections = self.servers.connections(self.keep_going)
            try:
                for connection in self.connections:
                    connection.backoff.met = self._met
                    connection.open()
                    self.tally.meeting.note(connection)
            except Departed:
                continue
            self._met = True
            return
