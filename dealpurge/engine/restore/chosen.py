"""Which keys of an archive are asked for: told by the templates that were in force when they were archived."""

from __future__ import annotations

from collections.abc import Collection

from dealpurge.engine.restore.commands import Commands, NoCommands
from dealpurge.engine.restore.source import ArchivedFile
from dealpurge.engine.sweep.selection import selector
from dealpurge.keys.families import EVENTS, Keyspace, make_token
from dealpurge.keys.matching import Claimer
from dealpurge.scope import RestoreScope


class Choice:
    """A scope applied to what is archived."""

    def __init__(self, scope: RestoreScope, keyspace: Keyspace) -> None:
        self.scope = scope
        self._keyspace = keyspace
        self._claimer = Claimer(keyspace, strangers=False)
        self._selects = selector(scope.of_deals)
        self._events = keyspace.index(EVENTS)
        self._families = {keyspace.index(name) for name in scope.families}
        self._left_out: Collection[bytes] = ()
        #: The tokens that keys of the named deals may have; None where an organisation is not known.
        self._tokens: set[bytes] | None = None
        if scope.deals and all(org_id is not None for org_id, _ in scope.deals):
            self._tokens = {make_token(*deal) for deal in scope.deals} | {deal.encode() for _, deal in scope.deals}

    @property
    def is_narrow(self) -> bool:
        """Whether it is less than all."""
        return bool(self.scope.deals or self.scope.families)

    def leave_out(self, tokens: Collection[bytes]) -> None:
        """From now on these are not asked for."""
        self._left_out = tokens

    def may_be_in(self, file: ArchivedFile) -> bool:
        """Whether the file may have keys that are asked for."""
        if self.scope.families and not any(file.families.get(name) for name in self.scope.families):
            return False
        if self._tokens is None or file.first is None or file.last is None:
            return True
        return any(file.first <= token <= file.last for token in self._tokens)

    def claimed(self, commands: Commands) -> Commands:
        """The same, with whose each key is. Raises ``NoCommands`` for a key that no purge can have archived."""
        fast, slow, strangers = self._claimer.claim(commands.keys)
        if fast.keys == commands.keys or slow.keys == commands.keys:
            batch = fast if fast.keys else slow
            commands.families, commands.tokens = batch.families, batch.tokens
            return commands
        whose = {key: (family, token) for batch in (fast, slow) for key, family, token in batch.rows()}
        if strangers or len(whose) != len(set(commands.keys)):
            raise NoCommands("a key of no family")
        commands.families = [whose[key][0] for key in commands.keys]
        commands.tokens = [whose[key][1] for key in commands.keys]
        return commands

    def of(self, commands: Commands) -> Commands:
        """Those that are asked for."""
        if not (self.is_narrow or self._left_out):
            return commands
        wanted = {token: self._selects(token) and token not in self._left_out for token in set(commands.tokens)}
        families = self._families or set(commands.families)
        columns = zip(commands.tokens, commands.families, strict=True)
        return commands.only([wanted[token] and family in families for token, family in columns])

    def split(self, commands: Commands) -> tuple[Commands, Commands]:
        """Events, and all others."""
        if self._events not in commands.families:
            return commands.only([False] * len(commands)), commands
        are_events = [family == self._events for family in commands.families]
        return commands.only(are_events), commands.only([not event for event in are_events])
