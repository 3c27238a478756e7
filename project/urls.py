from __future__ import annotations

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from dealpurge.api.views import not_found
from project import csp

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("admin/", admin.site.urls),
    path("api/superadmin/", include("dealpurge.api.urls")),
    path("api/schema", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs", csp.with_policy(csp.SWAGGER)(SpectacularSwaggerSplitView.as_view()), name="docs"),
    # Clients of an API read JSON, also where they have mistyped the address.
    re_path(r"^api(?:/|\Z)", not_found),
]
