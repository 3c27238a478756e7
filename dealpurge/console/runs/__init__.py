"""The pages of a run: form, preview, progress, outcome, and the list with its filters and its CSV.

Imports ``console/deals`` for the host's own pages of deals. Begin with ``views``; ``page`` is what the template asks.
"""
