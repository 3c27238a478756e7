"""What all views have in common: who may, what is asked first, and that whatever comes of it is JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.contrib.auth import get_user_model
from django.db import InterfaceError, OperationalError, connections, transaction
from django.http import HttpResponseBase
from django.utils.decorators import method_decorator
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from dealpurge import permissions
from dealpurge.api import handler
from dealpurge.api.authentication import BearerAuthentication
from dealpurge.models import PurgeRun
from dealpurge.runs.database import alias, bounded, unwritable
from dealpurge.runs.log import valid_request_id
from dealpurge.runs.store import Origin

View = Callable[..., HttpResponseBase]


class MayPurge(BasePermission):
    """Holds ``dealpurge.purge_deals``."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Asked before the body is read."""
        return permissions.may_purge(request.user)


class MayRestore(BasePermission):
    """Holds ``dealpurge.restore_deals``."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Asked before the body is read."""
        return permissions.may_restore(request.user)


class MayCancel(BasePermission):
    """May purge or restore; which of them a run takes is known once it is found."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Who may do neither is not told whether a run exists."""
        return permissions.may_purge(request.user) or permissions.may_restore(request.user)


class MayViewRuns(BasePermission):
    """May purge or restore, or holds ``dealpurge.view_purgerun``."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Who may do either may see how it went."""
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


@contextmanager
def answered_in_time() -> Iterator[None]:
    """Around what the record's database is asked, which is that of users and tokens too as a rule. Raises
    ``AuditUnavailable`` where it does not answer, or is away."""
    try:
        with bounded():
            yield
    except (OperationalError, InterfaceError) as exc:
        raise unwritable(exc, alias()) from exc


def origin_of(request: Request) -> Origin:
    """Who asked: a user of the database, or by name where the token stands for nobody there."""
    user, request_id = request.user, request_id_of(request)
    if isinstance(user, get_user_model()):
        return Origin(source=PurgeRun.Source.API, actor=user, request_id=request_id)
    return Origin(source=PurgeRun.Source.API, actor_name=str(user), request_id=request_id)


def request_id_of(request: Request) -> str:
    """The ``X-Request-ID`` that the request came with, if it may be repeated."""
    return valid_request_id(str(request.META.get("HTTP_X_REQUEST_ID", "")))
