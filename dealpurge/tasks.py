"""A queued run, handed to whatever works in the background: the host's callable, or a Django task."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Any
from uuid import UUID

from dealpurge.conf import conf
from dealpurge.exceptions import DealPurgeError, RunTaken
from dealpurge.execution.running import run

logger = logging.getLogger("dealpurge")


def _task_decorator() -> Callable[[Callable[[str], None]], Any]:
    """Of Django 6, else of its backport; never of both, since a backend of the one cannot run tasks of the other."""
    for package in ("django.tasks", "django_tasks"):
        with suppress(ImportError):
            return import_module(package).task  # type: ignore[no-any-return]
    return lambda function: function


@_task_decorator()
def carry_out(run_id: str) -> None:
    """Carry out a queued run. What goes wrong stands in its row, and is raised so that the task has failed as well."""
    try:
        run(run_id)
    except RunTaken as exc:
        logger.info("queued run was left alone: %s", exc, extra={"run_id": run_id})


def enqueue(run_id: UUID) -> None:
    """Hand over a queued run's id, as text. Without Django tasks it is carried out here and now."""
    hand_over = conf.enqueue or getattr(carry_out, "enqueue", None) or _here_and_now
    hand_over(str(run_id))


def _here_and_now(run_id: str) -> None:
    """As an immediate backend does it: a run that fails is no trouble of the queue's."""
    with suppress(DealPurgeError):
        carry_out(run_id)
