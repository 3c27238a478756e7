"""A request that begins a run: waited for, or left to a worker, or asked again with its key."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.http import HttpRequest, JsonResponse
from django.utils.encoding import escape_uri_path
from django.utils.http import escape_leading_slashes
from rest_framework.request import Request

from dealpurge.api import idempotency
from dealpurge.api.answers.representation import run_as_dict
from dealpurge.api.base import JsonView, answered_in_time, origin_of
from dealpurge.api.body import json_object
from dealpurge.api.errors import InvalidBody, run_answer
from dealpurge.api.serializers import ClosedObject, item
from dealpurge.clock import Deadline
from dealpurge.conf import conf
from dealpurge.exceptions import RequestRepeated, ScopeError
from dealpurge.models import PurgeRun
from dealpurge.report import PurgeReport
from dealpurge.restore_report import RestoreReport
from dealpurge.runs.archive.restores import ids_of_live
from dealpurge.runs.store import Origin
from dealpurge.scope import PurgeScope, RestoreScope

Scope = TypeVar("Scope", PurgeScope, RestoreScope)

RESPOND_ASYNC = "respond-async"


class BeginView(JsonView, Generic[Scope]):
    """Begins a run of a scope."""

    http_method_names = ["post"]  # noqa: RUF012 - as Django declares it
    deadline: Deadline | None = None
    body_class: type[ClosedObject[Any]]
    #: How many parts of its path the addresses of runs do not begin with.
    own_parts = 1

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """The time of the request counts from here: looking the token up takes some of it, and so does the body."""
        if conf.request_timeout is not None:
            self.deadline = Deadline(conf.request_timeout)
        super().initial(request, *args, **kwargs)

    @abstractmethod
    def scope_of(self, body: Any) -> Scope:
        """What a valid body asks for. Raises ``ScopeError``."""

    @abstractmethod
    def start(self, scope: Scope, origin: Origin) -> PurgeReport | RestoreReport:
        """Do it now."""

    @abstractmethod
    def enqueue(self, scope: Scope, origin: Origin) -> PurgeRun:
        """Leave it to a worker."""

    @abstractmethod
    def is_of(self, run: PurgeRun, scope: Scope) -> bool:
        """Whether this is what the run was begun for."""

    def post(self, request: Request, *unnamed: Any, **prefix: Any) -> JsonResponse:
        """The report, or with ``Prefer: respond-async`` the queued run."""
        data = json_object(request._request)
        body = self.body_class(data=data)
        if not body.is_valid():
            raise InvalidBody(*body.error_items())
        act = self.queued if wants_async(request) else self.done
        try:
            return act(request, self.scope_of(body))
        except ScopeError as exc:
            items = (item((error.field,), error.code, error.message, data) for error in exc.errors)
            raise InvalidBody(*items) from exc

    def done(self, request: Request, scope: Scope) -> JsonResponse:
        """Do it now, and answer with the report, in time for the web server to pass it on."""
        try:
            report = self.start(scope, self.origin(request, scope))
        except RequestRepeated as exc:
            idempotency.check_same(request, self.is_of(exc.run, scope))
            if not exc.run.is_over:
                raise
            return idempotency.answer_again(exc.run)
        return run_answer(report.run_id, report.as_dict())

    def queued(self, request: Request, scope: Scope) -> JsonResponse:
        """Leave it to a worker, and answer with where to ask."""
        try:
            run = self.enqueue(scope, self.origin(request, scope))
        except RequestRepeated as exc:
            run = exc.run
            idempotency.check_same(request, self.is_of(run, scope))
        address = address_of(run.pk, request._request, self.own_parts)
        headers = {"Location": address, "Preference-Applied": RESPOND_ASYNC}
        return run_answer(run.pk, shown(run), status=202, headers=headers)

    def origin(self, request: Request, scope: Scope) -> Origin:
        """Who asked, and if for real, with which key. Raises ``InvalidBody`` for a key that is none."""
        origin, key = origin_of(request), None if scope.dry_run else idempotency.key_of(request)
        return origin if key is None else idempotency.with_key(origin, key)


def shown(run: PurgeRun) -> dict[str, Any]:
    """The run as it is answered, and the restores of it."""
    with answered_in_time():
        return run_as_dict(run, ids_of_live(run))


def address_of(run_id: UUID, request: HttpRequest, own_parts: int) -> str:
    """Where to ask for a run: beside the address of the request that began it, whatever the host has put before."""
    parent = escape_leading_slashes(escape_uri_path(request.path)).rsplit("/", own_parts)[0]
    return f"{parent}/purge_runs/{run_id}"


def wants_async(request: Request) -> bool:
    """Whether ``Prefer`` (RFC 7240) has ``respond-async`` among its preferences."""
    preferences = request.META.get("HTTP_PREFER", "").split(",")
    return any(text.partition(";")[0].strip().lower() == RESPOND_ASYNC for text in preferences)
