"""Where Django looks for commands, by the name of the module. What they share stands in the folder above.

Begin with ``purge_deals``.
"""
