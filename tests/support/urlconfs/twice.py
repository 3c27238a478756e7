"""The endpoint at two addresses, in one namespace."""

from django.urls import include, path

urlpatterns = [path(f"{prefix}/api/", include("dealpurge.api.urls")) for prefix in ("old", "new")]
