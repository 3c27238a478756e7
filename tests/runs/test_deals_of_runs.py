"""What a run tells of each deal that it met or was named: outcome, keys gone, keys left, last activity."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from pytest_django import Settings

from dealpurge import services
from dealpurge.models import InventoryDeal, PurgeRun, PurgeRunDeal
from dealpurge.report import MissingDeal, PurgeReport
from dealpurge.runs import record
from dealpurge.runs.deals import suggestions
from dealpurge.runs.deals.organisations import MOST, organisations_of
from dealpurge.runs.deals.suggestions import SUGGESTED, edits, with_suggestions
from tests.support.purging import before_removal
from tests.support.seeding import HOUR, seed_deal, touch

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("deal_settings")]

ALL: dict[str, Any] = {"mode": "all", "dry_run": False}
GUARDED = ALL | {"exclude_active_within_secs": HOUR}
DRY = {"dry_run": True}
Row = tuple[str, int | None, int | None]


def rows() -> dict[str, Row]:
    """Outcome, keys deleted and keys left, by the deal's id."""
    values = PurgeRunDeal.objects.values_list("deal_id", "outcome", "keys_deleted", "keys_left")
    return {deal: (outcome, deleted, left) for deal, outcome, deleted, left in values}


def outcomes_of(report: PurgeReport) -> Any:
    assert report.run_id
    return PurgeRun.objects.get(pk=report.run_id).outcomes


@pytest.fixture
def sizes(redis_client: redis.Redis) -> dict[str, int]:
    """Deals of three sizes, one of them in use, by their numbers of keys."""
    seeded = {
        "small": seed_deal(redis_client, "acme", "small", age=2 * HOUR, locks=0),
        "large": seed_deal(redis_client, "acme", "large", age=3 * HOUR, image_crops=40),
        "busy": seed_deal(redis_client, "birch", "busy", age=60, image_crops=7),
    }
    return {name: len(keys) for name, keys in seeded.items()}


def test_a_sweep_counts_the_keys_of_each_deal(sizes: dict[str, int]) -> None:
    report = services.purge_deals(**ALL)

    assert rows() == {name: ("purged", size, 0) for name, size in sizes.items()}
    assert report.keys.deleted == sum(sizes.values())
    assert outcomes_of(report) == {"purged": 3}


def test_a_guarded_purge_does_too(sizes: dict[str, int]) -> None:
    report = services.purge_deals(**GUARDED)

    busy = ("skipped_active", 0, sizes.pop("busy"))
    assert rows() == {"busy": busy} | {name: ("purged", size, 0) for name, size in sizes.items()}
    assert outcomes_of(report) == {"purged": 2, "skipped_active": 1}
    assert PurgeRun.objects.get().organisations == {"count": 2, "largest": [["acme", 2], ["birch", 1]]}
    assert report.deals.organisations == 1


@pytest.mark.parametrize("options", [ALL, GUARDED], ids=["sweep", "guarded"])
def test_a_dry_run_leaves_all_and_tells_what_would_be(sizes: dict[str, int], options: dict[str, Any]) -> None:
    report = services.purge_deals(**options | DRY)

    guarded = options is GUARDED
    fates = {name: "would_be_skipped" if guarded and name == "busy" else "would_be_purged" for name in sizes}
    assert rows() == {name: (fates[name], 0, size) for name, size in sizes.items()}
    assert outcomes_of(report) == Counter(fates.values())


@pytest.mark.parametrize("dry_run", [True, False])
def test_the_last_activity_of_each_deal_is_told(sizes: dict[str, int], dry_run: bool) -> None:
    services.purge_deals(**GUARDED | {"dry_run": dry_run})

    ages = {"small": 2 * HOUR, "large": 3 * HOUR, "busy": 60}
    found = dict(PurgeRunDeal.objects.values_list("deal_id", "last_active_at"))
    assert found.keys() == ages.keys()
    for name, moment in found.items():
        assert moment is not None
        assert abs(datetime.now(UTC) - timedelta(seconds=ages[name]) - moment) < timedelta(seconds=60)


def test_the_keys_that_a_deal_keeps_that_became_active_half_way_are_counted(
    redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = len(seed_deal(redis_client, "acme", "large", age=2 * HOUR, image_crops=2500))
    calls = list[int]()

    def work(keys: list[bytes]) -> None:
        calls.append(len(keys))
        if len(calls) == 2:
            touch(redis_client, "acme", "large")

    with before_removal(monkeypatch, work):
        report = services.purge_deals(**GUARDED)

    assert rows() == {"large": ("interrupted", 1000, size - 1000)}
    assert redis_client.dbsize() == size - report.keys.deleted


@pytest.mark.parametrize("options", [ALL, GUARDED], ids=["sweep", "guarded"])
def test_keys_without_an_organisation_are_those_of_the_only_deal_of_their_id(
    redis_client: redis.Redis, options: dict[str, Any]
) -> None:
    size = len(seed_deal(redis_client, "acme", "1", age=2 * HOUR))
    redis_client.mset({"checkpoint:1:a": "x", "checkpoint:1:b": "x"})

    services.purge_deals(**options, include_checkpoints=True)

    assert rows() == {"1": ("purged", size + 2, 0)}


def test_of_a_sweep_that_was_stopped_nobody_knows_what_its_deals_have_left(
    sizes: dict[str, int], settings: Settings
) -> None:
    settings.DEALPURGE_SCAN_COUNT = 1

    report = services.purge_deals(**ALL, observer=lambda progress: not progress.deleted)

    assert report.status == "cancelled"
    assert {left for outcome, _, left in rows().values() if outcome == "interrupted"} == {None}
    assert sum(deleted or 0 for _, deleted, _ in rows().values()) == report.keys.deleted


def test_a_dry_run_that_was_stopped_tells_of_no_deal(sizes: dict[str, int], settings: Settings) -> None:
    settings.DEALPURGE_SCAN_COUNT = 1

    report = services.purge_deals(**ALL | DRY, observer=lambda progress: progress.scanned < 20)

    assert (report.status, rows(), outcomes_of(report)) == ("cancelled", {}, None)


def test_a_dry_run_can_be_stopped_while_it_writes_its_rows(
    sizes: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dealpurge.execution.purge.ROWS_AT_ONCE", 1)
    monkeypatch.setattr(record, "HEARTBEAT_SECONDS", 0)

    report = services.purge_deals(**ALL | DRY, observer=lambda progress: not PurgeRunDeal.objects.exists())

    assert report.status == "cancelled"
    assert len(rows()) == 1
    assert outcomes_of(report) is None


# Named and not found


@pytest.mark.parametrize("options", [DRY, {}, {"exclude_active_within_secs": HOUR}], ids=["dry", "sweep", "guarded"])
def test_deals_that_were_named_and_are_not_there_are_told(sizes: dict[str, int], options: dict[str, Any]) -> None:
    named = [("acme", "small"), ("acme", "smal"), ("nobody", "large"), (None, "large"), (None, "gone")]

    report = services.purge_deals(**ALL | {"mode": "by_deal", "deals": named} | options)

    missing = [("acme", "smal"), ("nobody", "large"), (None, "gone")]
    assert [(deal.org_id, deal.deal_id) for deal in report.deals_not_found] == missing
    assert report.deals.not_found == 3
    found = PurgeRunDeal.objects.filter(outcome="not_found").order_by("pk").values_list("org_id", "deal_id")
    assert list(found) == missing
    assert outcomes_of(report)["not_found"] == 3
    assert report.status == "completed"


def test_a_deal_of_which_checkpoints_stay_is_there(redis_client: redis.Redis) -> None:
    redis_client.set("checkpoint:1:a", "x")

    report = services.purge_deals(mode="by_deal", deals=[("acme", "1")])

    assert (report.deals.matched, report.deals.not_found, report.keys.checkpoints_kept) == (0, 0, 1)


def test_a_run_that_did_not_get_to_its_end_has_missed_nothing(sizes: dict[str, int], settings: Settings) -> None:
    settings.DEALPURGE_SCAN_COUNT = 1

    report = services.purge_deals(
        mode="by_deal", deals=[("acme", "small"), ("acme", "gone")], observer=lambda progress: False
    )

    assert (report.status, report.deals.not_found, report.deals_not_found) == ("cancelled", 0, ())


@pytest.fixture
def scan() -> PurgeRun:
    """A finished scan that found deals of two organisations."""
    run = PurgeRun.objects.create(source="admin", mode="all", inventory=True, status="completed")
    names = [
        ("globex", "deal-20419"),
        ("globex", "deal-7"),
        ("globex", "deal-70"),
        ("initech", "deal-88"),
        ("acme", "Ünïq"),
    ]
    InventoryDeal.objects.bulk_create(
        InventoryDeal(run=run, org_id=org, deal_id=deal, keys=1, families={"locks": 1}) for org, deal in names
    )
    return run


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        (("globex", "dael-20419"), ("globex", "deal-20419")),
        (("globex", "deal-2041"), ("globex", "deal-20419")),
        (("globex", "deal-204199"), ("globex", "deal-20419")),
        (("globex", "deal-20418"), ("globex", "deal-20419")),
        ((None, "deal-20418"), ("globex", "deal-20419")),
        (("initec", "deal-88"), ("initech", "deal-88")),
        (("acme", "Ünïqq"), ("acme", "Ünïq")),
        (("acme", "deal-20418"), None),
        (("globex", "deal-20481"), None),
        (("globex", "8"), None),
        (("globex", "deal-7"), None),  # which was there, and is gone: there is nothing to correct
        ((None, "deal-7"), None),
    ],
)
def test_what_is_one_slip_away_is_suggested(
    scan: PurgeRun, named: tuple[str | None, str], meant: tuple[str, str] | None
) -> None:
    org_id, deal_id = named

    (told,) = with_suggestions([MissingDeal(org_id=org_id, deal_id=deal_id)])

    assert told == MissingDeal(org_id=org_id, deal_id=deal_id, did_you_mean=meant)


def test_a_name_is_no_slip_of_itself() -> None:
    assert "deal-7" not in edits("deal-7")
    assert "" not in edits("a")


def test_only_the_first_of_many_are_suggested_for(scan: PurgeRun) -> None:
    told = with_suggestions([MissingDeal(org_id="globex", deal_id="dael-7")] * (SUGGESTED + 1))

    assert [deal.did_you_mean for deal in told] == [("globex", "deal-7")] * SUGGESTED + [None]


def test_nobody_waits_long_for_suggestions(scan: PurgeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suggestions, "MOST_SECONDS", -1)

    missing = [MissingDeal(org_id="globex", deal_id="dael-7")]

    assert with_suggestions(missing) == tuple(missing)


def test_a_scan_that_is_under_way_suggests_nothing(scan: PurgeRun) -> None:
    PurgeRun.objects.update(status="running")

    missing = (MissingDeal(org_id="globex", deal_id="dael-7"),)

    assert with_suggestions(missing) == missing


def test_the_report_says_what_may_have_been_meant(scan: PurgeRun, sizes: dict[str, int]) -> None:
    report = services.purge_deals(mode="by_deal", deals=[("globex", "dael-7"), ("acme", "small")])

    told = {"org_id": "globex", "deal_id": "dael-7", "did_you_mean": {"org_id": "globex", "deal_id": "deal-7"}}
    assert report.as_dict()["deals_not_found"] == [told]


def test_the_largest_organisations_are_told_by_name() -> None:
    tokens = [f"o{number}:{deal}".encode() for number in range(MOST + 1) for deal in range(1 + number % 2)]

    told = organisations_of([*tokens, b"orgless"])

    assert told["count"] == MOST + 1
    assert len(told["largest"]) == MOST
    assert told["largest"][:2] == [["o1", 2], ["o11", 2]]
    assert told["largest"][-1][1] == 1


@pytest.mark.parametrize("options", [ALL, GUARDED], ids=["sweep", "guarded"])
def test_a_preview_notes_the_checkpoints_of_each_deal(redis_client: redis.Redis, options: dict[str, Any]) -> None:
    seed_deal(redis_client, "acme", "many", age=2 * HOUR, checkpoints=12)
    seed_deal(redis_client, "acme", "none", age=2 * HOUR)
    seed_deal(redis_client, "acme", "busy", age=60, checkpoints=2)

    def told(**more: Any) -> dict[str, Any]:
        report = services.purge_deals(**options | DRY | more)
        return dict(PurgeRunDeal.objects.filter(run=report.run_id).values_list("deal_id", "checkpoints"))

    assert told(include_checkpoints=True) == {"many": 12, "none": 0, "busy": None if options == GUARDED else 2}
    assert set(told().values()) == {None}


def test_checkpoints_without_an_organisation_are_noted_with_the_only_deal_of_their_id(
    redis_client: redis.Redis,
) -> None:
    """Also where no others are counted."""
    seed_deal(redis_client, "acme", "1", age=2 * HOUR)
    redis_client.set("checkpoint:1:a", "x")

    services.purge_deals(**ALL | DRY, include_checkpoints=True)

    assert PurgeRunDeal.objects.get().checkpoints == 1


def test_the_report_of_a_dry_run_has_some_keys_of_each_family(sizes: dict[str, int]) -> None:
    samples = services.purge_deals(**GUARDED | DRY).as_dict()["samples"]

    assert {name: len(keys) for name, keys in samples.items()} == {"locks": 1, "events": 2, "image_crops": 5}
    assert not any("birch" in key for keys in samples.values() for key in keys)  # which would be skipped
    assert "samples" not in services.purge_deals(**GUARDED).as_dict()
