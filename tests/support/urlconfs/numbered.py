"""The endpoint below a part of the path that has the name of one of its own."""

from django.urls import include, path

urlpatterns = [path("<int:run_id>/api/", include("dealpurge.api.urls"))]
