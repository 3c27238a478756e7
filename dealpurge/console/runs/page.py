"""What the page of one run shows, made of its row and its report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from django.contrib.auth.models import AbstractUser
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dealpurge.console import formatting, shell_commands, translation
from dealpurge.console.runs.facts import RunFacts
from dealpurge.console.runs.progress import Figure
from dealpurge.exceptions import DealPurgeError
from dealpurge.i18n import said_by
from dealpurge.keys.families import CHECKPOINTS
from dealpurge.models import PurgeRun
from dealpurge.previews.preview import Preview

Status = PurgeRun.Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A family's keys, and some of them; ``share`` is a length in percent of the longest bar, ready for a page of any
    language."""

    name: str
    label: str
    count: int
    share: str
    sample: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A number of the live run that is not the one its preview had."""

    name: str
    label: str
    preview: int
    live: int


class RunPage(RunFacts):
    """A run for its page. Everything is computed when the template asks, from what was read already."""

    def __init__(self, preview: Preview, user: AbstractUser) -> None:
        super().__init__(preview.run, preview.now)
        self.preview = preview
        self.user = user

    @property
    def title(self) -> str:
        """The heading and the last breadcrumb."""
        words = _("Preview: %(scope)s") if self.run.dry_run else _("Purge: %(scope)s")
        return words % {"scope": self.scope}

    @property
    def figures_of_end(self) -> Iterator[Figure]:
        """The numbers that matter most."""
        dry, deals = self.run.dry_run, self.deals
        if not dry:
            yield Figure(formatting.number(deals["purged"]), ngettext("deal purged", "deals purged", deals["purged"]))
            yield Figure(formatting.number(self.gone), ngettext("key deleted", "keys deleted", self.gone))
            yield Figure(self.took, self._rate_of_deletes())
            return
        words = ngettext("deal would be purged", "deals would be purged", deals["purged"])
        yield Figure(formatting.number(deals["purged"]), words)
        skipped = deals["skipped_active"] + deals.get("skipped_never_active", 0)
        guarded = self.run.scope.guarded
        label = _("would be skipped") if guarded else _("would be skipped: guard off")
        yield Figure(formatting.number(skipped), label, hot=not guarded and bool(deals["purged"]))
        words = ngettext("key would be deleted", "keys would be deleted", self.gone)
        yield Figure(formatting.number(self.gone), words)

    @property
    def bars(self) -> list[Bar]:
        """One bar a family, in the families' own order."""
        longest = max(self.families.values(), default=0) or 1
        return [
            Bar(
                name=name,
                label=self._family_label(name),
                count=count,
                share=f"{100 * count / longest:.2f}",
                sample=self.samples.get(name, []),
            )
            for name, count in self.families.items()
        ]

    @property
    def samples(self) -> dict[str, list[str]]:
        """Keys of a dry run by family; none of a live run, or of one of before."""
        found: dict[str, list[str]] = self.report.get("samples", {})
        return found

    @property
    def families_in_brief(self) -> str:
        """The two largest, and how many more have keys."""
        found = sorted(((count, name) for name, count in self.families.items() if count), reverse=True)
        parts = [f"{formatting.family(name)} {formatting.number(count)}" for count, name in found[:2]]
        others = len(found) - 2
        if others > 0:
            parts.append(ngettext("%(n)s more", "%(n)s more", others) % {"n": others})
        return " · ".join(parts) or _("none")

    @property
    def differences_in_brief(self) -> str:
        """By how many deals it did otherwise."""
        (_name, before, after), *_rest = ((item.label, item.preview, item.live) for item in self.differences[1:])
        active = next((item.live - item.preview for item in self.differences if item.name == "active"), 0)
        if after < before and active == before - after:
            words = ngettext(
                "%(n)s deal became active in between, so %(n)s fewer was purged",
                "%(n)s deals became active in between, so %(n)s fewer were purged",
                active,
            )
            return words % {"n": formatting.number(active)}
        if after < before:
            fewer = before - after
            return ngettext("%(n)s deal fewer was purged", "%(n)s deals fewer were purged", fewer) % {
                "n": formatting.number(fewer)
            }
        if after > before:
            more = after - before
            return ngettext("%(n)s deal more was purged", "%(n)s deals more were purged", more) % {
                "n": formatting.number(more)
            }
        return _("as many deals, not as many keys")

    @property
    def warnings(self) -> list[str]:
        """What the report warns of, in the reader's language."""
        return list(translation.warnings(self.run))

    @property
    def error(self) -> str:
        """Why the run failed, likewise."""
        return translation.error(self.run)

    @property
    def differences(self) -> list[Difference]:
        """Where the live run did otherwise than its preview said."""
        before = self.run.preview
        if before is None or not (before.report and self.report):
            return []
        then = before.report
        rows = (
            ("found", _("Deals found"), then["deals"]["matched"], self.deals["matched"]),
            ("purged", _("Deals purged"), then["deals"]["purged"], self.deals["purged"]),
            ("active", _("Deals left as active"), then["deals"]["skipped_active"], self.deals["skipped_active"]),
            ("keys", _("Keys"), sum(then["families"].values()), self.gone),
        )
        pairs = [Difference(name=name, label=label, preview=old, live=new) for name, label, old, new in rows]
        return pairs if any(pair.preview != pair.live for pair in pairs[1:]) else []

    @cached_property
    def refusal(self) -> DealPurgeError | None:
        """Why this user cannot apply this preview."""
        return self.preview.refusal(self.user)

    @property
    def refusal_words(self) -> str:
        """The same in the reader's language."""
        return translation.in_language(said_by(self.refusal)) if self.refusal else ""

    @property
    def commands(self) -> shell_commands.Commands:
        """The same purge for a shell."""
        return shell_commands.commands(self.run)

    def _rate_of_deletes(self) -> str:
        seconds = self.report.get("duration_ms", 0) / 1000
        if seconds < 1:
            return _("taken")
        return _("%(n)s keys a second") % {"n": formatting.number(self.gone / seconds)}

    def _family_label(self, name: str) -> str:
        stays = name == CHECKPOINTS and not self.run.include_checkpoints
        return _("%(family)s (stay)") % {"family": formatting.family(name)} if stays else formatting.family(name)
