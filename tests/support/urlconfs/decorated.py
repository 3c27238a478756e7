from django.urls import path
from django.views.decorators.cache import never_cache

from dealpurge.api.views import PurgeDealsView


class OurPurgeDealsView(PurgeDealsView):
    """Of the host."""


urlpatterns = [path("purge", never_cache(OurPurgeDealsView.as_view()))]
