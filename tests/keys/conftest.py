from __future__ import annotations

from dealpurge.keys.families import Keyspace
from dealpurge.keys.template import Template
from tests.support import keyspaces


def keyspace_of(host: keyspaces.Host) -> Keyspace:
    return Keyspace({name: [Template.parse(text) for text in texts] for name, texts in host.table.items()})


KEYSPACES = {repr(host): keyspace_of(host) for host in keyspaces.HOSTS}
