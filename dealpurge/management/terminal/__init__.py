"""What a command writes to: a terminal of some width, which may have colours, or a pipe that may be closed.

Begin with ``streams``; ``layout`` makes lines that fit, ``progress`` paints one that moves.
"""
