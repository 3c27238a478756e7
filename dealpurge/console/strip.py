"""The strip under the breadcrumbs of every page: which Redis that is, and whether a purge is under way."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from django.db import Error as DatabaseTrouble

from dealpurge.conf import Environment, conf
from dealpurge.console import formatting
from dealpurge.console.translation import in_language
from dealpurge.exceptions import PurgeConfigurationError
from dealpurge.i18n import said_by
from dealpurge.models import PurgeRun
from dealpurge.runs.label import Label, UnderWay, under_way
from dealpurge.runs.progress import percent


class Live(NamedTuple):
    """A purge under way and how far it is, in percent."""

    run: PurgeRun
    scope: str
    percent: int


class Strip:
    """Asks the settings and the record when the template does, and Redis never."""

    @cached_property
    def problem(self) -> str:
        """Why the settings do not tell; empty where they do."""
        try:
            _ = conf.environment, conf.server_label
        except PurgeConfigurationError as exc:
            return in_language(said_by(exc))
        return ""

    @cached_property
    def environment(self) -> Environment | None:
        """None where it is not named, or not so that it could be shown."""
        return None if self.problem else conf.environment

    @cached_property
    def server(self) -> str:
        """Its label, or its address; where only a client could tell that, the one that a run noted."""
        return (self._label.server or self._under_way.address) if self._label else ""

    @property
    def servers(self) -> str:
        """Version and role, as the last run met them."""
        return self._under_way.server

    @property
    def purges(self) -> Iterator[Live]:
        """Those under way."""
        for run in self._under_way.purges:
            yield Live(run, formatting.scope(run, getattr(run, "first_deal", None)), percent(run))

    @cached_property
    def _label(self) -> Label | None:
        return None if self.problem else Label.of_settings()

    @cached_property
    def is_known(self) -> bool:
        """Whether the record could be asked; a page that needs it says itself why not."""
        return self._asked is not None

    @property
    def _under_way(self) -> UnderWay:
        return self._asked or UnderWay()

    @cached_property
    def _asked(self) -> UnderWay | None:
        try:
            return under_way(self._label.redis_address if self._label else "")
        except DatabaseTrouble:
            return None
