"""The host's own deals in its admin: the mixin with the buttons, links to deals, entries in their history.

Imports no other folder of the console. Begin with ``admin``, where ``DealPurgeAdminMixin`` is.
"""
