"""The Content-Security-Policy header where Django does not send it yet, and the one page that needs its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

HEADER = "Content-Security-Policy"
Policy = Mapping[str, Sequence[str]]
View = Callable[..., HttpResponseBase]

# Swagger UI draws its icons from data: URLs and its page carries a style element.
SWAGGER: Policy = {
    "default-src": ["'self'"],
    "img-src": ["'self'", "data:"],
    "style-src": ["'self'", "'unsafe-inline'"],
    "frame-ancestors": ["'none'"],
}


def header_value(policy: Policy) -> str:
    return "; ".join(" ".join([directive, *sources]) for directive, sources in policy.items())


class ContentSecurityPolicyMiddleware:
    """What Django 6 does with SECURE_CSP, for Django 5.2. A header that a view has set stays."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.headers.setdefault(HEADER, header_value(settings.SECURE_CSP))
        return response


def with_policy(policy: Policy) -> Callable[[View], View]:
    """Send this policy with a view's answers instead of the project's."""

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            response = view(request, *args, **kwargs)
            response.headers[HEADER] = header_value(policy)
            return response

        return wrapped

    return decorate
