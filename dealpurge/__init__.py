"""Purge the state of deals from Redis: one deal or all, seen first, guarded, and written down.

What stands in ``__all__`` is public, and so is what the README names; all else may change with any version.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dealpurge.exceptions import (
        ArchiveUnavailable,
        AuditUnavailable,
        DealPurgeError,
        LimitExceeded,
        PreviewRefused,
        PurgeConfigurationError,
        PurgeInProgress,
        RedisUnavailable,
        RunLost,
        ScopeError,
    )
    from dealpurge.keys.explain import Explanation, explain
    from dealpurge.keys.families import families
    from dealpurge.report import PurgeReport
    from dealpurge.services import purge_deals
    from dealpurge.signals import purge_finished

__version__ = "0.1.0"

__all__ = [
    "ArchiveUnavailable",
    "AuditUnavailable",
    "DealPurgeError",
    "Explanation",
    "LimitExceeded",
    "PreviewRefused",
    "PurgeConfigurationError",
    "PurgeInProgress",
    "PurgeReport",
    "RedisUnavailable",
    "RunLost",
    "ScopeError",
    "__version__",
    "explain",
    "families",
    "purge_deals",
    "purge_finished",
]

#: Where they are at home. Django imports this module before models may be, so they are fetched when asked for.
_HOMES = {
    "Explanation": "keys.explain",
    "PurgeReport": "report",
    "explain": "keys.explain",
    "families": "keys.families",
    "purge_deals": "services",
    "purge_finished": "signals",
}


if not TYPE_CHECKING:  # type checkers know the names above, and no other

    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'exceptions')}"), name)

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
