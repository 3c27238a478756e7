"""The endpoint. A view checks who asks, validates the body, calls a service, and shows the answer.

Imports everything below it, and no other door. Begin with ``urls`` and ``views``; ``body``, ``fields`` and
``serializers`` read a request, ``errors`` and ``handler`` say what is wrong with it, ``schema`` publishes the contract.
"""
