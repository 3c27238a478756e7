"""What a page shows of a run, whatever stands in its report."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.contrib.auth.models import User
from django.db import connection
from django.db.models.functions import Now
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dealpurge.console.runs.page import RunPage
from dealpurge.models import PurgeRun
from dealpurge.previews.preview import Preview
from dealpurge.runs import store
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope
from tests.console.conftest import REPORT, ClientOf, MakePreview, page_of


@pytest.fixture
def browser(client_of: ClientOf, purger: User) -> Client:
    return client_of(purger)


def html(browser: Client, run: PurgeRun) -> str:
    return " ".join(browser.get(page_of(run)).content.decode().split())


def with_counts(**counts: Any) -> dict[str, Any]:
    """A report with other counts of keys and deals."""
    report: dict[str, Any] = {**REPORT, "deals": dict(REPORT["deals"]), "keys": dict(REPORT["keys"])}  # type: ignore[call-overload]
    for name, value in counts.items():
        part = report["deals"] if name in report["deals"] else report["keys"] if name in report["keys"] else report
        part[name] = value
    return report


def test_a_dry_run_never_says_deleted_but_to_deny_it(browser: Client, make_preview: MakePreview, purger: User) -> None:
    content = html(browser, make_preview(purger)).partition('id="content"')[2].partition("</main>")[0]

    for denied in ("nothing deleted", "asks before it deletes", "would be deleted", "Would be deleted"):
        assert denied in content
        content = content.replace(denied, "")
    assert "deleted" not in content.replace("key would", "").replace("keys would", "")


def test_checkpoints_that_stay_are_counted(browser: Client, make_preview: MakePreview, purger: User) -> None:
    assert "3 checkpoint keys of these deals stay." in html(browser, make_preview(purger))


def test_keys_of_no_family_come_with_what_to_do(browser: Client, make_preview: MakePreview, purger: User) -> None:
    report = with_counts(unclaimed=2, unclaimed_sample=["canvas:thumbnail:acme:<b>", "x:deal-5"])

    page = html(browser, make_preview(purger, report=report))

    assert "2 keys carry this deal&#x27;s id and belong to no family, so they stay." in page.replace("'", "&#x27;")
    assert "DEALPURGE_KEY_FAMILIES" in page
    assert "canvas:thumbnail:acme:&lt;b&gt;" in page


def test_trouble_of_a_live_run_is_told(browser: Client, make_preview: MakePreview, purger: User) -> None:
    report = with_counts(not_removed=2, interrupted=1, deleted=40, warnings=["Beware of the <dog>."])

    page = html(browser, make_preview(purger, dry_run=False, status="partial", report=report))

    assert "Finished in part: 1 deal was left half-way" in page
    assert "2 keys could not be removed." in page
    assert "Beware of the &lt;dog&gt;." in page
    assert 'class="dp-badge dp-partial"' in page


def test_a_failed_purge_says_what_it_had_done(browser: Client, make_preview: MakePreview, purger: User) -> None:
    run = make_preview(
        purger,
        dry_run=False,
        status="failed",
        error="Redis cannot be reached.",
        started_at=Now(),
        keys_deleted=5000,
        outcomes={"interrupted": 7, "skipped_active": 3},
        report=with_counts(deleted=5000),
    )

    page = html(browser, run)

    assert "Failed: Redis cannot be reached." in page
    assert f"Run {str(run.pk)[:8]}. 5,000 keys of 7 deals were deleted." in page


def test_a_run_under_way_is_polled_and_reloads_without_javascript(browser: Client) -> None:
    run = store.create(PurgeScope(mode="all", dry_run=False), Origin(source="api", actor_name="ann"))
    now = timezone.now()
    phases = [{"name": "scan", "state": "now", "done": 5000, "total": 20000, "rate": 2500, "seconds": 2.0}]
    PurgeRun.objects.filter(pk=run.pk).update(
        started_at=now - timedelta(seconds=2),
        heartbeat_at=now,
        progress={"phases": [phase | {"seconds_left": 6} for phase in phases]},
    )

    page = html(browser, run)
    state = browser.get(page_of(run, "progress")).json()
    table = state.pop("html")

    assert '<noscript><meta http-equiv="refresh" content="3"></noscript>' in page
    for shown in (page, table):
        assert '<progress aria-label="Scan" value="25" max="100"></progress>' in shown
        assert "5,000 of about 20,000 keys" in shown
        assert "2,500/s" in shown
        assert "about 6 s left" in shown
    assert state == {
        "over": False,
        "phase": "scan",
        "progress": "Scanning: 5,000 of about 20,000 keys.",
        "outlook": "About 6 s left.",
        "badge": "scanning, 25 %",
        "trouble": "",
    }


def test_who_polls_is_not_read_what_may_be_large(browser: Client, make_preview: MakePreview, purger: User) -> None:
    run = make_preview(purger)

    with CaptureQueriesContext(connection) as queries:
        browser.get(page_of(run, "progress"))

    rows = [query["sql"] for query in queries if 'FROM "dealpurge_purgerun"' in query["sql"]]
    assert len(rows) == 1
    assert not any(f'"{column}"' in rows[0] for column in ("deals", "report", "sentences"))


def test_a_run_that_is_over_is_not_polled(browser: Client, make_preview: MakePreview, purger: User) -> None:
    run = make_preview(purger)

    assert "data-dp-poll" not in html(browser, run)
    assert browser.get(page_of(run, "progress")).json()["over"] is True


def test_a_bar_is_as_long_as_its_share_of_the_longest(make_preview: MakePreview, purger: User) -> None:
    run = make_preview(purger)

    bars = RunPage(Preview.load(run.pk), purger).bars

    assert [(bar.label, bar.count, bar.share) for bar in bars] == [
        ("Canvas sessions", 40, "100.00"),
        ("Locks", 2, "5.00"),
        ("Checkpoints (stay)", 0, "0.00"),
    ]


SAMPLES = {"canvas_sessions": ["canvas:session:acme:<b>:1", "canvas:session:acme:d:2"], "locks": ["canvas:lock:acme:d"]}


def families(browser: Client, run: PurgeRun, **query: str) -> str:
    page = browser.get(page_of(run), query).content.decode()
    return " ".join(page.partition("dp-families")[2].partition("</table>")[0].split())


def test_a_preview_shows_some_of_its_keys(browser: Client, make_preview: MakePreview, purger: User) -> None:
    run = make_preview(purger, report={**REPORT, "samples": SAMPLES})

    page = families(browser, run)

    assert ">Show 2 keys</a>" in page
    assert ">Show 1 key</a>" in page
    assert page.count("aria-expanded") == 2  # of checkpoints there are none
    assert page.count('<tr role="row" class="dp-more" hidden>') == 2
    assert "<code>canvas:session:acme:&lt;b&gt;:1</code>" in page


def test_keys_are_shown_without_a_script_too(browser: Client, make_preview: MakePreview, purger: User) -> None:
    run = make_preview(purger, report={**REPORT, "samples": SAMPLES}, outcomes={"would_be_purged": 1})
    link = re.search(
        r'href="([^"]+)" aria-expanded="false" aria-label="Locks: Show 1 key"', families(browser, run, org="x")
    )
    assert link is not None
    assert link[1] == "?org=x&amp;sample=locks#family-2"

    page = families(browser, run, org="x", sample="locks")

    assert page.count('class="dp-more" hidden') == 1
    assert 'href="?org=x&amp;#family-2" aria-expanded="true" aria-label="Locks: Hide keys"' in page


def test_a_purge_has_none_to_show(browser: Client, make_preview: MakePreview, purger: User) -> None:
    page = families(browser, make_preview(purger, dry_run=False))

    assert "Deleted" in page
    assert "Would be" not in page
    assert "aria-expanded" not in page


def test_a_language_with_a_decimal_comma_draws_the_same_bars(
    browser: Client, make_preview: MakePreview, purger: User, settings: Any
) -> None:
    settings.LANGUAGE_CODE = "de"
    settings.USE_THOUSAND_SEPARATOR = True

    page = html(browser, make_preview(purger, report=with_counts(scanned=1180000, families={"a": 3, "b": 1000})))

    assert 'width="0.30%"' in page
    assert "1.180.000" in page


def test_ids_from_redis_are_shown_and_not_run(
    browser: Client, valkey_settings: Any, valkey_client: redis.Redis
) -> None:
    valkey_client.set("canvas:lock:acme:<script>alert(1)</script>", "1")

    browser.post("/admin/dealpurge/purgerun/purge/", {"mode": "by_deal", "deals": "acme:<script>alert(1)</script>"})
    run = PurgeRun.objects.get()
    pages = html(browser, run) + browser.get("/admin/dealpurge/purgerun/").content.decode()

    assert run.keys_to_go == 1
    assert "<script>alert" not in pages
    assert "&lt;script&gt;alert(1)&lt;/script&gt; of acme" in pages


def test_where_there_is_no_command_to_copy_the_page_says_why(
    browser: Client, make_preview: MakePreview, purger: User
) -> None:
    hidden = make_preview(purger, mode="by_deal", deals=[["acme", "a\u200bb"]], deals_named=1)
    wordy = make_preview(purger, reason="two\nlines")

    assert "There is no manage.py command to copy: an id has characters" in html(browser, hidden)
    assert "python manage.py" not in html(browser, hidden)
    assert "&quot;a\\u200bb&quot;" in html(browser, hidden)  # the endpoint takes it: in JSON it can be told
    assert "Without the reason, which has several lines" in html(browser, wordy)
    assert "--reason" not in html(browser, wordy)


def test_no_page_has_inline_code(browser: Client, make_preview: MakePreview, purger: User) -> None:
    run = make_preview(purger)

    for page in (html(browser, run), browser.get("/admin/dealpurge/purgerun/purge/").content.decode()):
        assert page.count("<script") == page.count("<script src=")
        assert "style=" not in page
        assert "<style" not in page
        assert " onclick=" not in page


def test_a_preview_that_was_applied_leads_to_its_run(browser: Client, make_preview: MakePreview, purger: User) -> None:
    preview = make_preview(purger)
    live = make_preview(purger, dry_run=False, preview=preview, started_at=Now())

    page = html(browser, preview)
    assert f'<a href="{page_of(live)}">See the run that it became</a>' in page
    assert page_of(preview, "apply") not in page
    assert f'<a href="{page_of(preview)}">' in html(browser, live)
