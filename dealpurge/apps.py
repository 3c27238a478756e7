"""The app's configuration."""

from __future__ import annotations

from django.apps import AppConfig, apps
from django.utils.translation import gettext_lazy as _


class DealPurgeConfig(AppConfig):
    """Registers the system checks, and the entries in the history of the host's deals."""

    name = "dealpurge"
    verbose_name = _("Deal purge")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Import the checks, which register themselves; the admin may not be installed."""
        from dealpurge import checks  # noqa: F401
        from dealpurge.signals import purge_finished

        if apps.is_installed("django.contrib.admin"):
            from dealpurge.console.deals.history import record

            purge_finished.connect(record, dispatch_uid="dealpurge.deal_history")
