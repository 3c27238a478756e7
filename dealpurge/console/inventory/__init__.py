"""The page that answers which deals are in Redis, and the scan behind it.

Imports ``console/runs``, whose frame it shares. Begin with ``views``; ``page`` is what the template asks.
"""
