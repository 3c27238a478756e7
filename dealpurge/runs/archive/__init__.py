"""A run's archive: its files in the storage that the settings name, and the rows that say which they are.

Begin with ``keeper``, which the engine hands its chunks to; ``storage`` writes and removes files, ``manifest`` says in
the archive itself what is in it, ``removal`` lets archives go.
"""
