"""The page that answers which deals are in Redis, the scan behind it, and the choice of deals to purge.

Imports ``console/runs``, whose frame it shares. Begin with ``views``; ``page`` and ``deal_table`` are what the template
asks, ``activity`` is what Redis is asked meanwhile.
"""
