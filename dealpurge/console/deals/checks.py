"""System checks of the admin sites that use the mixin."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error


def check_admin_sites() -> Iterator[CheckMessage]:
    """E019 and E022: the admins with the mixin. Its pages stand on the admin of ``PurgeRun`` in the same site."""
    # A mixin that nobody has imported is used by nobody, and importing it here would register its admin.
    module = sys.modules.get("dealpurge.admin")
    if module is None or not apps.is_installed("django.contrib.admin"):
        return
    from django.contrib.admin.sites import all_sites

    from dealpurge.models import PurgeRun

    for site in sorted(all_sites, key=lambda site: site.name):
        users = [admin for admin in site._registry.values() if isinstance(admin, module.DealPurgeAdminMixin)]
        yield from _check_bases(users, module.DealPurgeAdminMixin)
        if users and not site.is_registered(PurgeRun):
            yield Error(
                f"{type(users[0]).__name__} uses DealPurgeAdminMixin in the admin site {site.name!r}, "
                "which does not have PurgeRun registered.",
                hint=(
                    "Where the site's other models are registered, add: from dealpurge.admin import PurgeRunAdmin; "
                    "from dealpurge.models import PurgeRun; site.register(PurgeRun, PurgeRunAdmin)"
                ),
                obj=type(users[0]),
                id="dealpurge.E019",
            )


def _check_bases(admins: Sequence[Any], mixin: type[Any]) -> Iterator[CheckMessage]:
    """Behind ``ModelAdmin``, whose methods do not call ``super``, the mixin's are never reached."""
    from django.contrib.admin import ModelAdmin

    for item in map(type, admins):
        if item.__mro__.index(mixin) > item.__mro__.index(ModelAdmin):
            yield Error(
                f"{item.__name__} has DealPurgeAdminMixin behind ModelAdmin in its bases, so its buttons never show.",
                hint=f"Put the mixin first: class {item.__name__}(DealPurgeAdminMixin, admin.ModelAdmin)",
                obj=item,
                id="dealpurge.E022",
            )
