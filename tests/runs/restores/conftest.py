from __future__ import annotations

from tests.runs.archive.conftest import archived, place

__all__ = ["archived", "place"]
