"""What happened to one deal, in all runs: a page, its CSV, and links to it from wherever a deal is named.

Begin with ``views``. Reads the record and the last inventory, and asks Redis for the last activity alone.
"""
