"""The guarded delete with an archive: deals are read and saved between the two looks at their activity.

Begin with ``guard``, which holds deals until a chunk of them is saved; ``delete`` has the transactions in which they
go, ``check`` what these ask of the keys.
"""
