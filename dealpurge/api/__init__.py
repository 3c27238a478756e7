"""The endpoint. A view checks who asks, validates the body, calls a service, and shows the answer.

Imports everything below it, and no other door. Begin with ``urls`` and ``views``, which build on ``base`` and
``beginning``; ``body``, ``fields``, ``serializers`` and ``restore_body`` read a request, ``errors`` and ``handler`` say
what is wrong with it, ``answers`` are what is answered, and ``schema`` publishes the contract.
"""
