from django.contrib import admin
from django.urls import include, path

api = [path("superadmin/", include("dealpurge.api.urls", namespace="purges"))]
urlpatterns = [path("admin/", admin.site.urls), path("api/", include((api, "platform")))]
