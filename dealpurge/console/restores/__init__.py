"""Restores: from a purge or a deal's timeline to a preview, and the page of a restore, under way or over.

Begin with ``views``. ``page`` has what the page shows, ``deal_table`` its deals.
"""
