"""A run's life in the database: the only room that writes the record, each write a committed transaction.

Imports no door and no service; of the engine, what an inventory found. Begin with ``store``, where a run is created,
claimed and finished; ``record`` keeps it alive and in step with the rows of its deals, ``termination`` ends those that
are cancelled, expired or lost.
"""
