"""The bodies of what is answered about restores, as ``bodies`` has those about purges."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from dealpurge.api.answers.bodies import (
    PurgeDealName,
    PurgeError,
    PurgeReport,
    PurgeRunError,
    PurgeRunFields,
    ReportStatus,
)
from dealpurge.api.answers.description import count, words
from dealpurge.report import LIST_LIMIT


@words("RestoreDamage", ["missing", "truncated", "altered"], "What is wrong with a file.")
class DamageField(serializers.CharField):
    """What became of it."""


class RestoreDealCounts(serializers.Serializer[Any]):
    """Deals."""

    archived = count("Asked for, of which keys are archived.")
    restored = count("Of which keys were written back; in a dry run: would be.")
    mixed = count("Of which keys exist again.")
    left_out = count("Of those, left as they are with `leave_mixed`.")
    not_found = count("Named, and not in the archive.")


class RestoreKeyCounts(serializers.Serializer[Any]):
    """Keys. All but the first together are `archived`."""

    archived = count("Asked for, in the archive.")
    restored = count("Written back; in a dry run: would be.")
    kept_newer = count("Exist again, and stay as they are.")
    expired = count("Not written, because their time to live is over.")
    refused = count("Redis does not take them.")
    left_out = count("Of deals that were left out, and not there.")
    not_restored = count("Not there, because the restore did not get to them.")


class RestoreMixedDeal(PurgeDealName):
    """A deal of which keys exist again."""

    keys = count("How many exist.")
    names = serializers.ListField(child=serializers.CharField(), help_text="Some of them.")


class RestoreDamagedFile(serializers.Serializer[Any]):
    """A file of the archive that cannot be restored."""

    name = serializers.CharField()
    keys = count("Archived in it.")
    damage = DamageField()


class RestoreMemory(serializers.Serializer[Any]):
    """Of Redis, in bytes."""

    needed = count("About; null where it was not reckoned.", allow_null=True)
    free = count("Null without a limit, or where Redis does not tell.", allow_null=True)


class RestoreFields(serializers.Serializer[Any]):
    """What was asked besides the deals."""

    families_named = serializers.ListField(
        child=serializers.CharField(), help_text="Only of these; all if it is empty."
    )
    leave_mixed = serializers.BooleanField(help_text="Deals of which keys exist again stay as they are.")
    skip_damaged = serializers.BooleanField(help_text="What is not damaged is restored, whatever is.")


class RestoreReport(RestoreFields):
    """What a restore did, or a dry run would do. Ids and keys are shown with escapes for what cannot be seen."""

    run_id = serializers.UUIDField(allow_null=True, help_text="The run in the record.")
    purge_id = serializers.UUIDField(allow_null=True, help_text="The purge whose archive it is.")
    status = ReportStatus()
    deals_named = serializers.ListField(
        child=PurgeDealName(), max_length=LIST_LIMIT, help_text="Only these deals; all if it is empty."
    )
    dry_run = serializers.BooleanField()
    environment = serializers.CharField(
        allow_null=True, help_text="What the settings call the place that the Redis belongs to; null if they do not."
    )
    deals = RestoreDealCounts()
    keys = RestoreKeyCounts()
    families = serializers.DictField(
        child=count(), help_text="Keys written back by family, or in a dry run keys that would be."
    )
    mixed = serializers.ListField(
        child=RestoreMixedDeal(),
        max_length=LIST_LIMIT,
        help_text=f"Deals of which keys exist again, {LIST_LIMIT} of them at most, those with most such keys.",
    )
    mixed_truncated = serializers.BooleanField(help_text="Whether there are more of them.")
    not_found = serializers.ListField(
        child=PurgeDealName(), max_length=LIST_LIMIT, help_text="Deals that were named and are not in the archive."
    )
    damaged = serializers.ListField(
        child=RestoreDamagedFile(), max_length=LIST_LIMIT, help_text="Files that cannot be restored."
    )
    memory = RestoreMemory()
    warnings = serializers.ListField(child=serializers.CharField(), help_text="Sentences for who reads the report.")
    started_at = serializers.DateTimeField(help_text="UTC.")
    duration_ms = count("Milliseconds.")


class PurgeRunAnswer(PurgeRunFields):
    """A run, a purge or a restore: whether it waits, works or is over."""

    restored_run = serializers.UUIDField(
        allow_null=True,
        help_text="Of a restore, the purge whose archive it writes back; null of a purge. Of what is asked of a purge, "
        "a restore has the deals and `dry_run`.",
    )
    families_named = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="Of a restore: only of these; all if it is empty."
    )
    leave_mixed = serializers.BooleanField(
        required=False, help_text="Of a restore: deals of which keys exist again stay as they are."
    )
    skip_damaged = serializers.BooleanField(
        required=False, help_text="Of a restore: what is not damaged is restored, whatever is."
    )
    restores = serializers.ListField(
        child=serializers.UUIDField(), help_text="Of a purge: its restores, oldest first, without dry runs."
    )
    report = PurgeReport(
        allow_null=True, help_text="Null until the run is over, of one whose process was lost, and of a restore."
    )
    restore_report = RestoreReport(allow_null=True, help_text="Likewise, of a restore; null of a purge.")

    class Meta:
        ref_name = "PurgeRun"


class RestoreConflict(PurgeRunError):
    """A refusal because of a run, or because the archive is not restored."""

    code = serializers.CharField(
        required=False,
        help_text="`restore_refused` where the archive is gone, of another environment, damaged or too large.",
    )
    restored = count("Keys written back by then, where a run found that out.", required=False)
    report = RestoreReport(required=False)


class RestoreRedisError(PurgeError):
    """Where Redis, the database or the archive cannot be used, or the request took too long."""

    run_id = serializers.UUIDField(required=False, help_text="The run, if there was one.")
    restored = count("Keys written back by then.", required=False)
    report = RestoreReport(required=False)
