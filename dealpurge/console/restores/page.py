"""What the page of a restore shows, made of its row and its report."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import cached_property
from typing import Any, Literal

from django.contrib.auth.models import AbstractUser
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dealpurge.conf import conf
from dealpurge.console import formatting, translation
from dealpurge.console.forms.confirm import ConfirmForm
from dealpurge.console.runs.facts import RunFacts
from dealpurge.console.runs.progress import Figure
from dealpurge.exceptions import DealPurgeError
from dealpurge.i18n import said_by
from dealpurge.models import PurgeRun
from dealpurge.previews.restoring import RestorePreview, RestoreQuestion, lacks_room
from dealpurge.runs.outcome import counts
from dealpurge.runs.outcome.ends import End
from dealpurge.runs.outcome.restored import end_of
from dealpurge.text import plain

Status = PurgeRun.Status
State = Literal["open", "applied", "empty", "expired", "refused"]


class RestorePage(RunFacts):
    """A restore, or the preview of one. Everything is computed when the template asks."""

    def __init__(
        self, preview: RestorePreview, user: AbstractUser, form: ConfirmForm | None = None, reason: str = ""
    ) -> None:
        """``form``, ``reason``: what was posted, if something was."""
        super().__init__(preview.run, preview.now)
        self.preview, self.user, self._filled, self._reason = preview, user, form, reason
        self.purge: PurgeRun = preview.run.restored_run  # type: ignore[assignment]

    @property
    def title(self) -> str:
        """The heading and the last breadcrumb."""
        return _("Restore preview") if self.run.dry_run else _("Restore: %(scope)s") % {"scope": self.scope}

    @property
    def badge(self) -> str:
        """The run's state in a word or two."""
        if self.run.dry_run and self.run.status == Status.COMPLETED:
            return _("nothing written yet")
        return super().badge

    @property
    def purged_at(self) -> str:
        """When the purge was that it undoes."""
        return counts.minute(self.purge.created_at)

    @property
    def archive(self) -> str:
        """How large it is, and until when it is kept."""
        told = ((self.purge.report or {}).get("archive") or {}).get("bytes")
        until = self.purge.archived_until
        if not told or until is None:
            return ""
        return _("Archive: %(size)s, until %(day)s.") % {"size": counts.size(told), "day": counts.day(until)}

    @property
    def families_named(self) -> str:
        """Where it is not of all families."""
        return ", ".join(map(formatting.family, self.run.families or ()))

    @property
    def figures_of_end(self) -> Iterator[Figure]:
        """The numbers that matter most."""
        dry, deals, keys = self.run.dry_run, self.deals, self.keys
        if dry:
            every = deals["archived"] - deals["left_out"]
            yield Figure(formatting.number(every), ngettext("deal in the archive", "deals in the archive", every))
            words = ngettext("key would be written back", "keys would be written back", keys["restored"])
            yield Figure(formatting.number(keys["restored"]), words)
            yield Figure(formatting.number(keys["kept_newer"]), _("exist again, would be left as they are"))
            yield Figure(formatting.number(keys["expired"]), _("expired since, would stay away"))
            return
        yield Figure(
            formatting.number(deals["restored"]), ngettext("deal restored", "deals restored", deals["restored"])
        )
        yield Figure(formatting.number(keys["restored"]), ngettext("key restored", "keys restored", keys["restored"]))
        yield Figure(formatting.number(keys["kept_newer"]), _("exist again, left as they are"))
        yield Figure(formatting.number(keys["expired"]), _("expired since"))

    @property
    def mixed(self) -> str:
        """How many deals somebody has worked on; empty where none, or they are left out."""
        count = self.deals.get("mixed", 0) - self.deals.get("left_out", 0)
        if count <= 0:
            return ""
        words = ngettext(
            "%(n)s deal has been worked on since the purge", "%(n)s deals have been worked on since the purge", count
        )
        return words % {"n": formatting.number(count)}

    @property
    def leave_out(self) -> str:
        """The words of the button that leaves them out."""
        count = self.deals.get("mixed", 0)
        words = ngettext("Leave this deal out", "Leave these %(n)s deals out", count)
        return words % {"n": formatting.number(count)}

    @property
    def left_out(self) -> str:
        """How many were left out; empty where none."""
        count = self.deals.get("left_out", 0)
        if not count:
            return ""
        words = ngettext(
            "%(n)s deal is left out, because somebody has worked on it since the purge.",
            "%(n)s deals are left out, because somebody has worked on them since the purge.",
            count,
        )
        return words % {"n": formatting.number(count)}

    @property
    def damaged(self) -> list[dict[str, Any]]:
        """Files that cannot be restored, with their keys."""
        labels = {"missing": _("missing"), "truncated": _("truncated"), "altered": _("altered")}
        files: list[dict[str, Any]] = self.report.get("damaged", [])
        return [
            {
                "name": file["name"].rpartition("/")[2],
                "keys": formatting.keys(file["keys"]),
                "damage": labels.get(file["damage"], file["damage"]),
            }
            for file in files
        ]

    @property
    def warnings(self) -> list[str]:
        """What the report warns of, in the reader's language."""
        return list(translation.warnings(self.run))

    @property
    def error(self) -> str:
        """Why the run failed, likewise."""
        return translation.error(self.run)

    @property
    def end(self) -> End | None:
        """How it ended, in words."""
        return end_of(self.run, self.error)

    @cached_property
    def refusal(self) -> DealPurgeError | None:
        """Why this user cannot apply this preview."""
        return self.preview.refusal(self.user)

    @property
    def refusal_words(self) -> str:
        """The same in the reader's language."""
        return translation.in_language(said_by(self.refusal)) if self.refusal else ""

    @property
    def reason(self) -> str:
        """Why, as far as it was said."""
        return plain(self._reason or self.run.reason)

    @property
    def reason_required(self) -> bool:
        """Whether it must be."""
        return conf.reason_required

    @property
    def lacks_room(self) -> bool:
        """Whether Redis has too little memory for it."""
        return lacks_room(self.report)

    @cached_property
    def state(self) -> State | None:
        """What has become of a finished preview; it may be applied where it is open. None of all else."""
        if not self.run.dry_run or self.run.status != Status.COMPLETED:
            return None
        if self.preview.applied_as:
            return "applied"
        if not self.run.keys_to_go:
            return "empty"
        if self.preview.left < timedelta(0):
            return "expired"
        return "refused" if self.refusal else "open"

    @cached_property
    def question(self) -> RestoreQuestion:
        """What is asked."""
        return question_of(self.preview)

    @property
    def form(self) -> ConfirmForm | None:
        """The field for what has to be typed; None where a click is enough."""
        return self._filled or (ConfirmForm(confirmation=self.question) if self.question.words else None)


def question_of(preview: RestorePreview) -> RestoreQuestion:
    """What is asked of it, on its page and of what is posted there."""
    return RestoreQuestion(preview.run.report or {}, preview.run.environment)
