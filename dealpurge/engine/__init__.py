"""What a purge does to the servers. Knows no database and no door; imports ``servers`` and ``keys``.

Begin with ``purging``, and ``passes``: pass after pass over all servers until one has seen every key, each without a
guard (``sweep``) or with one (``guard``). ``limits`` say how much may go. ``inventory`` is a pass that only counts,
deal by deal, ``live_work`` one that says who works on deals. ``tracking`` knows how far it all is.
"""
