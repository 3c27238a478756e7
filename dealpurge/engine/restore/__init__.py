"""What a purge archived comes back: verified first, then written where nothing stands, events last.

Begin with ``restoring``. ``source`` says what an archive must offer, ``commands`` takes its files apart, ``writer``
sends them, ``tally`` counts. Knows no database and no storage.
"""
