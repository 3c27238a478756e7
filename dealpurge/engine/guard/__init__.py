"""A pass that leaves live work alone: plan all keys, judge each deal by its events, delete in transactions.

Imports ``sweep``, ``servers`` and ``keys``. Begin with ``guarded_pass``, then ``guard``: a deal is judged, watched,
judged again and deleted; ``activity`` decides what counts as active, ``activity_reader`` asks Redis for it.
"""
