from __future__ import annotations

import os
import secrets
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import redis
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.core.servers.basehttp import ThreadedWSGIServer
from django_redis import get_redis_connection
from knox.models import AuthToken

from project.deals import seed, serving
from project.deals.instructions import Access, instructions

HOUR = 3600


class Command(BaseCommand):
    help = "Seed deals into the database and a Redis, show a dry run, and serve the admin and the API until Ctrl-C."
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="port of the web server; 0 finds a free one")
        parser.add_argument("--no-serve", action="store_false", dest="serve", help="end after the dry run")

    def handle(self, *args: Any, port: int, serve: bool, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "The demo makes a superuser and deals: it is for a development checkout (DJANGO_DEBUG=1)."
            )
        with serving.interruptible(), ExitStack() as stack:
            server = stack.enter_context(self.listening(port)) if serve else None
            stack.enter_context(self.redis_running())
            self.seed()
            self.stdout.write(self.style.MIGRATE_HEADING("\nA dry run, deals active within the last hour left out:\n"))
            call_command("purge_deals", mode="all", exclude_active_within_secs=HOUR, stdout=self.stdout)
            if server:
                self.serve(server)

    @contextmanager
    def listening(self, port: int) -> Iterator[ThreadedWSGIServer]:
        """The web server, bound before anything else is done. Another port is a matter of an option."""
        try:
            with serving.web_server(port) as server:
                yield server
        except serving.PortTakenError as exc:
            raise CommandError(f"{exc}. Name another port with --port.") from exc

    @contextmanager
    def redis_running(self) -> Iterator[None]:
        """The Redis that REDIS_URL names, or one of our own for as long as the demo lasts."""
        if os.environ.get("REDIS_URL"):
            self.stdout.write("Redis: the one that REDIS_URL names")
            yield
            return
        try:
            with serving.valkey(settings.DEMO_REDIS_PORT):
                self.stdout.write(f"Valkey: started on {serving.HOST}:{settings.DEMO_REDIS_PORT}, in memory")
                yield
        except serving.PortTakenError as exc:
            raise CommandError(
                f"{exc}: no Valkey can be started there. Stop what listens on it (another demo, perhaps), "
                "choose another port with DEMO_REDIS_PORT=..., or name a Redis of your own with REDIS_URL=..."
            ) from exc

    def seed(self) -> None:
        """Rows and keys; a Redis that holds keys of somebody else is left alone."""
        client: redis.Redis = get_redis_connection("default")
        try:
            foreign = seed.foreign_keys(client)
        except redis.RedisError as exc:
            raise CommandError(f"The Redis that REDIS_URL names cannot be used ({type(exc).__name__}).") from exc
        if foreign:
            names = ", ".join(repr(key.decode(errors="backslashreplace")) for key in foreign)
            raise CommandError(
                f"This Redis holds keys that the demo did not make ({names}). Nothing was written to it."
            )
        call_command("migrate", interactive=False, verbosity=0)
        deals = seed.seed_database()
        keys = seed.seed_redis(client, [(deal.organization.slug, deal.deal_id) for deal in deals])
        self.stdout.write(f"Seeded: {len(deals)} deals in the database, {keys} keys in Redis")

    def serve(self, server: ThreadedWSGIServer) -> None:
        address = f"http://{serving.HOST}:{server.server_port}"
        with serving.tasks_worker():
            self.stdout.write(instructions(grant_access(address)))
            server.serve_forever()


def grant_access(address: str) -> Access:
    """The user `admin` with a new password, and a token that replaces those of earlier demos."""
    user, _ = User.objects.get_or_create(username="admin")
    user.is_staff = user.is_superuser = user.is_active = True
    password = secrets.token_urlsafe(9)
    user.set_password(password)
    user.save()
    AuthToken.objects.filter(user=user).delete()
    _, token = AuthToken.objects.create(user=user)
    return Access(address=address, user="admin", password=password, token=token)
