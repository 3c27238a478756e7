"""A headless Chromium, driven as a person would, against a live server with a real Valkey."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
import redis
from django.contrib.auth.models import User
from django.db import connections
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from dealpurge import services
from dealpurge.exceptions import DealPurgeError
from dealpurge.execution.purge import Purge
from dealpurge.models import PurgeRun
from tests.support.seeding import HOUR, seed_deal
from tests.support.servers import missing

LIST = "/admin/dealpurge/purgerun/"
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Playwright's own loop counts as asynchronous for Django, so its end comes with the end of this package."""
    path = shutil.which("chromium") or CHROMIUM
    if not os.path.exists(path):
        missing("Chromium is not installed (apt-get install chromium)")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
            yield browser
            browser.close()
    finally:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@dataclass
class Person:
    """Somebody at a browser of their own."""

    context: BrowserContext
    page: Page
    base: str
    complaints: list[str] = field(default_factory=list)

    def go(self, path: str) -> None:
        self.page.goto(self.base + path)

    def log_in(self, name: str) -> None:
        """Fill in the login form that is shown."""
        self.page.fill("#id_username", name)
        self.page.fill("#id_password", name)
        self.page.click("[type=submit]")

    def press(self, button: str) -> None:
        self.page.click(f"button:has-text('{button}'):visible")

    def preview(self, **fields: str) -> PurgeRun:
        """Fill in the form, and look at the preview."""
        self.go(f"{LIST}purge/")
        if "deals" not in fields:
            self.page.check("input[name=mode][value=all]")
        if "org_id" in fields:
            self.page.check("input[name=mode][value=organisation]")
        if fields.pop("guard", "on") == "off":
            self.page.uncheck("[name=guard]")
        for name, value in fields.items():
            self.page.fill(f"[name={name}]", value)
        self.press("Preview")
        self.page.wait_for_selector("h1:has-text('Preview:')")
        return self.run()

    def run(self) -> PurgeRun:
        """The run whose page is shown."""
        return PurgeRun.objects.get(pk=self.page.url.split("/")[-3])

    def text(self) -> str:
        return self.page.inner_text("#content")


@pytest.fixture
def person(
    chromium: Browser, live_server: LiveServer, superuser: User, purger: User
) -> Iterator[Callable[..., Person]]:
    """Opens a browser and logs in. At the end none of its pages may have broken the content security policy."""
    people: list[Person] = []

    def sit_down(name: str = "root", **options: Any) -> Person:
        context = chromium.new_context(**options)
        context.set_default_timeout(15_000)
        somebody = Person(context, context.new_page(), live_server.url)
        people.append(somebody)
        somebody.page.on("console", lambda message: somebody.complaints.append(message.text))
        somebody.page.on("pageerror", lambda error: somebody.complaints.append(f"error: {error}"))
        somebody.go("/admin/login/?next=/admin/")
        somebody.log_in(name)
        return somebody

    yield sit_down
    for somebody in people:
        somebody.context.close()
    complaints = [text for somebody in people for text in somebody.complaints]
    assert not [text for text in complaints if "Content Security Policy" in text or text.startswith("error:")]


class Worker:
    """Carries out queued runs in threads, and holds them once so many keys are scanned, heart beating."""

    def __init__(self) -> None:
        self.hold_at: list[int] = []
        self.threads: list[threading.Thread] = []
        self._released = threading.Event()

    def enqueue(self, run_id: str) -> None:
        thread = threading.Thread(target=self._work, args=(UUID(run_id),))
        self.threads.append(thread)
        thread.start()

    def release(self) -> None:
        """Let the run go on to the next hold, or to its end."""
        self._released.set()

    def end(self) -> None:
        """Let all runs end."""
        self.hold_at.clear()
        self.release()
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive()

    def holds(self, scanned: int) -> bool:
        """Whether a run that has come so far is to wait."""
        if not self.hold_at or scanned < self.hold_at[0]:
            return False
        if self._released.is_set():
            self.hold_at.pop(0)
            self._released.clear()
            return False
        return True

    def _work(self, run_id: UUID) -> None:
        try:
            services.run(run_id)
        except DealPurgeError:
            pass  # it stands in the row
        finally:
            connections.close_all()


@pytest.fixture
def worker(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """Runs are carried out in the background, as on a real site."""
    worker = Worker()
    settings.DEALPURGE_ENQUEUE = worker.enqueue
    # Pages small enough that there are many of them.
    settings.DEALPURGE_SCAN_COUNT = 50
    watch = Purge.watch

    def held(execution: Purge) -> bool:
        """Watch again and again while the run is to be held, as the engine does while it waits for a server."""
        while watch(execution):
            if not worker.holds(execution.tally.progress()[0]):
                return True
            time.sleep(0.02)
        return False

    monkeypatch.setattr(Purge, "watch", held)
    yield worker
    worker.end()


@pytest.fixture
def deals(valkey_settings: Settings, valkey_client: redis.Redis) -> redis.Redis:
    """Twelve deals of two organisations with 3,000 keys, two of them active, and keys of nobody's."""
    for number in range(12):
        org_id, age = "acme" if number < 8 else "birch", 60 if number in (3, 9) else 9 * 24 * HOUR
        seed_deal(valkey_client, org_id, f"deal-{number}", age=age, locks=0, image_crops=249, checkpoints=1)
    valkey_client.mset({f"somebody:else:{number}": 1 for number in range(100)})
    return valkey_client
