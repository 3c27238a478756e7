"""Which deal and family a key belongs to. Pure: no I/O, and nothing imported but the modules beside the rooms.

Begin with ``families``: their table, and ``Keyspace``, which claims a key and makes the pattern for MATCH.
``matching`` claims whole pages, ``explain`` says why a key is claimed or not.
"""
