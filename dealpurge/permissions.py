"""Who may purge and restore, through any door."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractUser, AnonymousUser

#: The custom permissions; superusers hold them.
PURGE_DEALS = "dealpurge.purge_deals"
RESTORE_DEALS = "dealpurge.restore_deals"


def may_purge(user: AbstractUser | AnonymousUser) -> bool:
    """Whether ``user`` is active and holds ``dealpurge.purge_deals``."""
    return bool(user.is_authenticated and user.is_active and user.has_perm(PURGE_DEALS))


def may_restore(user: AbstractUser | AnonymousUser) -> bool:
    """Whether ``user`` is active and holds ``dealpurge.restore_deals``."""
    return bool(user.is_authenticated and user.is_active and user.has_perm(RESTORE_DEALS))


def may_view_runs(user: AbstractUser | AnonymousUser) -> bool:
    """Whether ``user`` may see the record: who may purge or restore, and who holds ``dealpurge.view_purgerun``."""
    return (
        may_purge(user)
        or may_restore(user)
        or bool(user.is_authenticated and user.is_active and user.has_perm("dealpurge.view_purgerun"))
    )
