urlpatterns = 7
