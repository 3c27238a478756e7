"""To be included below any prefix of the host's; the contract's is ``api/superadmin/``."""

from __future__ import annotations

from django.apps import apps
from django.urls import path, re_path

from dealpurge.api.views import CancelRunView, PurgeDealsView, PurgeRunView, RestoreRunView, not_found

if apps.is_installed("drf_spectacular"):
    from dealpurge.api.schema import operations, restore_operation

    operations.publish()
    restore_operation.publish()

app_name = "dealpurge_api"

urlpatterns = [
    path("purge_deals", PurgeDealsView.as_view(), name="purge_deals"),
    path("purge_runs/<uuid:run_id>", PurgeRunView.as_view(), name="purge_run"),
    path("purge_runs/<uuid:run_id>/cancel", CancelRunView.as_view(), name="cancel_run"),
    path("purge_runs/<uuid:run_id>/restore", RestoreRunView.as_view(), name="restore_run"),
    # APPEND_SLASH redirects to whatever would be found with a slash, and these are found without one.
    # No (?s) here: Django cannot reverse any URL of a site with an inline flag in it.
    re_path(r"^purge_(?:deals|runs)(?:/[\s\S]*)?\Z", not_found),
]
