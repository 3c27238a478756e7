"""The options of ``manage.py purge_deals``, and what they ask for: a scope, or keys to explain."""

from __future__ import annotations

from argparse import ArgumentParser, BooleanOptionalAction
from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError

from dealpurge import services
from dealpurge.conf import conf
from dealpurge.exceptions import DealPurgeError, FieldError, PurgeConfigurationError, ScopeError
from dealpurge.management.deals_file import STANDARD_INPUT, read_deals
from dealpurge.management.durations import seconds_of
from dealpurge.scope import MODES, Deal, PurgeScope
from dealpurge.text import unescape

#: What a purge may be told, and its value where it is not.
PURGE_OPTIONS = {
    "deal_ids": None,
    "deals_from": None,
    "org_id": None,
    "include_checkpoints": False,
    "exclude_active_within": None,
    "exclude_active_within_secs": None,
    "leave_never_active": False,
    "at_most_deals": None,
    "at_most_keys": None,
    "keep_archive": True,
    "dry_run": True,
    "interactive": True,
    "reason": "",
    "quiet": False,
    "csv": None,
}

#: The code that argparse ends a command with.
USAGE = 2
NO_TERMINAL = "There is no terminal to ask at. With --no-input it purges without asking."


def add_options(parser: ArgumentParser) -> None:
    """Of a purge, and ``--explain`` in place of them."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--mode", choices=MODES, help="every deal in Redis, or those named")
    what.add_argument(
        "--explain",
        action="append",
        metavar="KEY",
        help="purge nothing, but say which family and deal a key belongs to and why; may be repeated",
    )
    _add_scope(parser)
    _add_limits(parser)
    _add_manner(parser)


def _add_scope(parser: ArgumentParser) -> None:
    """Which deals, and which of their keys."""
    parser.add_argument(
        "--deal-id",
        action="append",
        dest="deal_ids",
        metavar="ID",
        help="a deal to purge, in every organisation unless --org-id names one; may be repeated",
    )
    parser.add_argument(
        "--deals-from",
        metavar="FILE",
        help="deals to purge, one a line, deal-id or organisation:deal-id; - reads the standard input",
    )
    parser.add_argument(
        "--org-id", metavar="ID", help="only keys of this organisation; of lines of a file that name none"
    )
    parser.add_argument(
        "--include-checkpoints",
        action="store_true",
        help="LangGraph checkpoints go too, which aborts synthesis runs in flight",
    )


def _add_limits(parser: ArgumentParser) -> None:
    """What is left, and how much may go."""
    parser.add_argument(
        "--exclude-active-within", metavar="TIME", help="skip deals with events within 90d, 12h, 45m or 1d12h"
    )
    parser.add_argument(
        "--exclude-active-within-secs", type=int, metavar="N", help="skip deals with events in the last N seconds"
    )
    parser.add_argument(
        "--leave-never-active",
        action="store_true",
        help="skip deals without any events, too; they count as idle otherwise",
    )
    parser.add_argument(
        "--at-most-deals", type=int, metavar="N", help="delete nothing if it would be keys of more than N deals"
    )
    parser.add_argument("--at-most-keys", type=int, metavar="N", help="delete nothing if it would be more than N keys")
    parser.add_argument(
        "--no-archive",
        action="store_false",
        dest="keep_archive",
        help="keep no archive of what goes, where the settings name a storage for one; needs a --reason",
    )


def _add_manner(parser: ArgumentParser) -> None:
    """Whether for real, whether asked, and what is said."""
    parser.add_argument("--dry-run", action=BooleanOptionalAction, default=True, help="count and report only (default)")
    parser.add_argument(
        "--no-input",
        "--noinput",
        action="store_false",
        dest="interactive",
        help="purge without showing the numbers first, and without asking",
    )
    parser.add_argument(
        "--format",
        choices=("text", "json", "jsonl"),
        default="text",
        help="of the outcome; jsonl is one line, with an error where there is one, whatever happens",
    )
    parser.add_argument(
        "--csv",
        metavar="FILE",
        help="write what became of each deal, as a spreadsheet reads it; - writes that, and nothing else, to the "
        "standard output",
    )
    parser.add_argument("--reason", default="", help="why, for the record")
    parser.add_argument(
        "--quiet",
        action="store_true",
        help="say nothing where all went well and there is nothing to warn of; else what there is to know, on the "
        "standard error",
    )


def must_ask(options: Mapping[str, Any]) -> bool:
    """Whether somebody has to say yes. Raises ``CommandError`` of usage for options that contradict each other."""
    if options["quiet"] and options["verbosity"] != 1:
        raise usage_error(f"--quiet does not go with --verbosity {options['verbosity']}: both say how much is printed")
    try:
        required = conf.reason_required and not options["dry_run"]
        declined = not options["keep_archive"] and conf.archive is not None
    except PurgeConfigurationError as exc:
        raise CommandError(str(exc)) from exc
    reason = options["reason"].strip()
    if required and not reason:
        raise usage_error("--reason is required: here no purge goes without one (DEALPURGE_REASON_REQUIRED)")
    if declined and not reason:
        raise usage_error("--no-archive needs a --reason: what is purged without an archive cannot be restored")
    ask = options["interactive"] and not options["dry_run"]
    if ask and options["deals_from"] == STANDARD_INPUT:
        raise usage_error(NO_TERMINAL)
    return bool(ask)


def scope_of(options: Mapping[str, Any]) -> PurgeScope:
    """What is to be purged. Raises ``CommandError``, of usage where the options ask for nothing sensible."""
    deal_ids, seconds = options["deal_ids"] or (), _seconds(options)
    try:
        scope = PurgeScope.named(
            mode=options["mode"],
            deal_ids=[deal_ids] if isinstance(deal_ids, str) else deal_ids,
            deals=_deals_of_file(options),
            org_id=options["org_id"],
            include_checkpoints=options["include_checkpoints"],
            exclude_active_within_secs=seconds,
            leave_never_active=options["leave_never_active"],
            dry_run=options["dry_run"],
            at_most_deals=options["at_most_deals"],
            at_most_keys=options["at_most_keys"],
            keep_archive=options["keep_archive"] or conf.archive is None,  # there is none to go without
        )
        services.check(scope)
    except ScopeError as exc:
        raise usage_error("; ".join(map(_option_error, exc.errors))) from exc
    except DealPurgeError as exc:
        raise CommandError(str(exc)) from exc
    return scope


def keys_of(options: Mapping[str, Any]) -> list[bytes]:
    """The keys to explain. Raises ``CommandError`` of usage for options of a purge, and for what no report shows."""
    if any(options[name] != value for name, value in PURGE_OPTIONS.items()):
        raise usage_error("--explain goes with --format alone: it purges nothing.")
    keys = options["explain"]
    try:
        return [unescape(key) for key in ([keys] if isinstance(keys, str) else keys)]
    except ValueError as exc:
        raise usage_error(f"argument --explain: {exc}") from exc


def _deals_of_file(options: Mapping[str, Any]) -> list[Deal]:
    if options["deals_from"] is None:
        return []
    if options["mode"] == "all":
        raise usage_error("--deals-from does not go with --mode all")
    try:
        return read_deals(str(options["deals_from"]), options["org_id"])
    except ValueError as exc:
        raise usage_error(f"argument --deals-from: {exc}") from exc


def _seconds(options: Mapping[str, Any]) -> int | None:
    duration, seconds = options["exclude_active_within"], options["exclude_active_within_secs"]
    if duration is None:
        return seconds  # type: ignore[no-any-return]
    if seconds is not None:
        raise usage_error("--exclude-active-within and --exclude-active-within-secs say the same: give one of them")
    try:
        return seconds_of(str(duration))
    except ValueError as exc:
        raise usage_error(f"argument --exclude-active-within: {exc}") from exc


def usage_error(message: str) -> CommandError:
    """Ends the command as argparse ends it."""
    return CommandError(message, returncode=USAGE)


def _option_error(error: FieldError) -> str:
    if (error.field, error.code) == ("deal_id", "missing"):
        return "--mode by_deal needs a --deal-id"
    if (error.field, error.code) == ("deal_id", "value_error"):
        return "--deal-id does not go with --mode all"
    if (error.field, error.code) == ("leave_never_active", "value_error"):
        return "--leave-never-active needs a time within which deals count as active, --exclude-active-within"
    option = "--" + error.field.replace("_", "-")
    return f"argument {option}: {error.message.removeprefix('Value error, ')}"
