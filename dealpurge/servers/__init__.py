"""The Redis primaries and our own connections to them: found, kept through faults, given up with words that help.

Knows connections and no deals; imports ``keys`` and what stands beside the rooms. Begin with ``discovery``, where the
servers are found, and ``connection``, over which all commands go (``cluster_node``: and redirects are followed).
``errors`` says what may be tried again, ``backoff`` for how long, by ``DEALPURGE_RETRY_SECONDS``.
"""
