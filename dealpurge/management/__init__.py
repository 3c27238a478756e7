"""The command that purges: options read, a service called, the outcome printed.

Imports everything below it, and no other door. Begin with ``commands/purge_deals``; ``options`` are what it takes,
``question`` what it asks, ``output`` what it prints, ``failures`` what it ends with, ``interrupts`` what it does with
Ctrl-C and other signals, and ``terminal`` where all that goes.
"""
