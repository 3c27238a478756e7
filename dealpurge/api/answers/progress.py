"""How far a run is, as an answer tells it. Described here; what is answered is made by ``runs.progress``."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from dealpurge.api.answers.description import count, words


@words(
    "PurgePhaseName",
    ["scan", "activity", "delete", "read", "write", "record"],
    "`activity`: whether deals are worked on, where those are spared. `record`: deals are written down. A restore has "
    "`read`, which checks the archive, and `write`.",
)
class PhaseName(serializers.CharField):
    """One of those that a run has."""


@words("PurgePhaseState", ["later", "now", "done", "stopped"], "`stopped`: the run ended before the phase did.")
class PhaseState(serializers.CharField):
    """Whether it goes on."""


@words("PurgeServerState", ["scanning", "checking", "deleting", "done"], "`checking`: whether deals are worked on.")
class ServerState(serializers.CharField):
    """What a server is asked for."""


class PurgePhase(serializers.Serializer[Any]):
    """How far one phase of a run is."""

    name = PhaseName()
    state = PhaseState()
    done = count("Keys; of `activity` and `record`, deals.")
    total = count("Of so many, about; null while that is not known.", allow_null=True)
    rate = count("So many a second: in the last five, or at the end in all.", allow_null=True)
    seconds = serializers.FloatField(allow_null=True, help_text="Taken by it so far; null before it begins.")
    seconds_left = count("About; null while that cannot be told.", allow_null=True)


class PurgeServerProgress(serializers.Serializer[Any]):
    """What one primary of a cluster does."""

    name = serializers.CharField(help_text="Host and port.")
    state = ServerState()
    scanned = count("Keys scanned.")
    deleted = count("Keys deleted.")
    rate = count("Keys scanned, or deleted, a second.", allow_null=True)
    waiting = count("Seconds for which it has not answered; null where it answers.", allow_null=True)
    gives_up_in = count("Seconds for which it is tried again; null where it answers.", allow_null=True)


class PurgeProgress(serializers.Serializer[Any]):
    """How far a run is."""

    scanned = count("Keys scanned; of a restore, keys in files of the archive that were read.")
    total = count("Keys to scan or to read, about.")
    deleted = count("Keys deleted; of a run whose process was lost, at least so many.")
    restored = count("Keys written back, likewise. 0 of a purge.")
    pass_number = count("Above 1 where servers changed meanwhile, and all of them are gone over again.")
    phases = PurgePhase(many=True, help_text="In their order; none before the run told of any.")
    servers = PurgeServerProgress(many=True, help_text="Of a cluster.")
    waiting = count("Seconds for which Redis has not answered; null where it does.", allow_null=True)
    gives_up_in = count("Seconds for which it is tried again; null where it answers.", allow_null=True)
    deals = serializers.DictField(child=count(), help_text="Deals in the record so far, by what became of them.")
