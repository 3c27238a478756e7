"""The endpoint below a part of the path that has no name."""

from django.urls import include, re_path

urlpatterns = [re_path(r"^(\w+)/api/", include("dealpurge.api.urls"))]
