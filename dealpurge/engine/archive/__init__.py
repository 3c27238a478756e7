"""What is kept of the keys that a purge deletes, so that they can come back: read, saved, and only then deleted.

Imports ``sweep`` and ``servers``; knows no storage and no database, which a ``Keeper`` does. Begin with ``archiver``:
chunks of entries on their way. ``reader`` reads values, ``check`` reads them again behind a WATCH, ``removal`` deletes
what has not changed, ``archived_sweep`` is a sweep that does so.
"""
