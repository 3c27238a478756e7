"""How runs ended, in the words that a page and a terminal have in common, in whichever language is active.

Begin with ``ends``; ``archives`` says what is kept, ``counts`` has the numbers.
"""
