"""Archives of real purges, in a storage that a test can look into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import redis
from django.utils import timezone
from pytest_django.fixtures import Settings

from dealpurge import services
from dealpurge.models import PurgeArchiveChunk, PurgeRun
from tests.support.seeding import seed_deal

MINUTE = timedelta(minutes=1)
#: Makes a run with an archive that is to be kept for so long yet.
Archived = Callable[..., PurgeRun]


def on_disk(location: Path | str | None, **options: Any) -> dict[str, Any]:
    """An entry of STORAGES."""
    options = {"location": location, "file_permissions_mode": 0o600, **options}
    return {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options}


def keep_archives_in(settings: Settings, location: Path, alias: str = "archive") -> None:
    settings.STORAGES = {**settings.STORAGES, alias: on_disk(location)}
    settings.DEALPURGE_ARCHIVE = alias


def purged(client: redis.Redis, deals: Sequence[str] = ("deal-1",), *, left: timedelta = -MINUTE) -> PurgeRun:
    """The run of a live purge of these deals, with an archive that is to be kept for so long yet."""
    for deal in deals:
        seed_deal(client, "acme", deal)
    report = services.purge_deals(mode="all", dry_run=False)
    run = PurgeRun.objects.get(pk=str(report.run_id))
    PurgeRun.objects.filter(pk=run.pk).update(archived_until=timezone.now() + left)
    run.refresh_from_db()
    return run


def files_of(run: PurgeRun, location: Path) -> list[str]:
    """Those in its folder; that may be gone, too."""
    return sorted(path.name for path in (location / f"dealpurge/{run.pk}").glob("*"))


def names_of(run: PurgeRun) -> list[str]:
    """Those that its rows tell of."""
    names = PurgeArchiveChunk.objects.filter(run=run).values_list("name", flat=True)
    return sorted(name.removeprefix(f"dealpurge/{run.pk}/") for name in names)
