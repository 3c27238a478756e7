"""POST purge_deals, and the runs that it queued."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db import InterfaceError, OperationalError, connections, transaction
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.utils.decorators import method_decorator
from django.utils.encoding import escape_uri_path
from django.utils.http import escape_leading_slashes
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from dealpurge import permissions, services
from dealpurge.api import handler, idempotency
from dealpurge.api.answers.representation import run_as_dict
from dealpurge.api.authentication import BearerAuthentication
from dealpurge.api.body import json_object
from dealpurge.api.errors import InvalidBody, RunOver, answer, run_answer
from dealpurge.api.serializers import PurgeDealsBody, item
from dealpurge.clock import Deadline
from dealpurge.conf import conf
from dealpurge.exceptions import RequestRepeated, ScopeError
from dealpurge.models import PurgeRun
from dealpurge.runs.database import alias, bounded, stored, unwritable
from dealpurge.runs.log import valid_request_id
from dealpurge.runs.store import Origin
from dealpurge.runs.termination import fail_lost_runs
from dealpurge.scope import PurgeScope

View = Callable[..., HttpResponseBase]

RESPOND_ASYNC = "respond-async"


class MayPurge(BasePermission):
    """Holds ``dealpurge.purge_deals``."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Asked before the body is read."""
        return permissions.may_purge(request.user)


class MayViewRuns(BasePermission):
    """May purge, or holds ``dealpurge.view_purgerun``."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Who may purge may see how it went."""
        return permissions.may_view_runs(request.user)


def outside_transactions(view: View) -> View:
    """Whatever ``ATOMIC_REQUESTS`` says of any database: the record of a run is committed before its first delete."""
    for name in connections:
        view = transaction.non_atomic_requests(using=name)(view)
    return view


@method_decorator(outside_transactions, name="dispatch")
class JsonView(APIView):
    """Method, then credentials, then permission, then the body; JSON out, whatever was accepted."""

    authentication_classes = (BearerAuthentication,)
    permission_classes: Sequence[type[BasePermission]] = (MayPurge,)
    versioning_class = None  # for the published schema: nothing of a request is negotiated

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """DRF asks for credentials first and negotiates the answer's format; the contract has neither."""
        if (request.method or "") not in self.allowed_methods:
            raise MethodNotAllowed(request.method or "")
        with answered_in_time():
            self.perform_authentication(request)
            self.check_permissions(request)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Not to be kept by caches, and with the request's own id where it came with one."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response.headers["Cache-Control"] = "no-store"
        request_id = request_id_of(request)
        if request_id:
            response.headers["X-Request-ID"] = request_id
        return response

    def get_exception_handler(self) -> Callable[..., Any]:
        """Ours, whatever the host's settings name."""
        return handler.handle


class PurgeDealsView(JsonView):
    """Purge deals, or count what a purge would delete."""

    http_method_names = ["post"]  # noqa: RUF012 - as Django declares it
    deadline: Deadline | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """The time of the request counts from here: looking the token up takes some of it, and so does the body."""
        if conf.request_timeout is not None:
            self.deadline = Deadline(conf.request_timeout)
        super().initial(request, *args, **kwargs)

    def post(self, request: Request, *unnamed: Any, **prefix: Any) -> JsonResponse:
        """The report, or with ``Prefer: respond-async`` the queued run."""
        data = json_object(request._request)
        body = PurgeDealsBody(data=data)
        if not body.is_valid():
            raise InvalidBody(*body.error_items())
        act = self.queue if wants_async(request) else self.purge
        try:
            return act(request, body.scope())
        except ScopeError as exc:
            items = (item(error.field, error.code, error.message, data) for error in exc.errors)
            raise InvalidBody(*items) from exc

    def purge(self, request: Request, scope: PurgeScope) -> JsonResponse:
        """Do it now, and answer with the report, in time for the web server to pass it on."""
        try:
            report = services.start(scope, self.origin(request, scope), deadline=self.deadline)
        except RequestRepeated as exc:
            idempotency.check_scope(request, scope, exc.run)
            if not exc.run.is_over:
                raise
            return idempotency.answer_again(exc.run)
        return run_answer(report.run_id, report.as_dict())

    def queue(self, request: Request, scope: PurgeScope) -> JsonResponse:
        """Leave it to a worker, and answer with where to ask."""
        try:
            run = services.queue(scope, self.origin(request, scope), deadline=self.deadline)
        except RequestRepeated as exc:
            run = exc.run
            idempotency.check_scope(request, scope, run)
        headers = {"Location": address_of(run.pk, request._request), "Preference-Applied": RESPOND_ASYNC}
        return run_answer(run.pk, run_as_dict(run), status=202, headers=headers)

    def origin(self, request: Request, scope: PurgeScope) -> Origin:
        """Who asked, and if a live purge, with which key. Raises ``InvalidBody`` for a key that is none."""
        origin, key = origin_of(request), None if scope.dry_run else idempotency.key_of(request)
        return origin if key is None else idempotency.with_key(origin, key)


class PurgeRunView(JsonView):
    """How far a run is, and its report once it is over."""

    permission_classes = (MayViewRuns,)
    http_method_names = ["get", "head"]  # noqa: RUF012 - as Django declares it

    def get(self, request: Request, run_id: UUID, **prefix: Any) -> JsonResponse:
        """The run as it is now, found lost if its process is gone."""
        return run_answer(run_id, run_as_dict(find(run_id)))


class CancelRunView(JsonView):
    """Stop a run at its next page; what it did by then stands in its report."""

    http_method_names = ["post"]  # noqa: RUF012 - as Django declares it

    def post(self, request: Request, run_id: UUID, **prefix: Any) -> JsonResponse:
        """The run after it was asked to stop; it may take a page to obey."""
        find(run_id)
        if not services.cancel(run_id, origin_of(request)):
            raise RunOver(run_id)
        return run_answer(run_id, run_as_dict(find(run_id)))


@contextmanager
def answered_in_time() -> Iterator[None]:
    """Around what the record's database is asked, which is that of users and tokens too as a rule. Raises
    ``AuditUnavailable`` where it does not answer, or is away."""
    try:
        with bounded():
            yield
    except (OperationalError, InterfaceError) as exc:
        raise unwritable(exc, alias()) from exc


def find(run_id: UUID) -> PurgeRun:
    """The run as it is now, found lost if its process is gone. Raises ``Http404``."""
    fail_lost_runs()
    with answered_in_time():
        run = stored().filter(pk=run_id).first()
    if run is None:
        raise Http404
    return run


def address_of(run_id: UUID, request: HttpRequest) -> str:
    """Where to ask for a run: beside the address of the request that began it, whatever the host has put before."""
    parent, _, _ = escape_leading_slashes(escape_uri_path(request.path)).rpartition("/")
    return f"{parent}/purge_runs/{run_id}"


def wants_async(request: Request) -> bool:
    """Whether ``Prefer`` (RFC 7240) has ``respond-async`` among its preferences."""
    preferences = request.META.get("HTTP_PREFER", "").split(",")
    return any(text.partition(";")[0].strip().lower() == RESPOND_ASYNC for text in preferences)


def origin_of(request: Request) -> Origin:
    """Who asked: a user of the database, or by name where the token stands for nobody there."""
    user, request_id = request.user, request_id_of(request)
    if isinstance(user, get_user_model()):
        return Origin(source=PurgeRun.Source.API, actor=user, request_id=request_id)
    return Origin(source=PurgeRun.Source.API, actor_name=str(user), request_id=request_id)


def request_id_of(request: Request) -> str:
    """The ``X-Request-ID`` that the request came with, if it may be repeated."""
    return valid_request_id(str(request.META.get("HTTP_X_REQUEST_ID", "")))


@csrf_exempt
def not_found(request: HttpRequest, *args: Any, **kwargs: Any) -> JsonResponse:
    """What is no address of ours: no redirect, and no page of the host's."""
    return answer(404, "Not Found")
