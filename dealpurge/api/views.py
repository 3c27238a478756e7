"""POST purge_deals, the runs that it began, and the restore of what one of them has archived."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.request import Request

from dealpurge import permissions, services
from dealpurge.api.base import JsonView, MayCancel, MayRestore, MayViewRuns, answered_in_time, origin_of
from dealpurge.api.beginning import BeginView, shown
from dealpurge.api.errors import RunOver, answer, run_answer
from dealpurge.api.restore_body import RestoreDealsBody
from dealpurge.api.serializers import PurgeDealsBody
from dealpurge.models import PurgeRun
from dealpurge.report import PurgeReport
from dealpurge.restore_report import RestoreReport
from dealpurge.runs.database import stored
from dealpurge.runs.store import Origin
from dealpurge.runs.termination import fail_lost_runs
from dealpurge.scope import PurgeScope, RestoreScope


class PurgeDealsView(BeginView[PurgeScope]):
    """Purge deals, or count what a purge would delete."""

    body_class = PurgeDealsBody

    def scope_of(self, body: PurgeDealsBody) -> PurgeScope:
        """As the service takes it."""
        return body.scope()

    def start(self, scope: PurgeScope, origin: Origin) -> PurgeReport:
        """Purge now."""
        return services.start(scope, origin, deadline=self.deadline)

    def enqueue(self, scope: PurgeScope, origin: Origin) -> PurgeRun:
        """Have a worker purge."""
        return services.queue(scope, origin, deadline=self.deadline)

    def is_of(self, run: PurgeRun, scope: PurgeScope) -> bool:
        """The same scope, and no restore."""
        return not run.is_restore and run.scope == scope


class RestoreRunView(BeginView[RestoreScope]):
    """Write back what a purge has archived, or count what that would be."""

    permission_classes = (MayRestore,)
    body_class = RestoreDealsBody
    own_parts = 3

    @property
    def purge_id(self) -> UUID:
        """Whose archive it is."""
        return UUID(str(self.kwargs["run_id"]))

    def post(self, request: Request, *unnamed: Any, **prefix: Any) -> JsonResponse:
        """As of a purge. A purge that is not there is missed behind all that is wrong with the body."""
        try:
            return super().post(request, *unnamed, **prefix)
        except PurgeRun.DoesNotExist as exc:
            raise Http404 from exc

    def scope_of(self, body: RestoreDealsBody) -> RestoreScope:
        """As the service takes it."""
        return body.scope()

    def start(self, scope: RestoreScope, origin: Origin) -> RestoreReport:
        """Restore now."""
        return services.start_restore(self.purge_id, scope, origin, deadline=self.deadline)

    def enqueue(self, scope: RestoreScope, origin: Origin) -> PurgeRun:
        """Have a worker restore."""
        return services.queue_restore(self.purge_id, scope, origin, deadline=self.deadline)

    def is_of(self, run: PurgeRun, scope: RestoreScope) -> bool:
        """A restore of the same scope from the same archive."""
        return run.restored_run_id == self.purge_id and run.restore_scope == scope


class PurgeRunView(JsonView):
    """How far a run is, and its report once it is over."""

    permission_classes = (MayViewRuns,)
    http_method_names = ["get", "head"]  # noqa: RUF012 - as Django declares it

    def get(self, request: Request, run_id: UUID, **prefix: Any) -> JsonResponse:
        """The run as it is now, found lost if its process is gone."""
        return run_answer(run_id, shown(find(run_id)))


class CancelRunView(JsonView):
    """Stop a run at its next page; what it did by then stands in its report."""

    permission_classes = (MayCancel,)
    http_method_names = ["post"]  # noqa: RUF012 - as Django declares it

    def post(self, request: Request, run_id: UUID, **prefix: Any) -> JsonResponse:
        """The run after it was asked to stop; it may take a page to obey. Who may not begin such a run may not stop
        one."""
        may = permissions.may_restore if find(run_id).is_restore else permissions.may_purge
        if not may(request.user):
            raise PermissionDenied
        if not services.cancel(run_id, origin_of(request)):
            raise RunOver(run_id)
        return run_answer(run_id, shown(find(run_id)))


def find(run_id: UUID) -> PurgeRun:
    """The run as it is now, found lost if its process is gone. Raises ``Http404``."""
    fail_lost_runs()
    with answered_in_time():
        run = stored().filter(pk=run_id).first()
    if run is None:
        raise Http404
    return run


@csrf_exempt
def not_found(request: HttpRequest, *args: Any, **kwargs: Any) -> JsonResponse:
    """What is no address of ours: no redirect, and no page of the host's."""
    return answer(404, "Not Found")
