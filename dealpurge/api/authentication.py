"""Bearer tokens, checked by the host's own classes once the header has the shape of one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from django.utils.module_loading import import_string
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated
from rest_framework.request import Request
from rest_framework.settings import api_settings

from dealpurge.conf import conf

#: The scheme in any case, spaces and no tab, one token of visible ASCII. What knox and others make of more than
#: that ranges from acceptance to a 500.
HEADER = re.compile(r"bearer +([\x21-\x7e]+)", re.IGNORECASE | re.ASCII)


class BearerAuthentication(BaseAuthentication):
    """Asks the host's Bearer classes in turn. Cookies and query strings are no credentials, whatever they are asked."""

    def authenticate(self, request: Request) -> tuple[Any, Any]:
        """The user and the token. Raises ``NotAuthenticated`` or ``AuthenticationFailed``, both a 401."""
        header = request.META.get("HTTP_AUTHORIZATION", "")
        match = HEADER.fullmatch(header)
        if not match:
            raise AuthenticationFailed() if header else NotAuthenticated()
        # Some classes know the scheme in one case only.
        request.META["HTTP_AUTHORIZATION"] = f"Bearer {match[1]}"
        request._request.__dict__.pop("headers", None)
        for authenticator in bearer_authenticators():
            authenticated = authenticator.authenticate(request)
            if authenticated is not None:
                return authenticated
        raise AuthenticationFailed()

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return "Bearer"


def bearer_authenticators() -> list[BaseAuthentication]:
    """Those of the classes in force that speak Bearer: another one would let cookies or passwords in."""
    return [authenticator for authenticator in (cls() for cls in authentication_classes()) if is_bearer(authenticator)]


def authentication_classes() -> Sequence[type[BaseAuthentication]]:
    """The classes of ``DEALPURGE_AUTHENTICATION_CLASSES``, else the host's default ones.

    Raises ``ImportError``, and ``TypeError`` for what is no list of such classes.
    """
    named: object = conf.authentication_classes
    if named is None:
        return api_settings.DEFAULT_AUTHENTICATION_CLASSES  # type: ignore[return-value]  # imported when read
    if isinstance(named, str) or not isinstance(named, Sequence):
        raise TypeError(f"{named!r} is no list.")
    classes = [import_string(item) if isinstance(item, str) else item for item in named]
    for item in classes:
        if not callable(getattr(item, "authenticate", None)):
            raise TypeError(f"{item!r} is no authentication class.")
    return classes


def is_bearer(authenticator: BaseAuthentication) -> bool:
    """Whether a 401 of this class would ask for a Bearer token."""
    header = authenticator.authenticate_header(None)  # type: ignore[arg-type]  # none of them looks at it
    return str(header or "").lower().startswith("bearer")
