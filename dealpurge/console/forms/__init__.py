"""The console's forms. Begin with ``purge``; ``spare`` is what it shares with a form for chosen deals.

``prefilled`` fills it in, ``confirm`` is what is typed before a purge.
"""
