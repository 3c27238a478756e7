"""System checks of the doors: who is let in at the endpoint, and what an admin site needs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.utils.module_loading import import_string

from dealpurge.api import address
from dealpurge.conf import conf


def check_authentication() -> Iterator[CheckMessage]:
    """E015, E016 and W005: the endpoint's authentication classes. Who has no endpoint needs none that is left."""
    try:
        classes = _authentication_classes()
    except (ImportError, TypeError) as exc:
        yield Error(
            f"DEALPURGE_AUTHENTICATION_CLASSES cannot be used: {exc}",
            hint="Give a list of dotted paths of Django REST framework authentication classes, or leave it out.",
            id="dealpurge.E015",
        )
        return
    if not any(map(_is_bearer, classes)):
        if _lacks_endpoint():
            return
        yield Error(
            "No authentication class is left for the endpoint: none of them answers with Bearer.",
            hint=(
                "Name one whose authenticate_header begins with Bearer in DEALPURGE_AUTHENTICATION_CLASSES, or in "
                "DEFAULT_AUTHENTICATION_CLASSES of REST_FRAMEWORK. For django-rest-knox that is "
                "'knox.auth.TokenAuthentication' with REST_KNOX = {'AUTH_HEADER_PREFIX': 'Bearer'}."
            ),
            id="dealpurge.E016",
        )
    elif conf.authentication_classes is not None and not all(map(_is_bearer, classes)):
        silent = ", ".join(item.__name__ for item in classes if not _is_bearer(item))
        yield Warning(
            f"DEALPURGE_AUTHENTICATION_CLASSES names {silent}, which the endpoint never asks.",
            hint="Leave it out: only what answers with Bearer is asked, so that no cookie and no password lets in.",
            id="dealpurge.W005",
        )


def check_endpoint() -> Iterator[CheckMessage]:
    """W006: whether the URLconf has it."""
    if _lacks_endpoint():
        yield Warning(
            f"{settings.ROOT_URLCONF} does not include dealpurge.api.urls, so the endpoint has no address.",
            hint=(
                "Add path('api/superadmin/', include('dealpurge.api.urls')) to its urlpatterns. Where the command and "
                "the admin are all that is wanted, put 'dealpurge.W006' into SILENCED_SYSTEM_CHECKS."
            ),
            id="dealpurge.W006",
        )


def _lacks_endpoint() -> bool:
    """Whether the URLconf has it nowhere; False where that cannot be told."""
    if getattr(settings, "ROOT_URLCONF", None) is None:
        return False
    try:
        return next(address.names(), None) is None
    except Exception:  # Django's own checks say what is wrong with the URLconf
        return False


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


def _authentication_classes() -> Sequence[type[Any]]:
    paths: object = conf.authentication_classes
    if paths is None:
        from rest_framework.settings import api_settings

        return api_settings.DEFAULT_AUTHENTICATION_CLASSES  # type: ignore[return-value]  # imported when read
    if isinstance(paths, str) or not isinstance(paths, Sequence):
        raise TypeError(f"{paths!r} is no list.")
    classes = [import_string(path) if isinstance(path, str) else path for path in paths]
    for item in classes:
        if not callable(getattr(item, "authenticate", None)):
            raise TypeError(f"{item!r} is no authentication class.")
    return classes


def _is_bearer(authentication: type[Any]) -> bool:
    return str(authentication().authenticate_header(None) or "").lower().startswith("bearer")
