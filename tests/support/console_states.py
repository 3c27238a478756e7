"""Every page of the console in every state that it has, each made when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from django.urls import reverse
from django.utils import timezone

from dealpurge.models import InventoryDeal, PurgeRun
from tests.support.console_pages import NOTHING, PHASES, SERVERS, SO_FAR, Pages, report
from tests.support.restore_states import RESTORE_STATES


class State(NamedTuple):
    """Makes what a page shows, and what words tell that it does; ``press`` is what is clicked on it first."""

    make: Callable[[Pages], str]
    shows: str = ""
    press: str = ""


def under_way(pages: Pages, **progress: Any) -> str:
    return pages.change(pages.run("running", progress={"phases": PHASES, "deals": SO_FAR} | progress))


def ended(pages: Pages, status: str, *, counts: Mapping[str, int] = NOTHING, **fields: Any) -> str:
    return pages.change(pages.run(status, report=report(status, counts=counts), **fields))


def archived(pages: Pages, **fields: Any) -> str:
    """As `ended`, with the archive of a run that came to its end."""
    told = report("completed") | {"archive": {"bytes": 948_000_000, "chunks": 241, "until": None}}
    until = timezone.now() + timedelta(days=7)
    return pages.change(pages.run("completed", report=told, archive_alias="archive", archived_until=until, **fields))


def lost_with_an_archive(pages: Pages) -> str:
    run = pages.run("failed", archive_alias="archive", archived_until=timezone.now() + timedelta(days=7))
    run.archive_chunks.create(server=1, number=1, name="1", keys=17200, size=1, length=1, families={})
    return pages.change(run)


def applied(pages: Pages) -> str:
    preview = pages.preview("deal-1")
    pages.run("completed", rows=False, report=report("completed"), preview=preview)
    return pages.change(preview)


def scanned(pages: Pages, what: str = "inventory", **fields: Any) -> str:
    run = pages.scan()
    PurgeRun.objects.filter(pk=run.pk).update(**fields)
    return reverse(f"admin:dealpurge_purgerun_{what}", args=[run.pk])


def emptied(pages: Pages) -> str:
    InventoryDeal.objects.all().delete()
    pages.redis.flushall()
    return scanned(pages)


def timeline(deal_id: str) -> str:
    return f"{reverse('admin:dealpurge_purgerun_deal')}?org=acme&deal={deal_id}"


FORM = "admin:dealpurge_purgerun_purge"
LIST = "admin:dealpurge_purgerun_changelist"

#: In this order: the first ones are those of a Redis that nobody has looked at, the last that of an empty one.
STATES: dict[str, State] = {
    "inventory of nothing yet": State(
        lambda pages: reverse("admin:dealpurge_purgerun_latest_inventory"), shows="Scan Redis"
    ),
    "form": State(lambda pages: reverse(FORM), shows="Preview"),
    "form with errors": State(
        lambda pages: reverse(FORM), shows="Please correct the error", press=".dp-content button.default"
    ),
    "form without an archive": State(
        lambda pages: reverse(FORM),
        shows="Without an archive the purge cannot be undone.",
        press="input[name=keep_archive]",
    ),
    "form with the guard off": State(
        lambda pages: reverse(FORM), shows="Deals go even while somebody works on them.", press="input[name=guard]"
    ),
    "inventory": State(scanned, shows="deal-1"),
    "inventory, filtered": State(lambda pages: f"{scanned(pages)}?org=acme&deal=deal-1", shows="deal-1"),
    "inventory, old": State(
        lambda pages: scanned(pages, started_at=timezone.now() - timedelta(hours=3)), shows="hours old."
    ),
    "inventory without a match": State(lambda pages: f"{scanned(pages)}?deal=nobody", shows="No deal matches."),
    "form of a selection": State(lambda pages: f"{scanned(pages, what='purge_selection')}?org=acme", shows="Change"),
    "form after a scan": State(lambda pages: f"{reverse(FORM)}?mode=all&org_id=acme"),
    "preview, calm": State(
        lambda pages: pages.change(pages.preview("deal-1", "deal-2", "deal-3")), shows="Purge 2 deals from production?"
    ),
    "preview, amber": State(lambda pages: pages.change(pages.preview(org_id="acme")), shows="Read before you purge"),
    "preview, high risk": State(
        lambda pages: pages.change(pages.preview(exclude_active_within_secs=None, include_checkpoints=True)),
        shows="High risk",
    ),
    "preview, without an archive": State(
        lambda pages: pages.change(pages.preview(org_id="acme", keep_archive=False)), shows="gone for good"
    ),
    "preview, keys shown": State(
        lambda pages: f"{pages.change(pages.preview(org_id='acme'))}?sample=image_crops", shows="Hide keys"
    ),
    "preview beside another purge": State(
        lambda pages: (pages.run("running", org_id="acme"), pages.change(pages.preview(org_id="acme")))[1],
        shows="is under way",
    ),
    "preview, wrong word typed": State(
        lambda pages: pages.change(pages.preview(exclude_active_within_secs=None)),
        shows="Nothing was deleted.",
        press=".dp-danger",
    ),
    "preview, some not found": State(
        lambda pages: pages.change(pages.preview("deal-1", "daal-2", "nothing-like-it")),
        shows="2 of 3 named deals were not found",
    ),
    "preview, none found": State(
        lambda pages: pages.change(pages.preview("daal-2")), shows="None of the named deals has keys in Redis"
    ),
    "preview, all active": State(lambda pages: pages.change(pages.preview("deal-3")), shows="Nothing to purge"),
    "preview, expired": State(
        lambda pages: pages.change(pages.preview("deal-1"), finished_at=timezone.now() - timedelta(hours=1)),
        shows="Expired.",
    ),
    "preview, applied": State(applied, shows="This preview was applied"),
    "preview, cancelled": State(
        lambda pages: ended(pages, "cancelled", dry_run=True, cancelled_by="d.silva"),
        shows="Preview cancelled by d.silva",
    ),
    "queued": State(lambda pages: pages.change(pages.run("queued")), shows="Waiting for a worker"),
    "queued for long": State(
        lambda pages: pages.change(pages.run("queued", created_at=timezone.now() - timedelta(seconds=90))),
        shows="No worker has taken it yet.",
    ),
    "running": State(under_way, shows="28,402 of 61,744 keys"),
    "running on a cluster": State(
        lambda pages: under_way(pages, servers=SERVERS, waiting=12, pass_number=2), shows="3 primaries, 1 not answering"
    ),
    "waiting for Redis": State(
        lambda pages: under_way(pages, waiting=12, gives_up_in=18), shows="Tried again for 18 s more"
    ),
    "stopping": State(
        lambda pages: pages.change(pages.run("running", cancel_requested=True, progress={"phases": PHASES})),
        shows="Stopping…",
    ),
    "done": State(lambda pages: ended(pages, "completed"), shows="Done: 183 deals purged"),
    "done, archived": State(archived, shows="Archived: 948 MB until"),
    "done, its archive removed": State(
        lambda pages: archived(pages, archive_removed_at=timezone.now(), archive_removed_by="d.silva"),
        shows="Archive removed by d.silva on",
    ),
    "done with warnings": State(
        lambda pages: pages.change(
            pages.run("completed", report=report("completed", warnings=["Another pass was made.", "x" * 255]))
        ),
        shows="Another pass was made.",
    ),
    "partial": State(
        lambda pages: ended(pages, "partial", counts={"interrupted": 8, "not_removed": 40}),
        shows="Finished in part: 8 deals were left half-way",
    ),
    "cancelled": State(lambda pages: ended(pages, "cancelled", cancelled_by="d.silva"), shows="Cancelled by d.silva"),
    "failed": State(
        lambda pages: ended(pages, "failed", error="Redis did not answer for 30 s"),
        shows="Failed: Redis did not answer for 30 s",
    ),
    "lost": State(
        lambda pages: pages.change(pages.run("failed", error="Lost.", finished_at=timezone.now())),
        shows="Lost: no sign of life",
    ),
    "lost, partly archived": State(lost_with_an_archive, shows="17,200 keys can be restored."),
    **{name: State(*state) for name, state in RESTORE_STATES.items()},
    "list": State(lambda pages: reverse(LIST)),
    "list, searched": State(lambda pages: f"{reverse(LIST)}?q=acme:deal-1"),
    "timeline": State(lambda pages: timeline("deal-1"), shows="Everything that happened"),
    "timeline of nothing": State(lambda pages: timeline("nobody"), shows="Nothing has happened to this deal."),
    "inventory of an empty Redis": State(emptied, shows="No deal is in Redis."),
}
