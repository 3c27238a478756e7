"""The deals of runs in the record: written as a run goes, found for its page, and what is left of them.

Begin with ``rows``, which the record of a run writes; ``queries`` is what pages ask, and ``export``
is for a spreadsheet.
"""
