"""One run from its row's start to its row's end.

Begin with ``running``, what a worker calls. ``base`` has what all runs have in common: kept alive, stopped when asked,
and ended in the record whatever happens. ``purge`` and ``restore`` do the work.
"""
