"""A dry run that may be applied by who made it: once, soon, and to the Redis that it was made of.

Begin with ``preview``. Doors come here to show one and to apply it; the live run is started by ``services``.
``confirmation`` has the words in which they ask first, ``restoring`` all of that for a restore.
"""
