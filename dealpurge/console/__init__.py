"""The pages in the admin. A page checks who asks, calls a service, and shows the answer.

Imports everything below it, and no other door but the address of ``api``. Begin with ``base``, the frame of every page,
and ``runs/views``. ``formatting`` makes words of numbers, ``translation`` those of the record in the reader's language.
"""
