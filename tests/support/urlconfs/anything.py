"""The endpoint below whatever somebody likes to write."""

from django.urls import include, re_path

urlpatterns = [re_path(r"^(?P<anything>.+)/api/", include("dealpurge.api.urls"))]
