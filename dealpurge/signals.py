"""What the host can listen to."""

from __future__ import annotations

from django.dispatch import Signal

#: Sent after every run that began, with ``run`` (the ``PurgeRun``) and ``report`` (the ``PurgeReport``).
purge_finished = Signal()
#: Sent after every restore that began, with ``run`` and ``report`` (the ``RestoreReport``).
restore_finished = Signal()
