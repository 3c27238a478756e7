"""What a preview is bound to: its environment, the configured address of Redis and the database there."""

from __future__ import annotations

from django.utils.translation import gettext as _

from dealpurge.exceptions import PurgeConfigurationError
from dealpurge.i18n import said_by
from dealpurge.models import PurgeRun
from dealpurge.runs.label import Label


def unbound(run: PurgeRun) -> str:
    """Why the settings of today lead elsewhere than the preview's did; empty where they do not."""
    then = Label.of_run(run)
    try:
        now = Label.of_settings()
    except PurgeConfigurationError as exc:
        return said_by(exc)
    if then.agrees_with(now):
        return ""
    was, is_now = _place(then), _place(now)
    if was == is_now:  # the label covers what is different
        return _("The address of Redis in the settings has changed since this preview was made.")
    words = _("This preview was made of %(then)s; the settings name %(now)s now.")
    return words % {"then": was, "now": is_now}


def _place(label: Label) -> str:
    return ", ".join(filter(None, (label.environment or _("an environment without a name"), label.server)))
