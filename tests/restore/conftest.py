from __future__ import annotations

from tests.archive.conftest import keeper, other, server, spare_server

__all__ = ["keeper", "other", "server", "spare_server"]
