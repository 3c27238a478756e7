"""The endpoint below a part that is another in each request."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("admin/", admin.site.urls), path("<slug:tenant>/api/", include("dealpurge.api.urls"))]
