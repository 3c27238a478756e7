"""The host project, but for its content security policy: themes have scripts and styles in their pages."""

from __future__ import annotations

from importlib.util import find_spec

from project.settings import *  # noqa: F403

MIDDLEWARE = [name for name in MIDDLEWARE if not name.endswith(".ContentSecurityPolicyMiddleware")]  # noqa: F405
TEMPLATES[0]["OPTIONS"]["context_processors"].append("django.template.context_processors.static")  # type: ignore[index]  # noqa: F405


def theme(name: str) -> list[str]:
    """The app of a theme; none where it is not installed, and the tests say so."""
    return [name] if find_spec(name) else []
