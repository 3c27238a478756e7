"""The endpoint with an argument of the host's, which stands in no path."""

from django.urls import include, path

urlpatterns = [path("api/", include("dealpurge.api.urls"), {"audience": "staff"})]
