"""System checks of the endpoint: who is let in, and whether the URLconf has it."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning

from dealpurge.api import address
from dealpurge.conf import conf


def check_authentication() -> Iterator[CheckMessage]:
    """E015, E016 and W005: the endpoint's authentication classes. Who has no endpoint needs none that is left."""
    from dealpurge.api.authentication import authentication_classes, is_bearer  # not before it is asked for: it is slow

    try:
        classes = authentication_classes()
        bearer = [item for item in classes if is_bearer(item())]
    except (ImportError, TypeError) as exc:
        yield Error(
            f"DEALPURGE_AUTHENTICATION_CLASSES cannot be used: {exc}",
            hint="Give a list of dotted paths of Django REST framework authentication classes, or leave it out.",
            id="dealpurge.E015",
        )
        return
    if not bearer:
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
    elif conf.authentication_classes is not None and len(bearer) < len(classes):
        silent = ", ".join(item.__name__ for item in classes if item not in bearer)
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
