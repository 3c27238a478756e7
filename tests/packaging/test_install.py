"""A newcomer installs the wheel, follows the README word for word, and purges through every door."""

from __future__ import annotations

import pytest
import redis

from tests.support.browser import Browser
from tests.support.newcomer import Environment, Newcomer
from tests.support.readme_blocks import Block, of_kind
from tests.support.seeding import HOUR, names, seed_deal

pytestmark = pytest.mark.slow

#: What runs a purge: what we declare, and what those packages need themselves.
NEEDED = {"django-dealpurge", "django", "djangorestframework", "django-redis", "redis", "asgiref", "sqlparse"}
#: Needed by them on some versions of Python and some systems only.
NEEDED_SOMEWHERE = {"typing-extensions", "async-timeout", "tzdata"}

DEALS = range(1, 5)
ROWS = """
acme = Organization.objects.create(slug="acme")
Deal.objects.bulk_create(Deal(deal_id=f"deal-{number}", organization=acme) for number in range(1, 5))
"""
RUNS = "print(*PurgeRun.objects.order_by('created_at').values_list('source', 'dry_run', 'status', 'keys_deleted'))"


@pytest.fixture
def keys(client: redis.Redis) -> dict[int, set[str]]:
    """The keys of each deal by its number, as they now are in the newcomer's Redis."""
    return {number: set(seed_deal(client, "acme", f"deal-{number}", age=2 * HOUR)) for number in DEALS}


def test_the_wheel_brings_what_a_purge_needs_and_nothing_else(environment: Environment) -> None:
    environment.pip("install", ".")

    assert environment.packages() - NEEDED_SOMEWHERE == NEEDED


def test_the_readme_leads_to_three_doors_that_purge(
    newcomer: Newcomer, client: redis.Redis, keys: dict[int, set[str]]
) -> None:
    client.set("somebody:else", "stays")
    make_token = follow_the_readme(newcomer)
    assert newcomer.environment.packages() - NEEDED_SOMEWHERE == NEEDED | {"django-rest-knox"}

    newcomer.shell("python manage.py purge_deals --mode by_deal --deal-id deal-1 --no-dry-run --no-input")
    assert names(client) == keys[2] | keys[3] | keys[4] | {"somebody:else"}

    with newcomer.site() as browser:
        purge_by_endpoint(browser, newcomer.follow(make_token).strip())
        assert names(client) == keys[3] | keys[4] | {"somebody:else"}

        purge_in_the_admin(browser)
        assert names(client) == keys[4] | {"somebody:else"}

    assert newcomer.manage("shell", "-v", "0", "-c", RUNS).split(") (") == [
        "('command', False, 'completed', 5",
        "'api', False, 'completed', 5",
        "'admin', True, 'completed', 0",
        "'admin', False, 'completed', 5)\n",
    ]


def test_with_the_extras_there_are_a_worker_and_a_schema(
    newcomer: Newcomer, client: redis.Redis, keys: dict[int, set[str]]
) -> None:
    newcomer.shell('pip install ".[openapi]"')
    make_token = follow_the_readme(newcomer)
    for block in (*of_kind("extra"), *of_kind("files")):
        if any(words in block.text for words in ("[tasks]", "django_tasks_db", "drf_spectacular")):
            newcomer.follow(block)
    migrate, work = (command for block in of_kind("worker") for command in block.commands)

    newcomer.shell(migrate)
    assert "/api/superadmin/purge_deals:" in newcomer.manage("spectacular", "--validate", "--fail-on-warn")

    with newcomer.site() as browser:
        assert "operationId: purge_deals" in browser.open("/api/schema").text
        assert "swagger" in browser.open("/api/docs").text
        token = newcomer.follow(make_token).strip()
        purge_by_endpoint(browser, token, Prefer="respond-async")
    assert keys[2] <= names(client)

    newcomer.shell(f"{work} --batch")
    assert names(client) == keys[1] | keys[3] | keys[4]


def follow_the_readme(newcomer: Newcomer) -> Block:
    """Install it as the README says, in a project of deals; what makes a token, still to be run."""
    install, *paste, set_up, make_token = of_kind("installation")

    newcomer.follow(install)
    newcomer.start_project()
    for block in paste:
        assert newcomer.follow(block) == ""
    assert "System check identified no issues (0 silenced)." in newcomer.follow(set_up)
    assert newcomer.manage("makemigrations", "--check", "--dry-run") == "No changes detected\n"
    newcomer.manage("createsuperuser", "--no-input", "--username", "admin", "--email", "admin@example.com")
    newcomer.manage("shell", "-v", "0", "-c", ROWS)
    return make_token


def purge_by_endpoint(browser: Browser, token: str, **headers: str) -> None:
    """Deal 2 goes, now or later."""
    body = {"mode": "by_deal", "deal_id": "deal-2", "dry_run": False}
    answer = browser.call("/api/superadmin/purge_deals", body, Authorization=f"Bearer {token}", **headers)
    assert answer["status"] == ("queued" if headers else "completed")


def purge_in_the_admin(browser: Browser) -> None:
    """Deal 3 goes: log in, find it in the list, press the button, look at the preview, apply it."""
    page = browser.submit(browser.open("/admin/"), "", username="admin", password="a-long-password")
    page = browser.follow(browser.follow(page, "Deals"), "Deal object (3)")
    page = browser.follow(page, "Purge Redis state…")
    assert browser.open(page.styles["console.css"]).text

    preview = browser.submit(page, "/purgerun/purge/")
    assert "Purge 1 deal" in preview.text
    done = browser.submit(preview, "/apply/")
    assert "completed" in done.text
