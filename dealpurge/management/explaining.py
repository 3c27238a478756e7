"""``purge_deals --explain``: whose keys they are, by the settings alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext, suppress
from typing import Any

from django.core.management.base import CommandError

from dealpurge.exceptions import PurgeConfigurationError
from dealpurge.keys.explain import Explanation, explain
from dealpurge.management.base import PurgeCommand
from dealpurge.management.options import keys_of
from dealpurge.management.output import printable_on
from dealpurge.management.terminal.layout import Layout
from dealpurge.management.terminal.streams import layout_of


def explain_keys(command: PurgeCommand, options: Mapping[str, Any]) -> None:
    """Say whose each key is. Raises ``CommandError`` if nothing claims one of them."""
    try:
        explained = [explain(key) for key in keys_of(options)]
    except PurgeConfigurationError as exc:
        raise CommandError(str(exc)) from exc
    if options["format"] == "json":
        text = json.dumps([item.as_dict() for item in explained], indent=2)
    elif options["format"] == "jsonl":
        text = "\n".join(json.dumps(item.as_dict()) for item in explained)
    else:
        lines = explanations(explained, command.outcome_style, layout_of(command.stdout))
        text = "\n".join(printable_on(command.stdout, line) for line in lines) + "\n"
    strangers = [item for item in explained if item.family is None]
    with suppress(CommandError) if strangers else nullcontext():
        command.write_outcome(text)
    if strangers:
        raise CommandError(f"No family claims {len(strangers)} of {len(explained)} keys.")


def explanations(items: Iterable[Explanation], style: Any, layout: Layout) -> Iterator[str]:
    """Keys and whose they are, each with its reason."""
    for item in items:
        data = item.as_dict()
        yield style.MIGRATE_HEADING(data["key"])
        for label in ("family", "org_id", "deal_id", "template"):
            if data[label] is not None:
                yield f"  {label:<8}  {data[label]}"
        yield from map(str if item.family else style.WARNING, layout.prose(f"  {item.reason}"))
        yield ""
