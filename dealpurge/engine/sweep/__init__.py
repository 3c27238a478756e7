"""A pass without a guard: SCAN and UNLINK overlapped, page by page; and what both kinds of pass count.

Imports ``servers`` and ``keys``, never ``guard``. Begin with ``scan``, the loop; ``selection`` says which keys
of a page go and counts what became of them, ``unlink`` removes a batch, ``tally`` has all counts, ``reporting`` makes
the report of them.
"""
