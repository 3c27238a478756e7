"""How far a run is, phase by phase and server by server: what the engine counts, and what a clock makes of it.

Stands below the sweep and the guard, which tell it what they do. Begin with ``tracker``; ``details`` is what comes out.
"""
