"""The bodies of the answers as serializers. They describe: what is answered is made by ``report`` and ``errors``."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from dealpurge.api.answers.description import count, words
from dealpurge.api.answers.progress import PurgeProgress
from dealpurge.api.fields import ModeField
from dealpurge.models import PurgeRun
from dealpurge.report import LIST_LIMIT, SAMPLE_SIZE
from dealpurge.scope import MODES

words("PurgeMode", MODES, "`all`: every deal in Redis. `by_deal`: the one that `deal_id` names.")(ModeField)


@words(
    "PurgeStatus",
    [PurgeRun.Status.COMPLETED, PurgeRun.Status.PARTIAL, PurgeRun.Status.CANCELLED, PurgeRun.Status.FAILED],
    "`partial`: something could not be removed, or a deal was left half-way. `cancelled`: it was stopped; what it did "
    "by then is counted.",
)
class ReportStatus(serializers.CharField):
    """How a run ended."""


@words("PurgeRunStatus", PurgeRun.Status.values, "`queued` and `running` before the end.")
class RunStatus(serializers.CharField):
    """Where a run is."""


@extend_schema_field({"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}})
class LocationField(serializers.ListField):
    """Names and positions that lead to what is wrong."""


class PurgeDealName(serializers.Serializer[Any]):
    """A deal that was named."""

    org_id = serializers.CharField(allow_null=True, help_text="Null: in every organisation.")
    deal_id = serializers.CharField()


class PurgeSkippedDeal(serializers.Serializer[Any]):
    """A deal that was left because somebody works on it."""

    org_id = serializers.CharField(allow_null=True, help_text="Null where its keys bear no organisation.")
    deal_id = serializers.CharField()
    last_active_at = serializers.DateTimeField(allow_null=True, help_text="UTC. Null where it could not be told.")


class PurgeMissingDeal(PurgeDealName):
    """A deal that was named and has no keys in Redis."""

    did_you_mean = PurgeDealName(
        allow_null=True, help_text="One in the last scan whose name is a single edit away; null if there is none."
    )


class PurgeDealCounts(serializers.Serializer[Any]):
    """Deals."""

    matched = count("Found in scope.")
    purged = count("Purged; in a dry run: would be.")
    skipped_active = count("Left, because somebody was active within `exclude_active_within_secs`.")
    skipped_never_active = count("Left with `leave_never_active`, because nothing tells of any activity.")
    interrupted = count("Begun and left half-way, or nobody knows whether their last keys went.")
    not_found = count("Named, and without any keys in Redis. 0 where the run did not get to its end.")
    organisations = count("Whose deals were purged; in a dry run: would be.")
    active = count(
        "Of those that would be purged, the ones with activity in the last hour: in a dry run without "
        "`exclude_active_within_secs`. Null where nobody looked.",
        allow_null=True,
    )


class PurgeKeyCounts(serializers.Serializer[Any]):
    """Keys."""

    scanned = count("Walked past by the server.")
    matched = count("Of the deals in scope.")
    deleted = count("Deleted, as Redis counted them. 0 in a dry run.")
    vanished = count("Gone by the time that they were to be deleted.")
    not_removed = count("Still there, because Redis refused.")
    checkpoints_kept = count("LangGraph checkpoints that stayed because `include_checkpoints` was not set.")
    unattributed = count("Without an organisation, and therefore left by `org_id` with mode `all`.")
    unclaimed = count("With the deal's id, and of no family, so they stay. Null if not looked for.", allow_null=True)


class PurgeArchive(serializers.Serializer[Any]):
    """What is kept of what was deleted."""

    bytes = count("In the storage.")
    chunks = count("Files. 0 where nothing was deleted.")
    until = serializers.DateTimeField(allow_null=True, help_text="UTC. Until then; null where no end is set.")


class PurgeScopeFields(serializers.Serializer[Any]):
    """What was asked."""

    mode = ModeField()
    deal_id = serializers.CharField(allow_null=True)
    org_id = serializers.CharField(allow_null=True)
    include_checkpoints = serializers.BooleanField()
    exclude_active_within_secs = count(allow_null=True)
    leave_never_active = serializers.BooleanField(
        help_text="Deals without any events stay, too. Only the command, the admin and Python may ask for it."
    )
    dry_run = serializers.BooleanField()
    at_most_deals = count("Deals that a purge may delete; of more it deletes none. Null is no limit.", allow_null=True)
    at_most_keys = count("The same of keys.", allow_null=True)
    deals_named = serializers.ListField(
        child=PurgeDealName(), required=False, max_length=LIST_LIMIT, help_text="Where several deals were named."
    )


class PurgeReport(PurgeScopeFields):
    """What a run did, or a dry run would do. Ids and keys are shown with escapes for what cannot be seen."""

    run_id = serializers.UUIDField(allow_null=True, help_text="The run in the record.")
    status = ReportStatus()
    environment = serializers.CharField(
        allow_null=True, help_text="What the settings call the place that the Redis belongs to; null if they do not."
    )
    deals = PurgeDealCounts()
    keys = PurgeKeyCounts()
    families = serializers.DictField(
        child=count(),
        help_text="Keys deleted or vanished by family, or in a dry run keys that would go. Every family is there.",
    )
    skipped = serializers.ListField(
        child=PurgeSkippedDeal(), max_length=LIST_LIMIT, help_text=f"Deals that stay; {LIST_LIMIT} of them at most."
    )
    skipped_truncated = serializers.BooleanField(help_text="Whether there are more of them.")
    deals_not_found = serializers.ListField(
        child=PurgeMissingDeal(),
        required=False,
        max_length=LIST_LIMIT,
        help_text=f"Where deals were named: those without any keys in Redis, {LIST_LIMIT} of them at most.",
    )
    unclaimed_sample = serializers.ListField(
        child=serializers.CharField(), max_length=LIST_LIMIT, help_text="Keys that carry the deal's id, of no family."
    )
    samples = serializers.DictField(
        child=serializers.ListField(child=serializers.CharField(), max_length=SAMPLE_SIZE),
        required=False,
        help_text=f"In a dry run: up to {SAMPLE_SIZE} keys of each family that would go, picked at random.",
    )
    archive = PurgeArchive(
        allow_null=True, help_text="Null in a dry run, and where the settings or who asked for the purge want none."
    )
    warnings = serializers.ListField(child=serializers.CharField(), help_text="Sentences for who reads the report.")
    started_at = serializers.DateTimeField(help_text="UTC.")
    duration_ms = count("Milliseconds.")


class PurgeRunFields(PurgeScopeFields):
    """What a run tells of itself, a purge or a restore."""

    run_id = serializers.UUIDField()
    status = RunStatus()
    environment = serializers.CharField(
        allow_null=True, help_text="What the settings call the place that the Redis belongs to; null if they do not."
    )
    progress = PurgeProgress()
    cancel_requested = serializers.BooleanField(help_text="Somebody wants it to stop.")
    created_at = serializers.DateTimeField(help_text="UTC.")
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)
    error = serializers.CharField(allow_blank=True, help_text="What went wrong, in words; empty if nothing did.")


class ValidationError(serializers.Serializer[Any]):
    """One thing that is wrong, as pydantic puts it."""

    loc = LocationField()
    msg = serializers.CharField()
    type = serializers.CharField()
    input = serializers.JSONField(required=False, help_text="What was sent; cut where it is long.")
    ctx = serializers.DictField(required=False)


class HTTPValidationError(serializers.Serializer[Any]):
    """All that is wrong."""

    detail = ValidationError(many=True)


class PurgeError(serializers.Serializer[Any]):
    """A refusal."""

    detail = serializers.CharField(help_text="Why, in words.")


class PurgeRunError(PurgeError):
    """A refusal because of a run."""

    run_id = serializers.UUIDField(required=False, help_text="The run in the way.")


class PurgeConflict(PurgeRunError):
    """A refusal because of a run, or because the run would delete more than it may."""

    code = serializers.CharField(
        required=False, help_text="`limit_exceeded` where the run would delete more than it may."
    )
    deleted = count("Keys deleted by then, in that case.", required=False)
    report = PurgeReport(required=False)


class PurgeRedisError(PurgeError):
    """Where Redis, the database or the archive cannot be used, or the request took too long."""

    run_id = serializers.UUIDField(required=False, help_text="The run, if there was one.")
    deleted = count("Keys deleted by then.", required=False)
    report = PurgeReport(required=False)
