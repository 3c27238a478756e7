from django.urls import include, path

urlpatterns = [path("purges/", include("dealpurge.api.urls"))]
