"""Through whatever door: never more goes than the limit allows, whoever writes meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from dealpurge import services
from dealpurge.exceptions import DealPurgeError
from dealpurge.models import PurgeRun
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from tests.conftest import PointCacheAt
from tests.support.cases import FIXTURES_STAY, Case, Use, in_force, write
from tests.support.commands import Purge
from tests.support.oracle import Request
from tests.support.samples import sample
from tests.support.servers import RedisServer
from tests.support.writers import Writer, deals_of, written

from .doors import ENDPOINT, FORM, NO_WORKER

pytestmark = pytest.mark.django_db(transaction=True)

Limits = dict[str, Any]


@dataclass
class Doors:
    """Each way to a live purge of all deals, or of an organisation's."""

    settings: Settings
    client: Client
    headers: dict[str, str]
    command: Purge

    def service(self, request: Request, limits: Limits) -> None:
        attempt(lambda: services.purge_deals(**asdict(request), dry_run=False, **limits))

    def worker(self, request: Request, limits: Limits) -> None:
        self.settings.DEALPURGE_ENQUEUE = NO_WORKER
        scope = PurgeScope(**asdict(request), dry_run=False, **limits)
        run = services.queue(scope, Origin(source="command"))
        attempt(lambda: services.run(run.pk))

    def endpoint(self, request: Request, limits: Limits) -> None:
        self.set(limits)
        body = asdict(replace(request, leave_never_active=False)) | {"dry_run": False}
        del body["deals"], body["leave_never_active"]
        answer = self.client.post(ENDPOINT, json.dumps(body), content_type="application/json", headers=self.headers)
        assert answer.status_code == (200 if latest().status == "completed" else 409), answer.content

    def options(self, request: Request, limits: Limits) -> None:
        words = [f"--{name.replace('_', '-')}={limit}" for name, limit in limits.items()]
        words += ["--include-checkpoints"] if request.include_checkpoints else []
        words += [f"--org-id={request.org_id}"] if request.org_id else []
        if request.exclude_active_within_secs:
            words.append(f"--exclude-active-within-secs={request.exclude_active_within_secs}")
        words += ["--leave-never-active"] if request.leave_never_active else []
        outcome = self.command("--mode=all", "--no-dry-run", "--no-input", *words)
        assert (outcome.code == 0) is (latest().status == "completed"), outcome.err

    def admin(self, request: Request, limits: Limits) -> None:
        """With limits that came behind the preview, which may be refused for them."""
        mode = "all" if request.org_id is None else "organisation"
        fields = {"mode": mode, "org_id": request.org_id or "", "exclude_active_0": "1", "exclude_active_1": "3600"}
        fields |= {"guard": "on"} if request.exclude_active_within_secs else {}
        fields |= {"include_checkpoints": "on"} if request.include_checkpoints else {}
        fields |= {"leave_never_active": "on"} if request.leave_never_active else {}
        page = self.client.post(FORM, fields).headers["Location"]
        self.client.get(page)
        self.set(limits)
        self.client.post(page.replace("/change/", "/apply/"), {"typed": wanted(latest())})

    def set(self, limits: Limits) -> None:
        for name in ("deals", "keys"):
            setattr(self.settings, f"DEALPURGE_MAX_{name.upper()}", limits.get(f"at_most_{name}"))


def wanted(run: PurgeRun) -> str:
    """What has to be typed to apply a preview."""
    return services.risk(run.scope, deals=run.deals_purged).words or ""


def attempt(purge: Callable[[], object]) -> None:
    try:
        purge()
    except DealPurgeError:
        assert latest().status == "failed"


def latest() -> PurgeRun:
    """The live run, or where none began its preview."""
    return PurgeRun.objects.order_by("dry_run")[0]


@pytest.fixture
def doors(settings: Settings, superuser: User, bearer: Callable[[User], dict[str, str]], purge: Purge) -> Doors:
    client = Client(raise_request_exception=False)
    client.force_login(superuser)
    return Doors(settings, client, bearer(superuser), purge)


#: 200 keyspaces among them.
DOORS = [Doors.service, Doors.worker, Doors.endpoint, Doors.options, Doors.admin]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
@settings(max_examples=sample(40, 400), derandomize=True, suppress_health_check=FIXTURES_STAY)
@given(
    given_case=written(),
    deals=st.sampled_from([None, 1, 2, 3, 5]),
    keys=st.sampled_from([None, 1, 2, 4, 9, 20]),
    pause=st.integers(1, 3),
)
def test_never_more_goes(
    valkey_server: RedisServer,
    valkey_client: redis.Redis,
    cache_at: PointCacheAt,
    doors: Doors,
    monkeypatch: pytest.MonkeyPatch,
    given_case: tuple[Case, list[tuple[bytes, Use]]],
    door: Callable[[Doors, Request, Limits], None],
    deals: int | None,
    keys: int | None,
    pause: int,
) -> None:
    case, more = given_case
    request = replace(case.request, mode="all", deals=())
    limits = {name: limit for name, limit in (("at_most_deals", deals), ("at_most_keys", keys)) if limit is not None}
    cache_at(valkey_server.url)
    doors.set({})
    PurgeRun.objects.filter(dry_run=False).delete()
    PurgeRun.objects.all().delete()
    write(valkey_client, case.keys)
    writer = Writer(valkey_client, more, pause, set(case.keys))

    with in_force(case), writer.at_work(monkeypatch):
        door(doors, request, limits)

    gone = writer.written - set(valkey_client.keys())
    assert latest().keys_deleted == len(gone)
    assert len(gone) <= limits.get("at_most_keys", len(gone))
    lost = deals_of(gone, case.host.table)
    assert lost <= limits.get("at_most_deals", lost)
